import { expect, test } from 'vitest';
import { CommandHistory, complete } from './history';

const box = (kept?: string) => {
  const m = new Map<string, string>(kept === undefined ? [] : [['k', kept]]);
  return { getItem: (k: string) => m.get(k) ?? null, setItem: (k: string, v: string) => void m.set(k, v) };
};

test('up and down, with what was being typed kept', () => {
  const h = new CommandHistory(box(), 'k');
  h.push('list');
  h.push('say hi');
  expect(h.move(-1, 'dra')).toBe('say hi');
  expect(h.move(-1, 'say hi')).toBe('list');
  expect(h.move(-1, 'list')).toBeUndefined();
  expect(h.move(1, 'list')).toBe('say hi');
  expect(h.move(1, 'say hi')).toBe('dra');
  expect(h.move(1, 'dra')).toBeUndefined();
});

test('kept over a reload, each once, bounded', () => {
  const store = box();
  const h = new CommandHistory(store, 'k');
  for (let i = 0; i < 150; i++) h.push(`cmd ${i}`);
  h.push('cmd 149');
  const again = new CommandHistory(store, 'k');
  expect(again.move(-1, '')).toBe('cmd 149');
  expect(again.move(-1, '')).toBe('cmd 148');
  expect(JSON.parse(store.getItem('k')!)).toHaveLength(100);
});

test.each(['{', '"x"', '[1,2]', 'null'])('damaged storage %s', (kept) => {
  expect(new CommandHistory(box(kept), 'k').move(-1, '')).toBeUndefined();
});

test.each([
  ['sa', ['Anna'], 'sa', 2],
  ['sav', [], 'save-all ', 1],
  ['/whi', [], '/whitelist ', 1],
  ['kick an', ['Anna', 'Bob'], 'kick Anna ', 1],
  ['kick an', ['Anna', 'Anton'], 'kick an', 2],
  ['kick ann', ['Anna', 'Anna2'], 'kick Anna', 2],
  ['tp Bob @', ['Bob'], 'tp Bob @', 3],
  ['', ['Anna'], '', 0],
  ['xyz', [], 'xyz', 0],
])('complete %j with %j', (value, players, want, count) => {
  const c = complete(value, players);
  expect(c.value).toBe(want);
  expect(c.choices).toHaveLength(count);
});
