// Which orders make sense in which state. The controller has the last word; this decides what is offered.
import type { Verb } from '../api/types';

const rules: Record<string, Verb[]> = {
  running: ['stop', 'restart', 'kill'],
  starting: ['stop', 'kill'],
  pulling: ['stop', 'kill'],
  stopping: ['kill'],
  restarting: ['stop', 'kill'],
  killing: [],
  stopped: ['start'],
  asleep: ['start', 'stop'],
  archived: ['start'],
  waiting: ['stop'],
  crashed: ['start', 'stop', 'kill'],
  failed: ['start', 'stop'],
  unknown: ['stop', 'kill'],
  held: [],
  deleting: [],
};

export function may(state: string, verb: Verb): boolean {
  return (rules[state] ?? ['start', 'stop', 'kill']).includes(verb);
}

export interface Way {
  label: 'way.again' | 'way.retry' | 'way.giveup' | 'way.nodes' | 'way.stop';
  verb?: Verb;
  to?: string;
}

/** The next step as buttons, for a server that needs its owner. */
export function ways(state: string, node: string): Way[] {
  switch (state) {
    case 'crashed': return [{ label: 'way.again', verb: 'start' }, { label: 'way.stop', verb: 'stop' }];
    case 'failed': return [{ label: 'way.retry', verb: 'start' }];
    case 'waiting': return [{ label: 'way.nodes', to: '/fleet' }, { label: 'way.giveup', verb: 'stop' }];
    case 'unknown': return node ? [{ label: 'way.nodes', to: `/fleet/${node}` }] : [];
    default: return [];
  }
}
