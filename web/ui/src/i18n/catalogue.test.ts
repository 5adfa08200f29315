import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { de } from './de';
import { en } from './en';

const keys = Object.keys(en) as (keyof typeof en)[];
const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

function sources(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const file = join(dir, name);
    if (statSync(file).isDirectory()) return sources(file);
    return /\.tsx?$/.test(name) && !/\.test\./.test(name) && dir.split('/').pop() !== 'i18n' ? [readFileSync(file, 'utf8')] : [];
  });
}

test.each(keys)('%s: both languages fill in the same names', (key) => {
  expect(names(de[key])).toEqual(names(en[key]));
  expect(de[key].trim()).not.toBe('');
});

test('no exclamation marks', () => {
  expect(keys.filter((k) => en[k].includes('!') || de[k].includes('!'))).toEqual([]);
});

test('every key is used', () => {
  const code = sources('src').join('\n');
  const families = ['state.', 'event.', 'data.', 'node.state.', 'verb.', 'problem.', 'link.', 'recovery.sign.', 'recovery.verb.', 'recovery.choice.', 'scaling.do.', 'garbage.do.']; // looked up by known()
  const unused = keys.filter((k) => {
    if (families.some((f) => k.startsWith(f))) return false;
    const base = k.replace(/\.(one|other)$/, '');
    return !code.includes(`'${k}'`) && !code.includes(`'${base}'`);
  });
  expect(unused).toEqual([]);
});
