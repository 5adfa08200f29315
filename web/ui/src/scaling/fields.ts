// The limits as a form: what is typed, what is wrong with it, what changes. Pure.
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
}

export type Field = keyof Typed;

export function typedFrom(s: ScalingSettings, locale: string): Typed {
  const part = (v: number | undefined) => (v === undefined ? '' : String(Math.round(v * 1000) / 10));
  return {
    machines: s.max_machines === undefined ? '' : String(s.max_machines),
    day: s.max_day_micro_eur === undefined ? '' : fieldEuro(s.max_day_micro_eur, locale),
    up: part(s.up), down: part(s.down),
    cooldown: s.cooldown_seconds === undefined ? '' : String(Math.round(s.cooldown_seconds / 6) / 10),
    release: s.release_minute === undefined ? '' : String(s.release_minute),
  };
}

const whole = (text: string) => (/^\s*\d{1,6}\s*$/.test(text) ? Number(text) : NaN);
const decimal = (text: string) => (/^\s*\d{1,6}([.,]\d+)?\s*$/.test(text) ? Number(text.replace(',', '.')) : NaN);
const within = (n: number, low: number, high: number) => n >= low && n <= high;

/** Per field, the key of what is wrong. */
export function wrong(t: Typed): Partial<Record<Field, Key>> {
  const out: Partial<Record<Field, Key>> = {};
  if (!within(whole(t.machines), 0, 100_000)) out.machines = 'scaling.wrong.whole';
  if (parseEuro(t.day) === undefined) out.day = 'scaling.wrong.euro';
  if (t.up !== '' && !within(decimal(t.up), 1, 100)) out.up = 'scaling.wrong.percent';
  if (t.down !== '' && !within(decimal(t.down), 0, 99)) out.down = 'scaling.wrong.percent';
  if (!out.up && !out.down && t.up !== '' && t.down !== '' && decimal(t.down) >= decimal(t.up)) out.down = 'scaling.wrong.order';
  if (t.cooldown !== '' && !within(decimal(t.cooldown), 0, 1440)) out.cooldown = 'scaling.wrong.minutes';
  if (t.release !== '' && !within(whole(t.release), 0, 59)) out.release = 'scaling.wrong.minute';
  return out;
}

/** What to send; undefined when nothing changed. Of a change, what is left out stays. */
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
  return Object.keys(out).length > 0 ? out : undefined;
}
