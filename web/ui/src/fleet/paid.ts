// When the hour that is paid for ends. Pure.
import { ago, never } from '../kit/format';

export interface Paid {
  clock: string; // "14:32"
  left: string; // "in 12 min", "3 sec. ago"
  soon: boolean; // within five minutes: an empty machine is about to go
}

/** undefined when nothing is paid for. zone is for tests; without it the reader's own. */
export function paid(until: string | undefined, now: number, locale: string, zone?: string): Paid | undefined {
  if (!until || never(until)) return undefined;
  const at = Date.parse(until);
  if (Number.isNaN(at)) return undefined;
  return {
    clock: new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(zone ? { timeZone: zone } : {}) }).format(at),
    left: ago(at, now, locale),
    soon: at >= now && at - now <= 5 * 60_000,
  };
}
