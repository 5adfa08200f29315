import { expect, test } from 'vitest';
import type { Event } from '../api/types';
import { detail as said, join, machineOf } from './words';

const e = (seq: number) => ({ seq, type: 'server.started', at: '' }) as Event;

test('join: each once, newest first, bounded', () => {
  expect(join([e(3), e(1)], [e(2), e(3), e(4)], 3).map((x) => x.seq)).toEqual([4, 3, 2]);
});

test('detail', () => {
  const detail = (data: Event['data']) => said(data, 'en-GB');
  expect(detail({ exit_code: 1, oom: false, empty: '', none: null, more: { a: 1 } })).toBe('exit code: 1 · oom: false · more: {"a":1}');
  expect(detail({ text: 'x'.repeat(500) }).length).toBe('text: '.length + 200);
  expect(detail({ name: 'lobby', exit: { code: 137, oom: true, killed: false, last_lines: ['x'] } })).toBe('exit code: 137 · out of memory: true');
  expect(detail({ memory_bytes: 536870912, roles: ['worker', 'edge'] })).toBe('memory: 512 MiB · roles: worker, edge');
  expect(detail({ expires: '2026-11-22T04:01:00.096456131Z' })).toMatch(/^expires: 22 Nov 2026, \d\d:\d1:00/);
  expect(detail(undefined)).toBe('');
});

test('what events of machines say', () => {
  const detail = (data: Event['data']) => said(data, 'en-GB');
  expect(detail({ machine: 'mach_1', name: 'w-1', type: 'cx33', location: 'fsn1', hourly: 8900, for: 'lobby waits', spare: false, retry: '' })).toBe('for: lobby waits · type: cx33 · location: fsn1 · hourly: 0.0089 €/h');
  expect(detail({ machine: 'mach_1', hourly: 8900, cloud_id: '4', seconds: 36.4, spare: true })).toBe('hourly: 0.0089 €/h · seconds: 36 s · spare: true');
  expect(detail({ problem: { code: 'exhausted', message: 'no stock', next: 'wait' }, refused: [{ type: 'cx33', location: 'fsn1', kind: 'no_stock', message: 'x' }] })).toBe('problem: no stock · next: wait · refused: cx33 fsn1');
  expect(detail({ problem: null, left: ['a', 'b'], more: 3 })).toBe('left: a, b · more: 3');
  expect(detail({ dry_run: false, things: [{ kind: 'volume', id: '7', name: '', do: 'delete', result: 'done' }], count: 1 })).toBe('dry run: false · things: volume 7 (done) · count: 1');
  expect(detail({ decision: 'd1', did: [], waiting: 2 })).toBe('waiting: 2');
  expect(detail({ max_micro_euros_per_day: 7_500_000 })).toBe('max micro euros per day: 7.50 €');
  expect(detail({ spares: { zone: 'UTC', base: 1, rules: [{ days: ['fri', 'sat'], from: 17, to: 24, machines: 3 }, { days: ['sun'], from: 0, to: 24, machines: 2 }, { days: null, from: 8, to: 9, machines: 4 }], memory: 1 } })).toBe('spares: 1; fri,sat 17-24 = 3; sun = 2; 8-9 = 4 (UTC)');
  expect(said({ type: 'cx33' }, 'de', (k) => k.toUpperCase())).toBe('TYPE: cx33');
});

test('an event of a machine names it', () => {
  const at = (type: string, data: Event['data'], node?: string) => machineOf({ ...e(1), type, data, ...(node ? { node } : {}) } as Event);
  expect(at('scaling.machine_ordered', { machine: 'm', name: 'w-1' })).toEqual({ name: 'w-1', page: true });
  expect(at('scaling.machine_joined', { machine: 'm', name: 'w-1' }, 'n-1')).toEqual({ name: 'w-1', page: true });
  expect(at('scaling.image_built', { name: 'spare-amd64' })).toEqual({ name: 'spare-amd64', page: false });
  expect(at('node.drained', { name: 'w-1' }, 'w-1')).toBeUndefined();
  expect([at('server.created', { name: 'x' }), at('scaling.decided', {})]).toEqual([undefined, undefined]);
});
