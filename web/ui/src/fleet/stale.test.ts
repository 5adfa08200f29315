// @vitest-environment happy-dom
import { expect, test } from 'vitest';
import { ApiError } from '../api/http';
import type { Problem } from '../api/types';
import { Resource } from '../live/resource';
import { failed } from './stale';

test('the same cause is one group, what works is in none', async () => {
  const broken = (detail: string) => new Resource<unknown>(async () => { throw new ApiError({ code: 'unavailable', detail, title: '' } as Problem); });
  const reads = [broken('no cloud'), broken('no cloud'), new Resource<unknown>(async () => 1), broken('other')].map((resource, i) => ({ resource, what: String(i) }));
  await Promise.all(reads.map((r) => r.resource.refresh()));
  expect(failed(reads).map((g) => g.map((r) => r.what))).toEqual([['0', '1'], ['3']]);
});
