import { expect, test, vi } from 'vitest';
import { ApiError } from '../api/http';
import type { Problem } from '../api/types';
import { backoff } from './backoff';
import { isEvent } from './events';
import { Resource } from './resource';

test('a burst of refreshes costs two readings', async () => {
  let reads = 0;
  const release: (() => void)[] = [];
  const r = new Resource(async () => {
    const n = ++reads;
    await new Promise<void>((done) => release.push(done));
    return n;
  });
  const first = r.refresh();
  for (let i = 0; i < 50; i++) void r.refresh();
  release[0]!();
  await first;
  await vi.waitFor(() => expect(release.length).toBe(2));
  release[1]!();
  await vi.waitFor(() => expect(r.value.value).toBe(2));
  expect(reads).toBe(2);
});

test('a failed reading keeps the old value and says so', async () => {
  let fail = false;
  const r = new Resource(async () => {
    if (fail) throw new ApiError({ code: 'unreachable', status: 0 } as Problem);
    return 'old';
  });
  await r.refresh();
  fail = true;
  await r.refresh();
  expect(r.value.value).toBe('old');
  expect(r.problem.value?.code).toBe('unreachable');
  fail = false;
  await r.refresh();
  expect(r.problem.value).toBeUndefined();
});

test.each([[0, 0, 150], [0, 1, 500], [3, 1, 4_000], [9, 1, 15_000], [500, 1, 15_000]])('backoff try %d, chance %d', (n, chance, want) => {
  expect(backoff(n, () => chance)).toBe(want);
});

test.each([
  [{ seq: 4, type: 'server.started', at: '2026-01-01T00:00:00Z' }, true],
  [{ type: 'ping' }, false], [{ seq: 0, type: 'x', at: 'y' }, false], [null, false], ['x', false],
])('isEvent %j', (data, want) => expect(isEvent(data)).toBe(want));
