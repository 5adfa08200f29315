import { expect, test } from 'vitest';
import type { ScalingAction, ScalingEntry } from '../fleet/types';
import { dayName, dayOf, inputs, quiet, timeline } from './timeline';

const entry = (at: string, ...actions: Partial<ScalingAction>[]) => ({ id: at, at, actions: actions.map((a) => ({ why: '', ...a })), considered: [], reasons: [], inputs: {} }) as ScalingEntry;

test('quiet decisions are one moment, whatever their words', () => {
  const days = timeline([
    entry('2026-11-21T10:02:00Z', { do: 'keep', why: '72 % full' }), entry('2026-11-21T10:01:00Z', { do: 'keep', why: '71 % full' }), entry('2026-11-21T10:00:00Z'),
  ], 'UTC');
  expect(days).toHaveLength(1);
  expect(days[0]!.moments).toMatchObject([{ count: 3, quiet: true, from: Date.parse('2026-11-21T10:00:00Z'), to: Date.parse('2026-11-21T10:02:00Z') }]);
});

test('the same failing order is one moment; another result is another', () => {
  const days = timeline([
    entry('2026-11-21T10:03:00Z', { do: 'order', type: 'cx33', result: 'done', machine: 'w-1' }),
    entry('2026-11-21T10:02:00Z', { do: 'order', type: 'cx33', result: 'no stock' }), entry('2026-11-21T10:01:00Z', { do: 'order', type: 'cx33', result: 'no stock' }),
  ], 'UTC');
  expect(days[0]!.moments.map((m) => m.count)).toEqual([1, 2]);
  expect(days[0]).toMatchObject({ ordered: 2, released: 0 });
});

test('days are the reader’s, newest first, in whatever order entries come', () => {
  const list = [entry('2026-11-20T22:30:00Z', { do: 'release', machine: 'w-1' }), entry('2026-11-20T23:30:00Z', { do: 'order' })];
  expect(timeline(list, 'UTC').map((d) => [d.day, d.moments.length])).toEqual([['2026-11-20', 2]]);
  expect(timeline(list, 'Europe/Berlin').map((d) => [d.day, d.ordered, d.released])).toEqual([['2026-11-21', 1, 0], ['2026-11-20', 0, 1]]);
  expect(timeline([])).toEqual([]);
});

test('quiet and dayOf', () => {
  expect(quiet(entry('x', { do: 'keep' }, { do: 'release' }))).toBe(false);
  expect(dayOf('2026-03-01T00:30:00Z', 'America/New_York')).toBe('2026-02-28');
});

test.each([['2026-11-21', 'today'], ['2026-11-20', 'yesterday'], ['2026-11-19', 'Thursday 19 November']])('dayName %s', (day, want) => {
  expect(dayName(day, '2026-11-21', 'en-GB').replace(',', '')).toBe(want);
});

test('inputs as people write them', () => {
  expect(inputs({ fill: 0.8512, waiting_bytes: 2 ** 31, hourly_micro_eur: 4800, today_micro_eur: 500_000, machines: 3, nodes: ['a', 'b'], none: null, more: { x: 1 } }, 'en')).toEqual([
    ['fill', '85.1 %'], ['waiting', '2 GiB'], ['hourly', '0.0048 €/h'], ['today', '0.50 €'], ['machines', '3'], ['nodes', 'a, b'], ['more', '{"x":1}'],
  ]);
  expect(inputs(undefined, 'en')).toEqual([]);
});
