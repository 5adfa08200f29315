// A server's or node's state: always a shape and a word, the colour only helps.
import type { JSX } from 'preact';
import { known } from '../i18n';

export type Tone = 'good' | 'busy' | 'warn' | 'quiet' | 'sleep' | 'bad' | 'odd';

const tones: Record<string, Tone> = {
  running: 'good', ready: 'good', serving: 'good',
  starting: 'busy', stopping: 'busy', waiting: 'busy', deleting: 'busy', restarting: 'busy', killing: 'busy', moving: 'busy', pulling: 'busy', ordering: 'busy', booting: 'busy', proving: 'busy', draining: 'busy', degraded: 'warn',
  stopped: 'quiet', cordoned: 'quiet', archived: 'quiet', gone: 'quiet',
  asleep: 'sleep',
  crashed: 'bad', failed: 'bad', unhealthy: 'bad', unreachable: 'bad', revoked: 'bad', locked: 'bad', held: 'bad',
};

export function toneOf(state: string): Tone {
  return tones[state] ?? 'odd';
}

const shapes: Record<Tone, JSX.Element> = {
  good: <circle cx="6" cy="6" r="4.500" fill="currentColor" />,
  busy: <path d="M6 1.500a4.500 4.500 0 104.500 4.500" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />,
  warn: <path d="M6 1.750l4.750 8.500H1.250zM6 4.750v2.250M6 8.750h.01" fill="none" stroke="currentColor" stroke-width="1.400" stroke-linejoin="round" stroke-linecap="round" />,
  quiet: <rect x="2.500" y="2.500" width="7" height="7" rx="1" fill="none" stroke="currentColor" stroke-width="1.750" />,
  sleep: <path d="M10.500 7.250A4.750 4.750 0 115 1.250a3.750 3.750 0 005.500 6z" fill="currentColor" />,
  bad: <path d="M2.500 2.500l7 7M9.500 2.500l-7 7" stroke="currentColor" stroke-width="2.250" stroke-linecap="round" />,
  odd: <path d="M3.750 4.250C3.900 2.700 4.800 2 6.050 2c1.350 0 2.250.8 2.250 2 0 1.700-2.250 1.700-2.250 3.500M6.050 10.200h.01" fill="none" stroke="currentColor" stroke-width="1.900" stroke-linecap="round" />,
};

export function StateMark({ state, node, quiet }: { state: string; node?: boolean; quiet?: boolean }) {
  const tone = toneOf(state);
  return (
    <span class={`state state-${tone}`}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">{shapes[tone]}</svg>
      <span class={quiet ? 'visually-hidden' : undefined}>{known(node ? 'node.state' : 'state', state)}</span>
    </span>
  );
}
