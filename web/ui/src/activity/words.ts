// Events as lines to read. Pure.
import type { Event, Exit } from '../api/types';
import { euro, perHour } from '../fleet/money';
import { bytes, duration, exact } from '../kit/format';

export const families = ['server', 'player', 'node', 'backup', 'scaling', 'billing', 'store'];

/** Puts events together, each once, newest first, the newest kept. */
export function join(a: readonly Event[], b: readonly Event[], most: number): Event[] {
  const bySeq = new Map<number, Event>();
  for (const e of a) bySeq.set(e.seq, e);
  for (const e of b) bySeq.set(e.seq, e);
  return [...bySeq.values()].sort((x, y) => y.seq - x.seq).slice(0, most);
}

/** The data of an event as "key: value" pairs; text only, long values cut. Sizes, times, money and lists as people write them. label is the word for a key. */
export function detail(data: Event['data'], locale: string, label: (key: string) => string = words): string {
  if (!data) return '';
  const machine = 'hourly' in data && 'machine' in data; // its ids say nothing to people
  return Object.entries(data)
    .sort(([a], [b]) => rank(a, machine) - rank(b, machine))
    .flatMap(([k, v]): [string, unknown][] => (typeof v === 'object' && v !== null ? opened(k, v) : [[k, v]]))
    .filter(([k, v]) => k !== 'name' && v !== null && v !== '' && v !== undefined) // the name is in the line already
    .filter(([k, v]) => !(machine && (k === 'machine' || k === 'retry' || k === 'cloud_id' || (k === 'spare' && !v))) && k !== 'decision')
    .map(([k, v]) => (k.endsWith('_bytes') && typeof v === 'number' ? `${label(k.slice(0, -6))}: ${bytes(v, locale)}` : `${label(k)}: ${cut(figure(k, v, locale) ?? plain(v, locale))}`))
    .join(' · ');
}

// Of a machine what happened comes before what it is: a line is cut at its end. The controller's keys come by the alphabet.
const order = ['for', 'why', 'problem', 'no_retry', 'type', 'location', 'hourly'];
const rank = (key: string, machine: boolean) => (machine && order.includes(key) ? order.indexOf(key) : order.length);

/** What a line is about when it is a machine: its name stands there before there is a node of it, and after. */
export function machineOf(e: Event): { name: string; page: boolean } | undefined {
  const name = e.data?.['name'];
  if (!e.type.startsWith('scaling.') || typeof name !== 'string' || !name) return undefined;
  return { name, page: 'machine' in e.data! };
}

export const words = (key: string) => key.replaceAll('_', ' ');

function opened(key: string, value: object): [string, unknown][] {
  if (key === 'exit') return exit(value as Exit);
  if (key === 'problem' && 'message' in value) return [['problem', value.message], ['next', 'next' in value ? value.next : undefined]];
  return [[key, Array.isArray(value) && value.length === 0 ? undefined : value]];
}

/** Money and spans by the names that they have in events. */
function figure(key: string, value: unknown, locale: string): string | undefined {
  if (typeof value === 'number' && key === 'hourly') return perHour(value, locale);
  if (typeof value === 'number' && /micro_euros?(_|$)|_micro_eur$/.test(key)) return euro(value, locale);
  if (typeof value === 'number' && key === 'seconds') return duration(value * 1000);
  return undefined;
}

function plain(value: unknown, locale: string): string {
  if (Array.isArray(value)) return value.every((each) => typeof each !== 'object' || each === null) ? value.join(', ') : value.map((each) => thing(each as Record<string, unknown>)).join(', ');
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return exact(value, locale);
  return typeof value === 'object' && value !== null ? spares(value as Pool) ?? JSON.stringify(value) : String(value);
}

interface Pool { zone?: string; base?: number; rules?: { days?: string[] | null; from: number; to: number; machines: number }[] | null }

/** The table of spares as it is typed: "1; fri,sat 17-24 = 3 (Europe/Berlin)". */
function spares({ zone, base, rules }: Pool): string | undefined {
  if (base === undefined) return undefined;
  const rule = (r: NonNullable<Pool['rules']>[number]) => `${[...(r.days?.length ? [r.days.join(',')] : []), ...(r.from !== 0 || r.to !== 24 || !r.days?.length ? [`${r.from}-${r.to}`] : [])].join(' ')} = ${r.machines}`;
  return `${[String(base), ...(rules ?? []).map(rule)].join('; ')}${zone ? ` (${zone})` : ''}`;
}

/** One of a list: an offer, a leftover with what became of it; what is neither is shown as it came. */
function thing(t: Record<string, unknown>): string {
  if (typeof t['type'] === 'string' && typeof t['location'] === 'string') return `${t['type']} ${t['location']}`;
  if (typeof t['kind'] === 'string') return `${t['kind']} ${String(t['name'] || t['id'])} (${String(t['result'] || t['do'])})`;
  return JSON.stringify(t);
}

/** How a run ended, without its last lines: those are on the server's page. */
function exit(e: Exit): [string, unknown][] {
  return [['exit code', e.code], ...(e.oom ? [['out of memory', true] as [string, unknown]] : []), ...(e.killed ? [['killed', true] as [string, unknown]] : [])];
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
