import { expect, test } from 'vitest';
import type { Server } from '../api/types';
import { changes } from './changes';

const base = { version: '1.21', memory_bytes: 1024, env: { MOTD: 'hi', PVP: 'true' } as Record<string, string> } as Server;

test.each([
  ['nothing', { version: '1.21', memory: 1024, env: { MOTD: 'hi', PVP: 'true' } }, undefined],
  ['an empty new setting is nothing', { version: '1.21', memory: 1024, env: { MOTD: 'hi', PVP: 'true', SEED: '' } }, undefined],
  ['only what changed', { version: '1.22', memory: 1024, env: { MOTD: 'hi', PVP: 'true' } }, { version: '1.22' }],
  ['emptied goes back to the default', { version: '1.21', memory: 2048, env: { MOTD: '', PVP: 'false' } }, { memory_bytes: 2048, env: { MOTD: null, PVP: 'false' } }],
  ['added', { version: '1.21', memory: 1024, env: { MOTD: 'hi', PVP: 'true', SEED: '7' } }, { env: { SEED: '7' } }],
])('%s', (_, edited, want) => expect(changes(base, edited)).toEqual(want));
