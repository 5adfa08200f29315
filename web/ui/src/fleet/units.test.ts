import { expect, test } from 'vitest';
import type { Node } from '../api/types';
import type { Machine } from './types';
import { filtered, lineOf, past, sorted, stateOf, units, type Unit } from './units';

const node = (name: string, rest: Partial<Node> = {}) => ({ id: `n-${name}`, name, state: 'ready', explain: '', next: '', roles: ['worker'], class: 'local', servers: 0, memory_booked_bytes: 0, memory_schedulable_bytes: 8, ...rest }) as Node;
const machine = (name: string, rest: Partial<Machine> = {}) => ({ id: `m-${name}`, name, phase: 'serving', explain: 'it serves', hourly_micro_eur: 4800, monthly_micro_eur: 0, today_micro_eur: 0, servers: 0, type: 'cx33', location: 'fsn1', for: '', ...rest }) as Machine;

test('a machine and its node are one line; the rest stay alone', () => {
  const list = units([node('a'), node('b')], [machine('a', { node: 'a' }), machine('c', { phase: 'booting' }), machine('b', { node: 'b', phase: 'gone' }), machine('d', { node: 'lost' })]);
  expect(list.map((u) => [u.name, !!u.node, u.machine?.phase])).toEqual([
    ['a', true, 'serving'], ['b', true, undefined], ['c', false, 'booting'], ['b', false, 'gone'], ['d', false, 'serving'],
  ]);
  expect(new Set(list.map((u) => u.key)).size).toBe(5);
  expect(units([node('b', { state: 'revoked' })], [machine('b', { node: 'b', phase: 'gone' })])).toHaveLength(1);
});

test.each([
  ['ready', 'serving', 'ready'], ['ready', 'draining', 'draining'], ['unreachable', 'serving', 'unreachable'], ['unreachable', 'deleting', 'deleting'],
  ['degraded', 'proving', 'proving'], ['cordoned', undefined, 'cordoned'], [undefined, 'ordering', 'ordering'], ['revoked', 'gone', 'gone'],
])('node %s on a machine %s is %s', (n, m, want) => {
  const u: Unit = { key: 'x', name: 'x', ...(n ? { node: node('x', { state: n }) } : {}), ...(m ? { machine: machine('x', { phase: m }) } : {}) };
  expect(stateOf(u)).toBe(want);
});

test('past', () => {
  expect(past({ key: '', name: '', machine: machine('x', { phase: 'gone' }) })).toBe(true);
  expect(past({ key: '', name: '', node: node('x', { state: 'revoked' }) })).toBe(true);
  expect(past({ key: '', name: '', node: node('x') })).toBe(false);
});

test('the line: a problem of the machine, then trouble of the node, then what the machine does', () => {
  const problem = { detail: 'no stock', title: '', next: 'wait' } as Machine['problem'];
  expect(lineOf({ key: '', name: '', node: node('x', { state: 'unreachable', explain: 'not heard' }), machine: machine('x', { problem: problem! }) })).toEqual({ text: 'no stock', bad: true, next: 'wait' });
  expect(lineOf({ key: '', name: '', node: node('x', { state: 'unreachable', explain: 'not heard' }), machine: machine('x') })).toEqual({ text: 'not heard', bad: true });
  expect(lineOf({ key: '', name: '', node: node('x', { explain: 'fine' }), machine: machine('x') })).toEqual({ text: 'it serves', bad: false });
});

test('sorted: trouble first, numbers in names as numbers, what has no price last', () => {
  const list = units([node('n10'), node('n9'), node('z', { state: 'unreachable' })], [machine('n9', { node: 'n9' }), machine('b', { phase: 'booting', hourly_micro_eur: 9000 })]);
  expect(sorted(list, { column: 'state', down: false }).map((u) => u.name)).toEqual(['z', 'b', 'n9', 'n10']);
  expect(sorted(list, { column: 'hour', down: true }).map((u) => u.name)).toEqual(['b', 'n9', 'n10', 'z']);
  expect(sorted(list, { column: 'paid', down: false }).map((u) => u.name)).toEqual(['b', 'n9', 'n10', 'z']);
});

test('filtered by any of its words', () => {
  const list = units([node('a'), node('b', { roles: ['edge'] })], [machine('a', { node: 'a' }), machine('c', { phase: 'booting', location: 'hel1' })]);
  const by = (q: string) => filtered(list, q, (s) => (s === 'booting' ? 'Bootet' : s)).map((u) => u.name);
  expect(by('')).toEqual(['a', 'b', 'c']);
  expect(by('cx33')).toEqual(['a', 'c']);
  expect(by('HEL1 bootet')).toEqual(['c']);
  expect(by('edge')).toEqual(['b']);
});
