// The event stream: one websocket for the whole app. Whoever shows something listens and reads it again.
import { signal } from '@preact/signals';
import type { Event } from '../api/types';
import { Socket, type LinkState } from './socket';

export const eventLink = signal<LinkState>('connecting');

type Listener = (event: Event | undefined) => void; // undefined: events may have been missed, read everything again

const listeners = new Set<Listener>();
let cursor = 0;
let socket: Socket | undefined;
let wasLive = false;

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startEvents(): void {
  if (socket) return;
  socket = new Socket({
    // After some failed tries the cursor may be what is refused (too old): start from now and read everything again.
    path: (tries) => (cursor > 0 && tries < 4 ? `/api/events/live?after=${cursor}` : '/api/events/live'),
    message: (data) => {
      if (isEnd(data)) cursor = 0; // the cursor is too old: the next try starts from now, and everything is read again
      if (!isEvent(data)) return;
      if (data.seq <= cursor) return;
      cursor = data.seq;
      for (const each of listeners) each(data);
    },
    state: (state) => {
      eventLink.value = state;
      if (state !== 'live') return;
      if (wasLive) for (const each of listeners) each(undefined);
      wasLive = true;
    },
  });
}

export function stopEvents(): void {
  socket?.close();
  socket = undefined;
  cursor = 0;
  wasLive = false;
}

function isEnd(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'problem' in data && (data as { problem?: { code?: string } }).problem?.code === 'precondition';
}

export function isEvent(data: unknown): data is Event {
  if (typeof data !== 'object' || data === null) return false;
  const event = data as Partial<Event>;
  return typeof event.seq === 'number' && event.seq > 0 && typeof event.type === 'string' && typeof event.at === 'string';
}
