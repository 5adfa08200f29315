// What contradicts a store that was restored from a backup.
import { api } from '../api/calls';
import type { Event, Recovery, RecoveryFinding } from '../api/types';
import { Resource } from '../live/resource';

export const recovery = new Resource<Recovery>(api.recovery);

/** Whether every page must say that something is wrong. */
export function shown(r: Recovery | undefined): boolean {
  return r !== undefined && (r.open || r.undecided > 0);
}

/** Events after which it may have changed. */
export function touches(e: Event): boolean {
  return /^node\.(recovery_|adopted|kept|forgotten|unknown|ahead|missing|differs|term_ahead|connected|revoked)/.test(e.type) || /^server\.(adopted|kept|forgotten)/.test(e.type);
}

/** Where a choice is sent to; undefined where it is about the controller itself. */
export function target(f: RecoveryFinding, verb: string): { noun: 'servers' | 'nodes'; name: string } | undefined {
  if (verb === 'lead') return undefined;
  return ['node', 'term', 'reports'].includes(f.sign) ? { noun: 'nodes', name: f.node_id } : { noun: 'servers', name: f.server_id ?? '' };
}

/** Choices that cannot be taken back. */
export function final(f: RecoveryFinding, verb: string): boolean {
  return verb === 'forget' ? f.sign === 'missing' : verb === 'keep' && (f.sign === 'ahead' || f.sign === 'unknown');
}
