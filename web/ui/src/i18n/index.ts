// One catalogue in two languages. A key missing in German is a type error (de.ts), so the build fails.
import { computed, signal } from '@preact/signals';
import { de } from './de';
import { en, type Key } from './en';

export type Language = 'en' | 'de';
const catalogues: Record<Language, Record<Key, string>> = { en, de };

function first(): Language {
  const kept = localStorage.getItem('language');
  if (kept === 'en' || kept === 'de') return kept;
  return navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en';
}

export const language = signal<Language>(first());

/** For dates and figures: the browser's own region where its language is the chosen one ("en-GB"). */
export const locale = computed(() => (navigator.language.startsWith(language.value) ? navigator.language : language.value));

export function setLanguage(to: Language): void {
  language.value = to;
  localStorage.setItem('language', to);
  document.documentElement.lang = to;
}

export type Values = Record<string, string | number>;

/** The text of a key, with {names} filled in. Reading it inside a component subscribes to the language. */
export function t(key: Key, values?: Values): string {
  return fill(catalogues[language.value][key], values);
}

/** As t, for keys that come from data ("state.running"); what the catalogue lacks is shown as it is. */
export function known(prefix: string, word: string): string {
  const text = catalogues[language.value][`${prefix}.${word}` as Key];
  return text ?? word;
}

export function isKnown(prefix: string, word: string): boolean {
  return `${prefix}.${word}` in en;
}

/** Counted text: keys end in .one and .other. */
export function tn<K extends string>(key: `${K}.other` extends Key ? K : never, n: number, values?: Values): string {
  const form = new Intl.PluralRules(language.value).select(n) === 'one' ? 'one' : 'other';
  return t(`${key}.${form}` as Key, { n, ...values });
}

export function fill(text: string, values?: Values): string {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole)) : text;
}
