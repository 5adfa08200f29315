// @vitest-environment happy-dom
import { expect, test } from 'vitest';
import { step } from './keys';
import { lightOf } from './light';
import { score } from './match';

test.each([
  ['', 'g', 'wait'], ['g', 's', 'servers'], ['g', 'n', 'fleet'], ['g', 'f', 'fleet'], ['g', 'l', 'scaling'], ['g', 'x', undefined],
  ['', '/', 'filter'], ['', '?', 'help'], ['', 's', undefined], ['g', '/', undefined],
])('keys %j then %j', (before, key, want) => expect(step(before, key)).toBe(want));

test.each([
  ['live', 1000, 2000, 'live'], ['live', 1000, 30_000, 'stale'], ['reconnecting', 1000, 2000, 'reconnecting'], ['connecting', 0, 90_000, 'reconnecting'],
] as const)('light %s heard %d at %d', (link, heard, at, want) => expect(lightOf(link, heard, at)).toBe(want));

test('score: beginnings before words before middles before scattered letters', () => {
  const order = ['survival', 'my survival', 'resurvival', 'slur vat'].map((text) => score(text, 'surv'));
  expect(order).toEqual([...order].sort((a, b) => b - a));
  expect(order.at(-1)).toBeGreaterThan(0);
  expect(score('lobby', 'zz')).toBe(0);
  expect(score('anything', '')).toBeGreaterThan(0);
});
