import { expect, test } from 'vitest';
import type { Event } from '../api/types';
import { detail as said, join } from './words';

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
