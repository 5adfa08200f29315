import { expect, test } from 'vitest';
import { euro, fieldEuro, monthOf, parseEuro, perHour } from './money';

test.each([
  [4800, '0.0048 €/h'], [0, '0.0000 €/h'], [1_250_000, '1.2500 €/h'], [33_900, '0.0339 €/h'], [12_345_678, '12.35 €/h'], [7, '< 0.0001 €/h'],
])('%d per hour', (n, want) => expect(perHour(n, 'en')).toBe(want));

test.each([
  [3_500_000, '3.50 €'], [0, '0.00 €'], [4_800, '0.0048 €'], [10_000, '0.01 €'], [1_234_567_890, '1,234.57 €'], [3, '< 0.0001 €'],
])('%d in all', (n, want) => expect(euro(n, 'en')).toBe(want));

test('German comma', () => {
  expect(perHour(4800, 'de')).toBe('0,0048 €/h');
  expect(euro(1_234_500_000, 'de')).toBe('1.234,50 €');
});

test.each([[4_800, 3_500_000, 3_500_000], [4_800, 0, 3_504_000], [1_000, 3_500_000, 730_000]])('a month of %d bounded by %d', (hourly, bound, want) => {
  expect(monthOf({ hourly_micro_eur: hourly, monthly_micro_eur: bound })).toBe(want);
});

test.each([
  ['5', 5_000_000], ['5.5', 5_500_000], ['5,50 €', 5_500_000], ['0.000001', 1], ['0', 0], ['0.29', 290_000],
  ['', undefined], ['-1', undefined], ['1e3', undefined], ['five', undefined], ['1.2.3', undefined], ['1.1234567', undefined],
])('parseEuro %s', (text, want) => expect(parseEuro(text)).toBe(want));

test('what a field shows is read back as the same', () => {
  for (const n of [0, 1, 4_800, 5_000_000, 1_234_567_890]) for (const l of ['en', 'de']) expect(parseEuro(fieldEuro(n, l))).toBe(n);
});
