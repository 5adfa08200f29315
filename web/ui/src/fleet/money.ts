// Micro-euros as people read them. Pure. Prices per hour have four digits so that a column of them lines up.
const micro = 1_000_000;
export const hoursOfMonth = 730;

function euros(value: number, locale: string, digits: number): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** 4800 → "0.0048", 1250000 → "1.2500"; what is there but too small for four digits is said to be less. */
function fine(amount: number, locale: string): string {
  const value = amount / micro;
  if (value !== 0 && Math.abs(value) < 0.00005) return `< ${euros(0.0001, locale, 4)}`;
  return euros(value, locale, Math.abs(value) >= 10 ? 2 : 4);
}

/** 4800 → "0.0048 €/h". */
export function perHour(amount: number, locale: string): string {
  return `${fine(amount, locale)} €/h`;
}

/** An amount of money: "3.50 €"; below one cent four digits, so that a cheap hour is not shown as nothing. */
export function euro(amount: number, locale: string): string {
  return `${amount !== 0 && Math.abs(amount) < micro / 100 ? fine(amount, locale) : euros(amount / micro, locale, 2)} €`;
}

/** What a month costs when it runs on: the provider's bound where there is one, else 730 hours. */
export function monthOf(machine: { hourly_micro_eur: number; monthly_micro_eur: number }): number {
  const whole = machine.hourly_micro_eur * hoursOfMonth;
  return machine.monthly_micro_eur > 0 ? Math.min(machine.monthly_micro_eur, whole) : whole;
}

/** Reads "5", "5.50", "5,50 €" as micro-euros; undefined when it is none. */
export function parseEuro(text: string): number | undefined {
  const m = /^\s*(\d{1,7})(?:[.,](\d{1,6}))?\s*€?\s*$/.exec(text);
  return m ? Number(m[1]) * micro + Number((m[2] ?? '').padEnd(6, '0')) : undefined;
}

/** The amount for a field to edit: "5.00", "0.0048", with the language's own point. */
export function fieldEuro(amount: number, locale: string): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 6, useGrouping: false }).format(amount / micro);
}
