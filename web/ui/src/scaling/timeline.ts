// Decisions as a time line: days, and in them moments; what repeats is one moment. Pure.
import { bytes, exact } from '../kit/format';
import { euro, perHour } from '../fleet/money';
import type { ScalingAction, ScalingEntry } from '../fleet/types';

export interface Moment {
  key: string;
  newest: ScalingEntry;
  from: number; // ms, the oldest of them
  to: number; // ms, the newest
  count: number;
  quiet: boolean; // nothing was changed
}

export interface Day {
  day: string; // 2026-11-21 in the reader's zone
  moments: Moment[];
  ordered: number;
  released: number;
}

/** Whether a decision leaves everything as it is. */
export function quiet(entry: ScalingEntry): boolean {
  return (entry.actions ?? []).every((a) => a.do === 'keep' || a.do === 'wait' || a.do === 'none');
}

/** What two decisions must share to be one moment: quiet ones are alike, others by what they do and how it went. */
function sameness(entry: ScalingEntry): string {
  return quiet(entry) ? '' : JSON.stringify(entry.actions.map((a) => [a.do, a.machine, a.type, a.location, a.result]));
}

export function dayOf(time: string | number, zone?: string): string {
  return new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', ...(zone ? { timeZone: zone } : {}) }).format(new Date(time));
}

/** Entries come newest first and leave newest first. */
export function timeline(entries: readonly ScalingEntry[], zone?: string): Day[] {
  const days: Day[] = [];
  for (const entry of [...entries].sort((a, b) => Date.parse(b.at) - Date.parse(a.at))) {
    const at = Date.parse(entry.at);
    const day = dayOf(at, zone);
    let here = days.at(-1);
    if (here?.day !== day) days.push(here = { day, moments: [], ordered: 0, released: 0 });
    const last = here.moments.at(-1);
    if (last && sameness(last.newest) === sameness(entry)) {
      last.from = at;
      last.count++;
      continue;
    }
    here.moments.push({ key: entry.id || entry.at, newest: entry, from: at, to: at, count: 1, quiet: quiet(entry) });
    here.ordered += count(entry.actions, 'order');
    here.released += count(entry.actions, 'release');
  }
  return days;
}

const count = (actions: readonly ScalingAction[], verb: string) => (actions ?? []).filter((a) => a.do === verb).length;

/** "Today", "Yesterday", or the date, for a day's heading. */
export function dayName(day: string, today: string, locale: string): string {
  const apart = Math.round((Date.parse(day) - Date.parse(today)) / 86_400_000);
  if (apart === 0 || apart === -1) return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(apart, 'day');
  return new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' }).format(Date.parse(day));
}

/** What a decision was made from, as pairs to read: sizes, money and times as people write them. */
export function inputs(data: Record<string, unknown> | null | undefined, locale: string): [string, string][] {
  return Object.entries(data ?? {}).filter(([, v]) => v !== null && v !== undefined && v !== '').map(([k, v]) => {
    if (typeof v === 'number' && k.endsWith('_micro_eur')) return [words(k.slice(0, -10)), k.startsWith('hourly') ? perHour(v, locale) : euro(v, locale)];
    if (typeof v === 'number' && k.endsWith('_bytes')) return [words(k.slice(0, -6)), bytes(v, locale)];
    if (typeof v === 'number' && (k === 'fill' || k === 'up' || k === 'down')) return [words(k), `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(v * 100)} %`];
    return [words(k), plain(v, locale)];
  });
}

const words = (key: string) => key.replaceAll('_', ' ');

function plain(value: unknown, locale: string): string {
  if (typeof value === 'number') return new Intl.NumberFormat(locale, { maximumFractionDigits: 4 }).format(value);
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return exact(value, locale);
  const text = Array.isArray(value) && value.every((each) => typeof each === 'string') ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
