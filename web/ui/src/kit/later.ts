// Parts of the app that are fetched on need, from a network that may blink and a controller that may have been upgraded meanwhile.
import { lazy } from 'preact/compat';

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Calls load until it works, at most four times. Pure but for the waiting. */
export async function again<T>(load: () => Promise<T>, wait: (ms: number) => Promise<void> = pause): Promise<T> {
  for (let n = 0; ; n++) {
    try {
      return await load();
    } catch (error) {
      if (n === 3) throw error;
      await wait(300 * 3 ** n);
    }
  }
}

/** As lazy. A part that stays away was replaced by a newer build: the page is loaded anew, once a minute at most. */
export function later<P>(load: () => Promise<{ default: (props: P) => unknown }>) {
  return lazy(() => again(load).catch((error: unknown) => {
    const last = Number(sessionStorage.getItem('reloaded') ?? 0);
    if (Date.now() - last < 60_000) throw error;
    sessionStorage.setItem('reloaded', String(Date.now()));
    location.reload();
    return new Promise<never>(() => {});
  }) as Promise<{ default: (props: P) => preact.JSX.Element | null }>);
}
