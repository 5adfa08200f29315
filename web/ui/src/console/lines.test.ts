import { expect, test } from 'vitest';
import type { Line } from '../api/types';
import { LineBuffer } from './lines';

const at = (seq: number, kind?: string) => ({ seq, time: '2026-01-01T00:00:00Z', text: `line ${seq}`, ...(kind ? { kind } : {}) }) as Line;
const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => at(from + i));
const seqs = (b: LineBuffer) => b.lines.map((l) => l.seq);

test('resume: what comes twice is shown once', () => {
  const b = new LineBuffer();
  b.add(run(1, 5));
  const change = b.add(run(4, 7));
  expect(change.appended?.map((l) => l.seq)).toEqual([6, 7]);
  expect(change.hole).toBeUndefined();
  expect(b.last).toBe(7);
  expect(b.add(run(1, 7)).appended).toEqual([]);
});

test('a hole is told, filled, and then gone', () => {
  const b = new LineBuffer();
  b.add(run(1, 3));
  expect(b.add(run(8, 9)).hole).toEqual({ from: 4, to: 7 });
  expect(b.add(run(4, 7)).appended).toBeUndefined();
  expect(seqs(b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a gap line speaks for itself', () => {
  const b = new LineBuffer();
  b.add(run(1, 3));
  expect(b.add([at(90, 'gap'), at(91)]).hole).toBeUndefined();
});

test('history before: drawn again, in order', () => {
  const b = new LineBuffer();
  b.add(run(100, 110));
  expect(b.add(run(90, 99)).appended).toBeUndefined();
  expect(b.first).toBe(90);
  expect(b.last).toBe(110);
});

test('a flood is bounded and keeps the newest', () => {
  const b = new LineBuffer(1000);
  for (let i = 0; i < 50; i++) b.add(run(i * 100 + 1, i * 100 + 100));
  expect(b.lines.length).toBeLessThanOrEqual(1200);
  expect(b.last).toBe(5000);
});

test('reading far back keeps the oldest', () => {
  const b = new LineBuffer(100);
  b.add(run(1000, 1100));
  b.add(run(900, 999));
  expect(b.first).toBe(900);
  expect(b.lines.length).toBeLessThanOrEqual(120);
});

test('any order of pieces gives the same lines', () => {
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  for (let round = 0; round < 200; round++) {
    const b = new LineBuffer();
    const pieces = Array.from({ length: 12 }, () => 1 + Math.floor(random() * 60)).map((from) => run(from, from + Math.floor(random() * 10)));
    const want = new Set(pieces.flat().map((l) => l.seq));
    for (const piece of pieces) b.add(piece);
    expect(seqs(b)).toEqual([...want].sort((x, y) => x - y));
  }
});
