// The servers on screen, and what was just asked of them.
import { signal } from '@preact/signals';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { Problem, Server, Template, Node, Verb } from '../api/types';
import { Resource } from '../live/resource';

export const servers = new Resource<Server[]>(api.servers);
export const templates = new Resource<Template[]>(api.templates);
export const nodes = new Resource<Node[]>(api.nodes);

/** Orders under way, by server name: shown at once, before the answer. */
export const pending = signal<Record<string, Verb | 'delete'>>({});

/** Orders that failed, by server name: they stay on the thing until the next order or until closed. */
export const failures = signal<Record<string, { verb: Verb | 'delete'; problem: Problem }>>({});

export function closeFailure(name: string): void {
  const { [name]: _, ...rest } = failures.value;
  failures.value = rest;
}

/** Puts a newer row into the list. */
export function merge(row: Server): void {
  const list = servers.value.value;
  if (list) servers.value.value = list.some((s) => s.id === row.id) ? list.map((s) => (s.id === row.id ? row : s)) : [...list, row];
}

const details = new Map<string, Resource<Server>>();

/** One server's own resource; it starts with what the list knows. */
export function serverResource(name: string): Resource<Server> {
  let found = details.get(name);
  if (!found) {
    found = new Resource(async () => {
      const row = await api.server(name);
      merge(row);
      return row;
    });
    found.value.value = servers.value.value?.find((s) => s.name === name);
    details.set(name, found);
  }
  return found;
}

export async function order(name: string, verb: Verb | 'delete'): Promise<Problem | undefined> {
  closeFailure(name);
  pending.value = { ...pending.value, [name]: verb };
  try {
    const row = verb === 'delete' ? await api.deleteServer(name) : await api.act(name, verb);
    if (row?.id) {
      merge(row);
      const detail = details.get(name);
      if (detail) detail.value.value = row;
    }
    if (verb === 'delete') details.delete(name);
    servers.soon();
    return undefined;
  } catch (error) {
    const problem = problemOf(error);
    failures.value = { ...failures.value, [name]: { verb, problem } };
    return problem;
  } finally {
    const { [name]: _, ...rest } = pending.value;
    pending.value = rest;
  }
}

const optimistic: Record<Verb | 'delete', string> = { start: 'starting', stop: 'stopping', restart: 'restarting', kill: 'killing', delete: 'deleting' };

/** The state to show: what was just asked wins over what was last heard. */
export function shownState(server: Server, orders: Record<string, Verb | 'delete'>): string {
  const verb = orders[server.name];
  return verb ? optimistic[verb] : server.state;
}
