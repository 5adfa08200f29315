// The API's calls about machines, scaling and emptying nodes.
import { all, call } from '../api/http';
import type { Page } from '../api/types';
import type { Drain, Drained, Garbage, Machine, Scaling, ScalingEntry, ScalingSettings, Why } from './types';

export const fleetApi = {
  machines: (gone: boolean) => all<Machine>(`/api/machines${gone ? '?gone=true' : ''}`),
  scaling: () => call<Scaling>('GET', '/api/scaling/status'),
  scale: (on: boolean) => call<Scaling>('POST', `/api/scaling/${on ? 'enable' : 'disable'}`, { body: {} }),
  settings: (body: ScalingSettings) => call<Scaling>('PATCH', '/api/scaling/settings', { body }),
  history: async (limit: number) => (await call<Page<ScalingEntry>>('GET', `/api/scaling/history?limit=${limit}`)).items ?? [],
  plan: () => call<ScalingEntry>('GET', '/api/scaling/plan'),
  why: (server: string) => call<Why>('GET', `/api/servers/${encodeURIComponent(server)}/why`),
  drain: (node: string, body: Drain) => call<Drained>('POST', `/api/nodes/${encodeURIComponent(node)}/drain`, { body }),
  garbage: (dry: boolean) => call<Garbage>('POST', `/api/cloud/garbage?dry_run=${dry}`, { body: {} }),
};
