import { describe, expect, test } from 'vitest';
import type { Server } from '../api/types';
import { may, ways } from './may';
import { shownState } from './store';
import { filtered, select, slice, sorted } from './table';

const make = (name: string, rest: Partial<Server> = {}) => ({ name, state: 'running', template: 'paper', version: '1.21', node: 'n1', address: '', memory_bytes: 1, created_at: '2026-01-01T00:00:00Z', ...rest }) as Server;

test('sorted: numbers in names count, ties by name, what needs help first', () => {
  const list = [make('smp-10'), make('smp-2', { state: 'crashed' }), make('smp-1', { state: 'stopped' })];
  expect(sorted(list, { column: 'name', down: false }).map((s) => s.name)).toEqual(['smp-1', 'smp-2', 'smp-10']);
  expect(sorted(list, { column: 'name', down: true }).map((s) => s.name)).toEqual(['smp-10', 'smp-2', 'smp-1']);
  expect(sorted(list, { column: 'state', down: false }).map((s) => s.name)).toEqual(['smp-2', 'smp-10', 'smp-1']);
  expect(sorted(list, { column: 'players', down: false }).map((s) => s.name)).toEqual(['smp-1', 'smp-2', 'smp-10']);
});

test('filtered: all words, in the reader’s language too', () => {
  const list = [make('lobby', { state: 'stopped' }), make('survival', { node: 'fsn1-a' })];
  const word = (s: string) => (s === 'stopped' ? 'Gestoppt' : s);
  expect(filtered(list, 'gest', word).map((s) => s.name)).toEqual(['lobby']);
  expect(filtered(list, 'FSN1 surv', word).map((s) => s.name)).toEqual(['survival']);
  expect(filtered(list, 'surv lobby', word)).toEqual([]);
  expect(filtered(list, '  ', word)).toHaveLength(2);
});

describe('select', () => {
  const order = ['a', 'b', 'c', 'd'];
  test('toggles', () => expect([...select(new Set(['a']), order, 'a', undefined, false)]).toEqual([]));
  test('shift upwards', () => expect([...select(new Set(['d']), order, 'b', 'd', true)].sort()).toEqual(['b', 'c', 'd']));
  test('shift that clears', () => expect([...select(new Set(order), order, 'c', 'a', true)]).toEqual(['d']));
  test('shift after the last one left the list', () => expect([...select(new Set(), order, 'b', 'gone', true)]).toEqual(['b']));
});

describe('slice', () => {
  test('few rows are all drawn', () => expect(slice(60, 48, 0, 800)).toEqual({ from: 0, to: 60, before: 0, after: 0 }));
  test.each([[0], [1_000], [250_000], [479_000], [9_999_999], [-500]])('10,000 rows at %d px: few drawn, height kept', (top) => {
    const s = slice(10_000, 48, top, 800);
    expect(s.to - s.from).toBeLessThan(60);
    expect(s.before + (s.to - s.from) * 48 + s.after).toBe(480_000);
  });
});

test('kill is never offered for what does not run, and stop wins while starting', () => {
  expect(may('stopped', 'kill')).toBe(false);
  expect(may('starting', 'stop')).toBe(true);
  expect(may('starting', 'kill')).toBe(true);
  expect(may('running', 'start')).toBe(false);
  expect(may('something-new', 'stop')).toBe(true);
});

test('each trouble has a way out', () => {
  for (const state of ['crashed', 'failed', 'waiting']) expect(ways(state, 'n1').length).toBeGreaterThan(0);
});

test('what was asked is shown before what was heard', () => {
  expect(shownState(make('a', { state: 'stopped' }), { a: 'start' })).toBe('starting');
  expect(shownState(make('a', { state: 'stopped' }), { b: 'start' })).toBe('stopped');
});
