// Who is logged in.
import { signal } from '@preact/signals';
import { api } from '../api/calls';
import { ApiError, useSession } from '../api/http';
import type { Session } from '../api/types';
import { startEvents, stopEvents } from '../live/events';

/** undefined = not known yet, null = nobody. */
export const session = signal<Session | null | undefined>(undefined);

/** Set when the controller could not be asked at all. */
export const sessionTrouble = signal(false);

export async function restore(): Promise<void> {
  try {
    enter(await api.session());
    sessionTrouble.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 401) {
      sessionTrouble.value = false;
      session.value = null;
      return;
    }
    sessionTrouble.value = true;
    setTimeout(() => void restore(), 2000);
  }
}

export async function login(token: string): Promise<void> {
  enter(await api.login(token.trim()));
}

export async function logout(): Promise<void> {
  try {
    await api.logout();
  } finally {
    leave();
  }
}

function enter(got: Session): void {
  useSession(got.csrf, leave);
  session.value = got;
  startEvents();
}

function leave(): void {
  stopEvents();
  session.value = null;
}
