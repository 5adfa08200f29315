/** How long to wait before try n (0 = the first one after a loss), in milliseconds: full jitter over 0.5 s … 15 s. */
export function backoff(n: number, random: () => number = Math.random): number {
  const most = Math.min(15_000, 500 * 2 ** Math.min(n, 10));
  return Math.round(150 + random() * (most - 150));
}
