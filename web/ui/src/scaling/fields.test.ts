import { expect, test } from 'vitest';
import { change, typedFrom, wrong } from './fields';

const base = { max_machines: 10, max_day_micro_eur: 5_000_000, up: 0.85, down: 0.3, cooldown_seconds: 300, release_minute: 55 };
const typed = typedFrom(base, 'en');

test('what is shown, and that it changes nothing', () => {
  expect(typed).toEqual({ machines: '10', day: '5.00', up: '85', down: '30', cooldown: '5', release: '55' });
  expect(change(base, typed, 'en')).toBeUndefined();
  expect(change(base, { ...typed, day: '5' }, 'en')).toBeUndefined();
  expect(wrong(typed)).toEqual({});
});

test.each([
  [{ machines: '12' }, { max_machines: 12 }], [{ day: '7,50' }, { max_day_micro_eur: 7_500_000 }], [{ up: '90', down: '25.5' }, { up: 0.9, down: 0.255 }],
  [{ cooldown: '2.5', release: '50' }, { cooldown_seconds: 150, release_minute: 50 }], [{ machines: '0' }, { max_machines: 0 }],
])('change %j', (edit, want) => expect(change(base, { ...typed, ...edit }, 'en')).toEqual(want));

test.each([
  [{ machines: '' }, 'machines'], [{ machines: '-1' }, 'machines'], [{ machines: '1.5' }, 'machines'], [{ day: 'much' }, 'day'], [{ up: '120' }, 'up'], [{ down: '90' }, 'down'],
  [{ cooldown: 'x' }, 'cooldown'], [{ release: '60' }, 'release'],
])('wrong %j', (edit, field) => expect(Object.keys(wrong({ ...typed, ...edit }))).toEqual([field]));
