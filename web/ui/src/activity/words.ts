// Events as lines to read. Pure.
import type { Event, Exit } from '../api/types';
import { bytes, exact } from '../kit/format';

export const families = ['server', 'player', 'node', 'backup', 'scaling', 'billing', 'store'];

/** Puts events together, each once, newest first, the newest kept. */
export function join(a: readonly Event[], b: readonly Event[], most: number): Event[] {
  const bySeq = new Map<number, Event>();
  for (const e of a) bySeq.set(e.seq, e);
  for (const e of b) bySeq.set(e.seq, e);
  return [...bySeq.values()].sort((x, y) => y.seq - x.seq).slice(0, most);
}

/** The data of an event as "key: value" pairs; text only, long values cut. Sizes, times and lists as people write them. */
export function detail(data: Event['data'], locale: string): string {
  if (!data) return '';
  return Object.entries(data)
    .flatMap(([k, v]): [string, unknown][] => (k === 'exit' && typeof v === 'object' && v !== null ? exit(v as Exit) : [[k, v]]))
    .filter(([k, v]) => k !== 'name' && v !== null && v !== '' && v !== undefined) // the name is in the line already
    .map(([k, v]) => (k.endsWith('_bytes') && typeof v === 'number' ? `${words(k.slice(0, -6))}: ${bytes(v, locale)}` : `${words(k)}: ${cut(plain(v, locale))}`))
    .join(' · ');
}

const words = (key: string) => key.replaceAll('_', ' ');

function plain(value: unknown, locale: string): string {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value.join(', ');
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return exact(value, locale);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** How a run ended, without its last lines: those are on the server's page. */
function exit(e: Exit): [string, unknown][] {
  return [['exit code', e.code], ...(e.oom ? [['out of memory', true] as [string, unknown]] : []), ...(e.killed ? [['killed', true] as [string, unknown]] : [])];
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
