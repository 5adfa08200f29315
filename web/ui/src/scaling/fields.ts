// The limits as a form: what is typed, what is wrong with it, what changes, and which field a refusal is about. Pure.
import type { Problem } from '../api/types';
import { fieldEuro, parseEuro } from '../fleet/money';
import type { ScalingSettings } from '../fleet/types';
import type { Key } from '../i18n/en';

export interface Typed {
  machines: string;
  day: string;
  up: string; // per cent
  down: string;
  cooldown: string; // minutes
  release: string; // minute of the paid hour
  spares: string; // "1; fri,sat 17-24 = 3"; the server reads it
  zone: string;
  types: string; // with commas
  locations: string;
}

export type Field = keyof Typed;

export function typedFrom(s: ScalingSettings, locale: string): Typed {
  const part = (v: number | null | undefined) => (v == null ? '' : String(Math.round(v * 1000) / 10));
  return {
    machines: s.max_machines == null ? '' : String(s.max_machines),
    day: s.max_day_micro_eur == null ? '' : fieldEuro(s.max_day_micro_eur, locale),
    up: part(s.up), down: part(s.down),
    cooldown: s.cooldown_seconds == null ? '' : String(Math.round(s.cooldown_seconds / 6) / 10),
    release: s.release_minute == null ? '' : String(s.release_minute),
    spares: s.spares ?? '', zone: s.zone ?? '', types: (s.types ?? []).join(', '), locations: (s.locations ?? []).join(', '),
  };
}

const whole = (text: string) => (/^\s*\d{1,6}\s*$/.test(text) ? Number(text) : NaN);
const decimal = (text: string) => (/^\s*\d{1,6}([.,]\d+)?\s*$/.test(text) ? Number(text.replace(',', '.')) : NaN);
const within = (n: number, low: number, high: number) => n >= low && n <= high;
const names = (text: string) => text.split(/[\s,;]+/).filter(Boolean);

/** Per field, the key of what is wrong. Texts are the server's to judge. */
export function wrong(t: Typed): Partial<Record<Field, Key>> {
  const out: Partial<Record<Field, Key>> = {};
  if (!within(whole(t.machines), 0, 100_000)) out.machines = 'scaling.wrong.whole';
  if (parseEuro(t.day) === undefined) out.day = 'scaling.wrong.euro';
  if (t.up !== '' && !within(decimal(t.up), 0, 100)) out.up = 'scaling.wrong.percent';
  if (t.down !== '' && !within(decimal(t.down), 0, 100)) out.down = 'scaling.wrong.percent';
  if (!out.up && !out.down && t.down !== '' && decimal(t.up) > 0 && decimal(t.down) >= decimal(t.up)) out.down = 'scaling.wrong.order'; // up 0: never by fill
  if (t.cooldown !== '' && !within(decimal(t.cooldown), 0, 1440)) out.cooldown = 'scaling.wrong.minutes';
  if (t.release !== '' && !within(whole(t.release), 0, 59)) out.release = 'scaling.wrong.minute';
  return out;
}

/** What to send; undefined when nothing changed. Of a change, what is left out stays: an empty figure stays, an empty text is none or any. */
export function change(base: ScalingSettings, t: Typed, locale: string): ScalingSettings | undefined {
  const was = typedFrom(base, locale);
  const out: ScalingSettings = {};
  const differs = (f: Field) => t[f].trim() !== was[f] && t[f].trim() !== '';
  if (differs('machines')) out.max_machines = whole(t.machines);
  if (differs('day') && parseEuro(t.day) !== base.max_day_micro_eur) out.max_day_micro_eur = parseEuro(t.day)!;
  if (differs('up')) out.up = decimal(t.up) / 100;
  if (differs('down')) out.down = decimal(t.down) / 100;
  if (differs('cooldown')) out.cooldown_seconds = Math.round(decimal(t.cooldown) * 60);
  if (differs('release')) out.release_minute = whole(t.release);
  if (t.spares.trim() !== was.spares) out.spares = t.spares.trim() || '0';
  if (t.zone.trim() !== was.zone) out.zone = t.zone.trim();
  if (names(t.types).join(', ') !== was.types) out.types = names(t.types);
  if (names(t.locations).join(', ') !== was.locations) out.locations = names(t.locations);
  return Object.keys(out).length > 0 ? out : undefined;
}

// By the key that travels, and by the words of the server's refusal: it names what it refuses, in the room's own names. The narrower come first.
const told: [keyof ScalingSettings, Field, RegExp][] = [
  ['zone', 'zone', /time zone|\bzone\b/], ['spares', 'spares', /\bspares?\b/], ['max_machines', 'machines', /max_machines|max_cloud_nodes/], ['max_day_micro_eur', 'day', /per day|per_day|max_day/],
  ['cooldown_seconds', 'cooldown', /cooldown/], ['release_minute', 'release', /release_minute/], ['down', 'down', /\bdown\b/], ['up', 'up', /\bup\b/], ['types', 'types', /\btypes\b/], ['locations', 'locations', /\blocations\b/],
];

/** The field that a refusal is about, of those that were sent; undefined when it is about none of them, or about more than can be told. */
export function refusedField(problem: Problem, sent: ScalingSettings): Field | undefined {
  if (problem.code !== 'invalid') return undefined;
  const mine = told.filter(([key]) => sent[key] !== undefined);
  return (mine.find(([, , words]) => words.test(problem.detail)) ?? (mine.length === 1 ? mine[0] : undefined))?.[1];
}

/** The refusal without the words that say where it comes from: it stands on its field. */
export function refusal(problem: Problem): string {
  return problem.detail.replace(/^(?:scaling: )?(?:spares: )?/, '');
}
