import { expect, test } from 'vitest';
import type { Point } from '../api/types';
import { columns } from './series';

const point = (s: number, rest: Partial<Point> = {}): Point => ({ at: new Date(s * 1000).toISOString(), memory_bytes: 1, cpu_cores: 0.5, net_rx: 0, net_tx: 0, ...rest });

test('times only rise, holes break the line, the range is kept', () => {
  const c = columns({ step_seconds: 5, points: [point(100, { players: 2 }), point(105), point(105), point(104), point(200)] }, 90_000, 210_000);
  expect(c.times).toEqual([90, 100, 105, 106, 200, 210]);
  expect(c.memory).toEqual([null, 1, 1, null, 1, null]);
  expect(c.players).toEqual([null, 2, null, null, null, null]);
  expect(c.count).toBe(4 - 1);
});

test('nothing measured', () => {
  const c = columns({ step_seconds: 0, points: [] }, 0, 1000);
  expect(c.count).toBe(0);
});
