// Mirrors controller/api/client/scaling.go by hand until its routes are in the OpenAPI document. Everyone imports these
// names from here, so that they can become `S['Machine']` and so on (api/types.ts) in this one place.
// Money is whole micro-euros in fields that end in _micro_eur; a time that is not known is left out.
import type { Problem } from '../api/types';

export interface Machine {
  id: string;
  name: string;
  role: string;
  type: string;
  location: string;
  arch: string;
  phase: string; // ordering, booting, proving, serving, draining, deleting, gone
  node?: string; // name
  spare: boolean;
  ipv4?: string;
  memory_bytes: number;
  cpu_millis: number;
  disk_bytes: number;
  hourly_micro_eur: number;
  monthly_micro_eur: number; // never more than this in a month; 0 = no such bound
  today_micro_eur: number;
  paid_until?: string;
  servers: number;
  for: string; // why it was ordered
  by: string;
  explain: string; // what it does now
  retry?: string;
  problem?: Problem;
  ordered_at: string;
  created_at?: string;
  join_by?: string;
  joined_at?: string;
  serving_at?: string;
  empty_at?: string;
  drain_by?: string;
  deleted_at?: string;
}

export interface Scaling {
  available: boolean;
  enabled: boolean;
  explain: string;
  next?: string;
  settings: ScalingSettings;
  machines: number;
  spares: number;
  spares_wanted: number;
  fill: number; // 0…1
  hourly_micro_eur: number;
  today_micro_eur: number;
  today_most_micro_eur: number;
  month_most_micro_eur: number;
  waiting: WaitingServer[];
  last?: ScalingEntry;
  catalogue_at?: string;
}

export interface WaitingServer {
  server: string;
  memory_bytes: number;
  cpu_millis: number;
  since: string;
  why: string;
}

export interface ScalingSettings {
  max_machines?: number;
  max_day_micro_eur?: number;
  up?: number;
  down?: number;
  cooldown_seconds?: number;
  release_minute?: number;
  types?: string[];
  locations?: string[];
  zone?: string;
  spares?: Record<string, number>;
}

export interface ScalingEntry {
  id?: string;
  at: string;
  actions: ScalingAction[];
  considered: ScalingRejected[];
  reasons: string[];
  inputs: Record<string, unknown>;
}

export interface ScalingAction {
  do: string; // order, release, keep, …
  machine?: string;
  type?: string;
  location?: string;
  why: string;
  hourly_micro_eur?: number;
  result?: string;
}

export interface ScalingRejected {
  what: string;
  why: string;
  hourly_micro_eur?: number;
}

export interface Why {
  server: string;
  state: string;
  node?: string;
  explain: string;
  next?: string;
  placed_at?: string;
  reason?: string;
  nodes: WhyNode[];
  scaling?: ScalingEntry;
}

export interface WhyNode {
  node: string;
  fits: boolean;
  why: string;
}

export interface Garbage {
  at: string;
  dry_run: boolean;
  things: GarbageThing[];
}

export interface GarbageThing {
  kind: string;
  id: string;
  name: string;
  do: string; // adopt, delete, leave
  why: string;
  since?: string;
  result?: string;
}

export interface Drain {
  deadline_seconds?: number;
}

export interface Drained {
  node: string;
  done: boolean;
  left: string[];
  by?: string;
  explain: string;
}
