// What a settings form changes. Pure.
import type { PatchServer, Server } from '../api/types';

export interface Edited {
  version: string;
  memory: number;
  env: Record<string, string>;
}

/** The patch from a row to what was edited; undefined when nothing changed. An emptied setting goes back to its default (null). */
export function changes(base: Server, edited: Edited): PatchServer | undefined {
  const patch: PatchServer = {};
  if (edited.version !== base.version) patch.version = edited.version;
  if (edited.memory !== base.memory_bytes) patch.memory_bytes = edited.memory;
  const env: Record<string, string | null> = {};
  const before = base.env ?? {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(edited.env)])) {
    const to = edited.env[name] ?? '';
    if (to !== (before[name] ?? '')) env[name] = to === '' ? null : to;
  }
  if (Object.keys(env).length > 0) patch.env = env as NonNullable<PatchServer['env']>;
  return Object.keys(patch).length > 0 ? patch : undefined;
}
