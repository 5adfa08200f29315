import { expect, test } from 'vitest';
import { again } from './later';

test('a blink is survived, with growing pauses', async () => {
  const waits: number[] = [];
  let tries = 0;
  const got = await again(async () => {
    if (++tries < 4) throw new Error('network changed');
    return 'part';
  }, async (ms) => void waits.push(ms));
  expect(got).toBe('part');
  expect(waits).toEqual([300, 900, 2700]);
});

test('what stays away is an error', async () => {
  let tries = 0;
  await expect(again(async () => { tries++; throw new Error('gone'); }, async () => {})).rejects.toThrow('gone');
  expect(tries).toBe(4);
});
