import { describe, expect, test } from 'vitest';
import { ago, bytes, duration, never, parseSize, percent, sentence } from './format';

describe('bytes', () => {
  test.each([
    [0, '0 B'], [1023, '1023 B'], [1024, '1 KiB'], [1_610_612_736, '1.5 GiB'], [2 ** 30, '1 GiB'], [150 * 2 ** 20 + 5, '150 MiB'],
    [2 ** 40 * 1.234, '1.23 TiB'],
  ])('%d', (n, want) => expect(bytes(n, 'en')).toBe(want));
  test('German comma', () => expect(bytes(1_610_612_736, 'de')).toBe('1,5 GiB'));
});

test.each([
  ['2', 2 ** 31], ['2G', 2 ** 31], ['1.5 GiB', 1_610_612_736], ['1,5 gb', 1_610_612_736], ['512m', 2 ** 29], ['512', 2 ** 29],
  ['', undefined], ['-1', undefined], ['1e9', undefined], ['two', undefined],
])('parseSize %s', (text, want) => expect(parseSize(text)).toBe(want));

test.each([[1, 2, 50], [3, 2, 100], [-1, 2, 0], [1, 0, 0], [NaN, 2, 0]])('percent %d of %d', (a, b, want) => expect(percent(a, b)).toBe(want));

test('ago rounds down and never says "now"', () => {
  expect(ago(0, 3_400, 'en')).toBe('3 sec. ago');
  expect(ago(5, 5, 'en')).toBe('0 sec. ago');
  expect(ago(0, 119_000, 'en')).toBe('1 min. ago');
  expect(ago(0, 90_000_000, 'en')).toBe('1 day ago');
});

test.each([[5_000, '5 s'], [65_000, '1 min 5 s'], [3_725_000, '1 h 2 min'], [90_000_000, '1 d 1 h']])('duration %d', (ms, want) => expect(duration(ms)).toBe(want));

test('never', () => {
  expect(never('0001-01-01T00:00:00Z')).toBe(true);
  expect(never(undefined)).toBe(true);
  expect(never('2026-11-21T00:00:00Z')).toBe(false);
});

test.each([
  ['no node has room', 'No node has room'], ['öffnet', 'Öffnet'], ['w-fsn1-7k2m boots', 'w-fsn1-7k2m boots'], ['cx43 is too small', 'cx43 is too small'], ['modded-friends waits', 'modded-friends waits'], ['', ''],
])('sentence %s', (text, want) => expect(sentence(text)).toBe(want));
