import { expect, test } from 'vitest';
import { nameProblem, suggest } from './names';

test('suggest never gives a taken name, even when all pairs are taken', () => {
  const taken = { has: (n: string) => !/^server-[7-9]$/.test(n) } as unknown as Set<string>;
  expect(suggest(taken)).toBe('server-7');
  for (let i = 0; i < 200; i++) expect(nameProblem(suggest(new Set()), new Set())).toBeUndefined();
});

test.each([
  ['', 'name.empty'], ['Big', 'name.form'], ['-a', 'name.form'], ['a-', 'name.form'], ['a.b', 'name.form'], ['ä', 'name.form'],
  ['a'.repeat(33), 'name.form'], ['a'.repeat(32), undefined], ['lobby', 'name.taken'], ['lobby-2', undefined], ['7', undefined],
])('%s', (name, want) => expect(nameProblem(name, new Set(['lobby']))).toBe(want));
