// Figures and times as people read them. Pure: the language and the clock come in as arguments.

const steps: [string, number][] = [['TiB', 2 ** 40], ['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]];

/** 1610612736 → "1.5 GiB". Sizes are binary everywhere in this product. */
export function bytes(n: number, locale: string): string {
  for (const [unit, size] of steps) {
    if (Math.abs(n) >= size) {
      const value = n / size;
      const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
      return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${unit}`;
    }
  }
  return `${n} B`;
}

/** Reads "2", "2G", "1.5 GiB", "512m" as bytes; a bare number is GiB below 64 and MiB above. undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const m = /^\s*(\d+(?:[.,]\d+)?)\s*(t|g|m|k)?(?:i?b)?\s*$/i.exec(text);
  if (!m) return undefined;
  const value = Number(m[1]!.replace(',', '.'));
  const unit = m[2]?.toLowerCase() ?? (value < 64 ? 'g' : 'm');
  return Math.round(value * { t: 2 ** 40, g: 2 ** 30, m: 2 ** 20, k: 2 ** 10 }[unit]!);
}

export function number(n: number, locale: string, digits = 0): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
}

export function percent(part: number, whole: number): number {
  if (!(whole > 0) || !Number.isFinite(part)) return 0;
  return Math.min(100, Math.max(0, (part / whole) * 100));
}

const spans: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1],
];

/** "3 seconds ago" in the reader's language, short; times are milliseconds. */
export function ago(then: number, now: number, locale: string): string {
  const seconds = Math.round((then - now) / 1000);
  for (const [unit, size] of spans) {
    if (Math.abs(seconds) >= size || unit === 'second') {
      return new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' }).format(Math.trunc(seconds / size) || -0, unit);
    }
  }
  return '';
}

/** 3725 → "1 h 2 min", for how long something runs. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

export function exact(then: string | number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' }).format(new Date(then));
}

/** "14:03:22", for console lines and lists of today. */
export function clock(then: string | number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(new Date(then));
}

/** Sentences of the API begin small, as Go's errors do. A name at the beginning ("w-fsn1-7k2m boots") stays as it is. */
export function sentence(text: string): string {
  return /^\p{Ll}+[-_./]?\d|^\p{Ll}+[-_]/u.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** Go's zero time means "never". */
export function never(time: string | null | undefined): boolean {
  return !time || time.startsWith('0001-');
}
