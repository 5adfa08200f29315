// Each call of the API that the UI makes, by name.
import { all, call, idempotencyKey } from './http';
import type {
  Adopted, CommandReply, CreateServer, CreateToken, Event, Lines, Node, Page, PatchServer, Recovery, Samples, Server, Session, Template, Token, Verb,
} from './types';

const at = (name: string) => `/api/servers/${encodeURIComponent(name)}`;

export const api = {
  session: () => call<Session>('GET', '/api/session'),
  login: (token: string) => call<Session>('POST', '/api/session', { body: { token } }),
  logout: () => call<void>('DELETE', '/api/session'),

  servers: () => all<Server>('/api/servers'),
  server: (name: string) => call<Server>('GET', at(name)),
  createServer: (body: CreateServer, key = idempotencyKey()) =>
    call<Server>('POST', '/api/servers', { body, headers: { 'Idempotency-Key': key } }),
  patchServer: (name: string, revision: number, body: PatchServer) =>
    call<Server>('PATCH', at(name), { body, headers: { 'If-Match': `"${revision}"` } }),
  deleteServer: (name: string) => call<Server | undefined>('DELETE', at(name)),
  act: (name: string, verb: Verb) => call<Server>('POST', `${at(name)}/${verb}`, { body: {} }),
  command: (name: string, command: string) => call<CommandReply>('POST', `${at(name)}/command`, { body: { command } }),
  lines: (name: string, query: Record<string, string | number>, signal?: AbortSignal) =>
    call<Lines>('GET', `${at(name)}/logs?${new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]))}`, signal ? { signal } : {}),
  downloadURL: (name: string) => `${at(name)}/logs/download`,
  consoleURL: (name: string, after: number) => `${at(name)}/console?after=${after}`,
  samples: (name: string, since: Date) => call<Samples>('GET', `${at(name)}/samples?since=${encodeURIComponent(since.toISOString())}`),

  nodes: () => all<Node>('/api/nodes'),
  createToken: (body: CreateToken) => call<Token>('POST', '/api/nodes/tokens', { body, headers: { 'Idempotency-Key': idempotencyKey() } }),
  nodeAct: (name: string, verb: 'revoke' | 'cordon' | 'uncordon' | 'unlock') => call<Node | undefined>('POST', `/api/nodes/${encodeURIComponent(name)}/${verb}`, { body: {} }),

  recovery: () => call<Recovery>('GET', '/api/recovery'),
  recoveryLead: () => call<Recovery>('POST', '/api/recovery/lead', { body: {} }),
  recoveryEnd: (leave: boolean) => call<Recovery>('POST', '/api/recovery/end', { body: { leave } }),
  recoveryAdoptAll: () => call<Adopted>('POST', '/api/recovery/adopt', { body: {} }),
  decide: (noun: 'servers' | 'nodes', name: string, verb: string) => call<Recovery>('POST', `/api/recovery/${noun}/${encodeURIComponent(name)}/${verb}`, { body: {} }),

  templates: async () => (await call<Page<Template>>('GET', '/api/templates')).items ?? [],
  events: (query: Record<string, string>) => call<Page<Event>>('GET', `/api/events?${new URLSearchParams(query)}`),
};
