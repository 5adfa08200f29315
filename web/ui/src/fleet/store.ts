// The fleet on screen, and what was just asked of it.
import { signal } from '@preact/signals';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Event, Problem } from '../api/types';
import { Resource } from '../live/resource';
import { nodes } from '../servers/store';
import { fleetApi } from './calls';
import type { Drained, Machine, Scaling, ScalingEntry, ScalingSettings } from './types';

/** Whether machines that are gone are listed too. */
export const withGone = signal(false);
export const machines = new Resource<Machine[]>(() => fleetApi.machines(withGone.value));
export const scaling = new Resource<Scaling>(fleetApi.scaling);
export const history = new Resource<ScalingEntry[]>(() => fleetApi.history(200));
export const plan = new Resource<ScalingEntry>(fleetApi.plan);

export const touches = (e: Event) => /^(node|scaling|server|machine)\./.test(e.type);

export type NodeVerb = 'cordon' | 'uncordon' | 'unlock' | 'revoke' | 'drain';

/** Orders under way, by name of the node: shown at once, before the answer. */
export const pending = signal<Record<string, NodeVerb>>({});
/** Orders that failed: they stay on the thing until the next order or until closed. */
export const failures = signal<Record<string, { verb: NodeVerb; deadline: number; problem: Problem }>>({});
/** How far the emptying is of the nodes that were told to empty here. */
export const drains = signal<Record<string, Drained>>({});

function without<T>(map: Record<string, T>, name: string): Record<string, T> {
  const { [name]: _, ...rest } = map;
  return rest;
}

export function closeFailure(name: string): void {
  failures.value = without(failures.value, name);
}

export function closeDrain(name: string): void {
  drains.value = without(drains.value, name);
}

/** Tells a node something; deadline (seconds, 0 = none) is for drain. */
export async function order(name: string, verb: NodeVerb, deadline = 0): Promise<Problem | undefined> {
  closeFailure(name);
  pending.value = { ...pending.value, [name]: verb };
  try {
    if (verb === 'drain') drains.value = { ...drains.value, [name]: await fleetApi.drain(name, deadline > 0 ? { deadline_seconds: deadline } : {}) };
    else await api.nodeAct(name, verb);
    if (verb === 'uncordon' || verb === 'revoke') closeDrain(name);
    await Promise.all([nodes.refresh(), machines.refresh()]);
    return undefined;
  } catch (error) {
    const problem = problemOf(error);
    failures.value = { ...failures.value, [name]: { verb, deadline, problem } };
    return problem;
  } finally {
    pending.value = without(pending.value, name);
  }
}

/** Asks again how far the emptying is. The deadline that stands is sent along, so that asking never moves it. */
export async function drainProgress(name: string): Promise<void> {
  const known = drains.value[name];
  if (!known || known.done || pending.value[name]) return;
  try {
    const got = await fleetApi.drain(name, known.by ? { deadline_seconds: Math.max(1, Math.ceil((Date.parse(known.by) - Date.now()) / 1000)) } : {});
    if (drains.value[name]) drains.value = { ...drains.value, [name]: got };
  } catch {
    // the last answer stays; the next try or the node's own line tells more
  }
}

const optimistic: Partial<Record<NodeVerb, string>> = { cordon: 'cordoned', uncordon: 'ready', drain: 'draining' };

/** What was just asked wins over what was last heard. */
export function shownState(name: string, state: string): string {
  const verb = pending.value[name];
  if (verb && optimistic[verb]) return optimistic[verb];
  return state === 'cordoned' && drains.value[name] ? 'draining' : state;
}

/** What is being changed about scaling as a whole, and what went wrong with it. */
export const switching = signal<boolean | undefined>(undefined);
export const scalingFailure = signal<Problem | undefined>(undefined);

export async function scale(on: boolean): Promise<void> {
  switching.value = on;
  scalingFailure.value = undefined;
  try {
    scaling.value.value = await fleetApi.scale(on);
    plan.soon();
    history.soon();
  } catch (error) {
    scalingFailure.value = problemOf(error);
  } finally {
    switching.value = undefined;
  }
}

export async function saveSettings(change: ScalingSettings): Promise<Problem | undefined> {
  try {
    scaling.value.value = await fleetApi.settings(change);
    plan.soon();
    history.soon();
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
}
