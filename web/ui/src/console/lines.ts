// The lines a console holds: in order, each once, and honest about holes. Pure.
import type { Line } from '../api/types';

export interface Change {
  /** Lines that only came on at the end, in order; undefined when earlier ones changed too and all must be drawn again. */
  appended: Line[] | undefined;
  /** A hole before these lines: the numbers that are missing. */
  hole?: { from: number; to: number };
}

export class LineBuffer {
  private list: Line[] = [];

  constructor(private readonly most = 20_000) {}

  get lines(): readonly Line[] {
    return this.list;
  }

  get first(): number {
    return this.list[0]?.seq ?? 0;
  }

  /** The cursor to resume from. */
  get last(): number {
    return this.list[this.list.length - 1]?.seq ?? 0;
  }

  /** Takes lines in; ones already held are dropped. Lines may come at either end or into a hole. */
  add(incoming: readonly Line[]): Change {
    const fresh = incoming.filter((line) => !this.has(line.seq)).sort((a, b) => a.seq - b.seq);
    if (fresh.length === 0) return { appended: [] };
    const before = this.last;
    const atEnd = this.list.length === 0 || fresh[0]!.seq > before;
    if (atEnd) this.list.push(...fresh);
    else this.list = merge(this.list, fresh);
    if (this.list.length > this.most * 1.2) {
      this.list = atEnd ? this.list.slice(-this.most) : this.list.slice(0, this.most);
    }
    if (!atEnd) return { appended: undefined };
    const from = before + 1;
    const to = fresh[0]!.seq - 1;
    // A gap line says itself what is missing, so numbers skipped just before one are no hole of ours.
    return before > 0 && to >= from && fresh[0]!.kind !== 'gap' ? { appended: fresh, hole: { from, to } } : { appended: fresh };
  }

  clear(): void {
    this.list = [];
  }

  private has(seq: number): boolean {
    if (this.list.length === 0 || seq > this.last || seq < this.first) return false;
    let low = 0;
    let high = this.list.length - 1;
    while (low <= high) {
      const mid = (low + high) >> 1;
      const at = this.list[mid]!.seq;
      if (at === seq) return true;
      if (at < seq) low = mid + 1;
      else high = mid - 1;
    }
    return false;
  }
}

function merge(a: Line[], b: Line[]): Line[] {
  const out: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && a[i]!.seq < b[j]!.seq)) out.push(a[i++]!);
    else out.push(b[j++]!);
  }
  return out;
}
