// Samples as columns for the charts. Pure.
import type { Samples } from '../api/types';

export interface Columns {
  count: number;
  times: number[]; // seconds
  memory: (number | null)[];
  cpu: (number | null)[];
  players: (number | null)[];
  tps: (number | null)[];
}

/** Where nothing was measured for three steps the line is broken: a null stands for "not known", never a zero. */
export function columns(samples: Samples, fromMs: number, toMs: number): Columns {
  const out: Columns = { count: 0, times: [], memory: [], cpu: [], players: [], tps: [] };
  const put = (at: number, m: number | null, c: number | null, p: number | null, t: number | null) => {
    out.times.push(at);
    out.memory.push(m);
    out.cpu.push(c);
    out.players.push(p);
    out.tps.push(t);
  };
  const hole = Math.max(1, samples.step_seconds || 1) * 3;
  let last = Math.floor(fromMs / 1000);
  put(last, null, null, null, null); // both ends are drawn, so that the range is what was asked for
  for (const point of samples.points ?? []) {
    const at = Math.round(Date.parse(point.at) / 1000);
    if (!(at > last) || at > toMs / 1000) continue;
    if (out.count > 0 && at - last > hole) put(last + 1, null, null, null, null);
    put(at, point.memory_bytes, point.cpu_cores, point.players ?? null, point.tps ?? null);
    out.count++;
    last = at;
  }
  const end = Math.floor(toMs / 1000);
  if (end > last) put(end, null, null, null, null);
  return out;
}
