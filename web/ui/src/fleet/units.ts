// Nodes and machines as one list: a machine and the node on it are one line. Pure.
import type { Node } from '../api/types';
import type { Machine } from './types';

export interface Unit {
  key: string;
  name: string;
  node?: Node;
  machine?: Machine;
}

export function units(nodes: readonly Node[], machines: readonly Machine[]): Unit[] {
  const byNode = new Map<string, Machine>();
  const ended = new Map<string, Machine>(); // a node that is cut off and its machine that is gone belong together too
  for (const m of machines) if (m.node) (m.phase === 'gone' ? ended : byNode).set(m.node, m);
  const taken = new Set<string>();
  const out: Unit[] = nodes.map((node) => {
    const machine = byNode.get(node.name) ?? (node.state === 'revoked' ? ended.get(node.name) : undefined);
    if (machine) taken.add(machine.id);
    return { key: node.id, name: node.name, node, ...(machine ? { machine } : {}) };
  });
  for (const machine of machines) if (!taken.has(machine.id)) out.push({ key: machine.id, name: machine.name, machine });
  return out;
}

/** The one word for it: trouble of the node first, then where the machine is in its life, then the node. */
export function stateOf(u: Unit): string {
  const node = u.node?.state;
  const phase = u.machine?.phase;
  if (phase === 'deleting' || phase === 'gone') return phase;
  if (node === 'unreachable' || node === 'unhealthy' || node === 'revoked' || node === 'locked') return node;
  if (phase && phase !== 'serving') return phase;
  return node ?? phase ?? '';
}

/** No more to be used: shown only when asked for. */
export function past(u: Unit): boolean {
  const state = stateOf(u);
  return state === 'gone' || state === 'revoked';
}

export interface Line {
  text: string;
  bad: boolean;
  next?: string;
}

/** What is to be said about it in one line. */
export function lineOf(u: Unit): Line {
  const { node, machine } = u;
  if (machine?.problem) return { text: machine.problem.detail || machine.problem.title, bad: true, ...(machine.problem.next ? { next: machine.problem.next } : {}) };
  if (node?.explain && (stateOf(u) === node.state) && node.state !== 'ready') {
    return { text: node.explain, bad: node.state === 'unreachable' || node.state === 'unhealthy', ...(node.next ? { next: node.next } : {}) };
  }
  return { text: machine?.explain || '', bad: false };
}

export function fillOf(u: Unit): number {
  return u.node && u.node.memory_schedulable_bytes > 0 ? u.node.memory_booked_bytes / u.node.memory_schedulable_bytes : -1;
}

export type Column = 'name' | 'state' | 'fill' | 'servers' | 'hour' | 'today' | 'paid';
export interface Sort {
  column: Column;
  down: boolean;
}

const urgency = ['unreachable', 'unhealthy', 'locked', 'degraded', 'ordering', 'booting', 'proving', 'draining', 'deleting', 'cordoned', 'ready', 'serving', 'gone', 'revoked'];
const collator = new Intl.Collator(undefined, { numeric: true });

function keyOf(u: Unit, column: Column): string | number {
  const m = u.machine;
  switch (column) {
    case 'name': return u.name;
    case 'state': return (urgency.indexOf(stateOf(u)) + urgency.length + 1) % (urgency.length + 1) - (m?.problem ? urgency.length : 0);
    case 'fill': return fillOf(u);
    case 'servers': return u.node?.servers ?? m?.servers ?? 0;
    case 'hour': return m?.hourly_micro_eur ?? -1;
    case 'today': return m?.today_micro_eur ?? -1;
    case 'paid': return m?.paid_until ? Date.parse(m.paid_until) : Infinity;
  }
}

export function sorted(list: readonly Unit[], sort: Sort): Unit[] {
  const sign = sort.down ? -1 : 1;
  return [...list].sort((a, b) => {
    const x = keyOf(a, sort.column);
    const y = keyOf(b, sort.column);
    const order = x === y ? 0 : typeof x === 'number' && typeof y === 'number' ? x - y : collator.compare(String(x), String(y));
    return Math.sign(sign * order) || collator.compare(a.name, b.name);
  });
}

/** Every word must be found somewhere: name, state in the reader's words, type, place, class, roles, why. */
export function filtered(list: readonly Unit[], query: string, word: (state: string) => string): Unit[] {
  const parts = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (parts.length === 0) return [...list];
  return list.filter((u) => {
    const [n, m] = [u.node, u.machine];
    const text = [u.name, m?.name, stateOf(u), word(stateOf(u)), m?.type, m?.location, m?.arch, m?.ipv4, m?.for, n?.class, ...(n?.roles ?? []), lineOf(u).text].join(' ').toLowerCase();
    return parts.every((p) => text.includes(p));
  });
}
