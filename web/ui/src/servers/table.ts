// Sorting, filtering, selecting and windowing of the list. Pure.
import type { Server } from '../api/types';

export type Column = 'name' | 'state' | 'players' | 'memory' | 'cpu' | 'node' | 'created';
export interface Sort {
  column: Column;
  down: boolean;
}

const urgency = ['crashed', 'failed', 'unknown', 'waiting', 'held', 'starting', 'stopping', 'deleting', 'running', 'asleep', 'stopped'];

function keyOf(s: Server, column: Column): string | number {
  switch (column) {
    case 'name': return s.name;
    case 'state': return (urgency.indexOf(s.state) + urgency.length + 1) % (urgency.length + 1);
    case 'players': return s.usage?.players ?? -1;
    case 'memory': return s.memory_bytes;
    case 'cpu': return s.usage?.cpu_cores ?? -1;
    case 'node': return s.node;
    case 'created': return s.created_at;
  }
}

const collator = new Intl.Collator(undefined, { numeric: true });

export function sorted(list: Server[], sort: Sort): Server[] {
  const sign = sort.down ? -1 : 1;
  return [...list].sort((a, b) => {
    const x = keyOf(a, sort.column);
    const y = keyOf(b, sort.column);
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : collator.compare(String(x), String(y));
    return sign * order || collator.compare(a.name, b.name);
  });
}

/** Every word must be found somewhere: name, state in the reader's words, template, version, node, address. */
export function filtered(list: Server[], query: string, word: (state: string) => string): Server[] {
  const parts = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (parts.length === 0) return list;
  return list.filter((s) => {
    const text = [s.name, s.state, word(s.state), s.template, s.version, s.node, s.address].join(' ').toLowerCase();
    return parts.every((p) => text.includes(p));
  });
}

/** One click, or with shift the range from the last click; what is set follows the clicked one. */
export function select(chosen: ReadonlySet<string>, order: string[], name: string, last: string | undefined, shift: boolean): Set<string> {
  const next = new Set(chosen);
  const on = !chosen.has(name);
  const from = last === undefined ? -1 : order.indexOf(last);
  const to = order.indexOf(name);
  const range = shift && from >= 0 ? order.slice(Math.min(from, to), Math.max(from, to) + 1) : [name];
  for (const each of range) {
    if (on) next.add(each);
    else next.delete(each);
  }
  return next;
}

export interface Slice {
  from: number;
  to: number;
  before: number; // px above the slice
  after: number; // px below it
}

/** Which rows to draw: those in view and some more on each side. top is how far the list's top is above the view. */
export function slice(count: number, rowHeight: number, top: number, view: number, spare = 8): Slice {
  if (count <= 60) return { from: 0, to: count, before: 0, after: 0 };
  const from = Math.min(Math.max(0, Math.floor(top / rowHeight) - spare), Math.max(0, count - 1));
  const to = Math.min(count, Math.ceil((Math.max(0, top) + view) / rowHeight) + spare);
  return { from, to: Math.max(to, from), before: from * rowHeight, after: (count - Math.max(to, from)) * rowHeight };
}
