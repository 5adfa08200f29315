import { expect, test } from 'vitest';
import type { Event, Recovery, RecoveryFinding } from '../api/types';
import { final, shown, target, touches } from './store';

const finding = (sign: string) => ({ sign, node: 'n', node_id: 'node_1', server: 's', server_id: 'srv_1' }) as RecoveryFinding;

test('the banner stays until everything is decided', () => {
  expect(shown(undefined)).toBe(false);
  expect(shown({ open: false, undecided: 0 } as Recovery)).toBe(false);
  expect(shown({ open: true, undecided: 0 } as Recovery)).toBe(true);
  expect(shown({ open: false, undecided: 2 } as Recovery)).toBe(true);
});

test.each([
  ['ahead', 'adopt', { noun: 'servers', name: 'srv_1' }],
  ['missing', 'forget', { noun: 'servers', name: 'srv_1' }],
  ['node', 'adopt', { noun: 'nodes', name: 'node_1' }],
  ['term', 'lead', undefined],
  ['term', 'keep', { noun: 'nodes', name: 'node_1' }],
  ['reports', 'keep', { noun: 'nodes', name: 'node_1' }],
])('%s: %s goes to the right place', (sign, verb, want) => {
  expect(target(finding(sign), verb)).toEqual(want);
});

test.each([['ahead', 'keep', true], ['unknown', 'keep', true], ['missing', 'keep', false], ['differs', 'keep', false], ['missing', 'forget', true], ['ahead', 'adopt', false]])('%s, %s: asked again %s', (sign, verb, want) => {
  expect(final(finding(sign), verb)).toBe(want);
});

test.each([['node.recovery_opened', true], ['node.unknown_server', true], ['server.kept', true], ['server.running', false], ['player.joined', false]])('%s', (type, want) => {
  expect(touches({ type } as Event)).toBe(want);
});
