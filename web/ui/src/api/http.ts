// One way to the API: JSON in and out, the CSRF token on what changes something, errors as Problem.
import { signal } from '@preact/signals';
import type { Page, Problem } from './types';

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

/** When the controller was last heard, by any answer or message; 0 = never. The connection light reads it. */
export const heardAt = signal(0);
export function heard(): void {
  heardAt.value = Date.now();
}

let csrf = '';
let onExpired: () => void = () => {};

/** Called once a session is known, with its token and what to do when it ends. */
export function useSession(token: string, expired: () => void): void {
  csrf = token;
  onExpired = expired;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      credentials: 'same-origin',
      signal: options.signal ?? null,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(unreachable());
  }
  heard();
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  if (response.ok) return (text ? JSON.parse(text) : undefined) as T;
  const problem = problemFrom(response.status, text);
  if (response.status === 401 && !path.startsWith('/api/session')) onExpired();
  throw new ApiError(problem);
}

/** Reads every page of a list. */
export async function all<T>(path: string, limit = 500, most = 20_000): Promise<T[]> {
  const items: T[] = [];
  let cursor = '';
  do {
    const join = path.includes('?') ? '&' : '?';
    const page = await call<Page<T>>('GET', `${path}${join}limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    items.push(...(page.items ?? []));
    cursor = page.next ?? '';
  } while (cursor && items.length < most);
  return items;
}

/** A key for a create, so that a repeated click or a lost answer makes one thing only. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID exists on https only
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

export function websocketURL(path: string): string {
  const at = new URL(path, location.href);
  at.protocol = at.protocol === 'https:' ? 'wss:' : 'ws:';
  return at.href;
}

export function problemFrom(status: number, text: string): Problem {
  try {
    const read = JSON.parse(text) as Partial<Problem>;
    if (typeof read === 'object' && read !== null && (read.detail || read.title)) {
      return { type: 'about:blank', title: '', status, detail: '', code: '', ...read } as Problem;
    }
  } catch {
    // not JSON: a proxy in between answered
  }
  return { type: 'about:blank', title: `HTTP ${status}`, status, detail: '', code: status === 401 ? 'unauthorized' : '' } as Problem;
}

function unreachable(): Problem {
  return { type: 'about:blank', title: '', status: 0, detail: '', code: 'unreachable' } as Problem;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  return { type: 'about:blank', title: String(error), status: 0, detail: '', code: 'internal' } as Problem;
}
