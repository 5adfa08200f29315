import { expect, test } from 'vitest';
import type { Problem } from '../api/types';
import type { ScalingSettings } from '../fleet/types';
import { change, refusal, refusedField, typedFrom, wrong } from './fields';

const base = { max_machines: 10, max_day_micro_eur: 5_000_000, up: 0.85, down: 0.3, cooldown_seconds: 300, release_minute: 55, types: ['cx33', 'cx43'], locations: [], zone: 'Europe/Berlin', spares: '1; fri,sat 17-24 = 3' };
const typed = typedFrom(base, 'en');

test('what is shown, and that it changes nothing', () => {
  expect(typed).toEqual({ machines: '10', day: '5.00', up: '85', down: '30', cooldown: '5', release: '55', spares: '1; fri,sat 17-24 = 3', zone: 'Europe/Berlin', types: 'cx33, cx43', locations: '' });
  expect(typedFrom({ up: null, spares: null, types: null, locations: null, zone: null }, 'en')).toMatchObject({ up: '', spares: '', types: '', zone: '' });
  expect(change(base, { ...typed, types: ' cx33,cx43, ', spares: ' 1; fri,sat 17-24 = 3 ' }, 'en')).toBeUndefined();
  expect(change(base, typed, 'en')).toBeUndefined();
  expect(change(base, { ...typed, day: '5' }, 'en')).toBeUndefined();
  expect(wrong(typed)).toEqual({});
});

test.each([
  [{ machines: '12' }, { max_machines: 12 }], [{ day: '7,50' }, { max_day_micro_eur: 7_500_000 }], [{ up: '90', down: '25.5' }, { up: 0.9, down: 0.255 }],
  [{ cooldown: '2.5', release: '50' }, { cooldown_seconds: 150, release_minute: 50 }], [{ machines: '0' }, { max_machines: 0 }], [{ up: '0' }, { up: 0 }],
  [{ spares: '2' }, { spares: '2' }], [{ spares: ' ' }, { spares: '0' }], [{ zone: 'UTC' }, { zone: 'UTC' }], [{ zone: '' }, { zone: '' }],
  [{ types: 'cx43 cx33' }, { types: ['cx43', 'cx33'] }], [{ types: '' }, { types: [] }], [{ locations: 'fsn1,nbg1' }, { locations: ['fsn1', 'nbg1'] }],
])('change %j', (edit, want) => expect(change(base, { ...typed, ...edit }, 'en')).toEqual(want));

test.each([
  [{ machines: '' }, 'machines'], [{ machines: '-1' }, 'machines'], [{ machines: '1.5' }, 'machines'], [{ day: 'much' }, 'day'], [{ up: '120' }, 'up'], [{ down: '90' }, 'down'],
  [{ cooldown: 'x' }, 'cooldown'], [{ release: '60' }, 'release'],
])('wrong %j', (edit, field) => expect(Object.keys(wrong({ ...typed, ...edit }))).toEqual([field]));

test('up 0 is never by fill, so nothing is below it', () => expect(wrong({ ...typed, up: '0' })).toEqual({}));

test.each<[string, ScalingSettings, string | undefined]>([
  ['scaling: spares: "x" is not a rule', { spares: 'x', max_machines: 3 }, 'spares'],
  ['scaling: "Mars/X" is not an IANA time zone, such as Europe/Berlin', { zone: 'Mars/X', spares: '1' }, 'zone'],
  ['scaling: max_cloud_nodes is 20000', { max_machines: 20_000, types: ['a'] }, 'machines'], ['scaling: the cap per day is 2000000.00 €', { max_day_micro_eur: 2e12, up: 1 }, 'day'],
  ['scaling: down 0.5 is not below up 0.4: machines would come and go', { up: 0.4 }, 'up'], ['scaling: release_minute is 59', { release_minute: 59, down: 0.1 }, 'release'],
  ['scaling: an empty name is among the types or locations', { locations: [''] }, 'locations'], ['something else', { zone: 'x' }, 'zone'], ['something else', { zone: 'x', up: 1 }, undefined],
])('refused: %s', (detail, sent, want) => {
  expect(refusedField({ code: 'invalid', detail } as Problem, sent)).toBe(want);
  expect(refusedField({ code: 'unavailable', detail } as Problem, sent)).toBeUndefined();
});

test('refusal', () => expect(refusal({ detail: 'scaling: spares: "x" is not a rule' } as Problem)).toBe('"x" is not a rule'));
