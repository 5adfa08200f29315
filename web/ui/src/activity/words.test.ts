import { expect, test } from 'vitest';
import type { Event } from '../api/types';
import { detail, join } from './words';

const e = (seq: number) => ({ seq, type: 'server.started', at: '' }) as Event;

test('join: each once, newest first, bounded', () => {
  expect(join([e(3), e(1)], [e(2), e(3), e(4)], 3).map((x) => x.seq)).toEqual([4, 3, 2]);
});

test('detail', () => {
  expect(detail({ exit_code: 1, oom: false, empty: '', none: null, more: { a: 1 } })).toBe('exit code: 1 · oom: false · more: {"a":1}');
  expect(detail({ text: 'x'.repeat(500) }).length).toBe('text: '.length + 200);
  expect(detail({ name: 'lobby', exit: { code: 137, oom: true, killed: false, last_lines: ['x'] } })).toBe('exit code: 137 · out of memory: true');
  expect(detail(undefined)).toBe('');
});
