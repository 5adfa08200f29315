// A piece of the server's state on screen: read at once, again when an event touches it, and every so often anyway.
import { signal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { problemOf } from '../api/http';
import type { Event, Problem } from '../api/types';
import { listen } from './events';

export class Resource<T> {
  readonly value: Signal<T | undefined> = signal(undefined);
  readonly problem: Signal<Problem | undefined> = signal(undefined);
  readonly at = signal(0); // when the value was read, ms
  private running: Promise<void> | undefined;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly load: () => Promise<T>) {}

  /** Reads now. Calls while one is under way share one more reading, so a flood of events costs two. */
  refresh(): Promise<void> {
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.read().finally(() => {
      this.running = undefined;
      if (this.again) {
        this.again = false;
        void this.refresh();
      }
    });
    return this.running;
  }

  /** Reads soon: events come in bursts. */
  soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.refresh();
    }, 120);
  }

  private async read(): Promise<void> {
    try {
      this.value.value = await this.load();
      this.at.value = Date.now();
      this.problem.value = undefined;
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }
}

/** Keeps a resource fresh while a component is on screen. */
export function useFresh<T>(resource: Resource<T>, everyMs: number, touches: (event: Event) => boolean): void {
  useEffect(() => {
    void resource.refresh();
    const stop = listen((event) => {
      if (!event || touches(event)) resource.soon();
    });
    const timer = setInterval(() => {
      if (!document.hidden) void resource.refresh();
    }, everyMs);
    const seen = () => {
      if (!document.hidden) resource.soon();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      stop();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [resource]);
}
