import { expect, test } from 'vitest';
import { paid } from './paid';

const now = Date.parse('2026-11-21T14:20:00Z');

test.each([
  ['2026-11-21T14:32:00Z', 'UTC', 'en-GB', '14:32', 'in 12 min', false],
  ['2026-11-21T14:32:59Z', 'UTC', 'en-GB', '14:32', 'in 12 min', false],
  ['2026-11-21T14:24:00Z', 'UTC', 'en-GB', '14:24', 'in 4 min', true],
  ['2026-11-21T14:20:30Z', 'Europe/Berlin', 'de', '15:20', 'in 30 Sek.', true],
  ['2026-11-21T14:17:00Z', 'UTC', 'en-GB', '14:17', '3 min ago', false],
  ['2026-11-22T00:00:00Z', 'UTC', 'en-GB', '00:00', 'in 9 hr', false],
])('%s in %s', (until, zone, locale, clock, left, soon) => {
  expect(paid(until, now, locale, zone)).toEqual({ clock, left, soon });
});

test.each([[undefined], [''], ['0001-01-01T00:00:00Z'], ['soon']])('not paid: %j', (until) => expect(paid(until, now, 'en')).toBeUndefined());
