// One viewer's console: the socket, the lines, the holes, and the commands that were refused.
import { signal } from '@preact/signals';
import { api } from '../api/calls';
import { problemOf } from '../api/http';
import type { ConsoleMessage, Line, Problem } from '../api/types';
import { Socket, type LinkState } from '../live/socket';
import { LineBuffer } from './lines';

export interface Drawing {
  append(lines: readonly Line[], all: readonly Line[]): void;
  redraw(all: readonly Line[]): Promise<void>;
}

const firstLines = 200;
const pageLines = 1000;

export interface Refusal {
  command: string;
  problem: Problem;
}

export class ConsoleSession {
  readonly link = signal<LinkState>('connecting');
  readonly notice = signal('');
  readonly refused = signal<Refusal | undefined>(undefined); // what a command answers comes as lines, for every viewer
  readonly older = signal<'more' | 'reading' | 'start' | 'failed'>('more');
  readonly empty = signal(true);
  private readonly buffer = new LineBuffer();
  private readonly asked = new Map<string, string>();
  private readonly stop = new AbortController();
  private readonly socket: Socket;
  private next = 1;
  private passing: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly name: string, private readonly screen: Drawing) {
    this.socket = new Socket({
      path: () => api.consoleURL(name, this.buffer.last || -firstLines),
      message: (data) => this.take(data as ConsoleMessage),
      state: (state) => { this.link.value = state; },
    });
  }

  /** Sends a command over the socket; over HTTP while the socket is away. */
  async send(command: string): Promise<void> {
    const id = String(this.next++);
    this.refused.value = undefined;
    this.asked.set(id, command);
    if (this.socket.send({ type: 'command', id, command })) return;
    this.asked.delete(id);
    try {
      await api.command(this.name, command);
    } catch (error) {
      this.refused.value = { command, problem: problemOf(error) };
    }
  }

  /** Reads the page of history before the oldest line held. */
  async readOlder(): Promise<void> {
    const first = this.buffer.first;
    if (this.older.value === 'reading' || this.older.value === 'start' || first === 0) return;
    if (first <= 1) {
      this.older.value = 'start';
      return;
    }
    this.older.value = 'reading';
    try {
      const got = await api.lines(this.name, { to: first - 1, tail: pageLines }, this.stop.signal);
      const lines = (got.lines ?? []).filter((l) => l.seq < first);
      if (lines.length > 0) {
        this.buffer.add(lines);
        await this.screen.redraw(this.buffer.lines);
      }
      this.older.value = lines.length === 0 || this.buffer.first <= got.first ? 'start' : 'more';
    } catch {
      if (!this.stop.signal.aborted) this.older.value = 'failed';
    }
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.passing);
    this.socket.close();
  }

  private take(message: ConsoleMessage): void {
    switch (message.type) {
      case 'lines': {
        const change = this.buffer.add(message.lines ?? []);
        if (change.appended === undefined) void this.screen.redraw(this.buffer.lines);
        else if (change.appended.length > 0) this.screen.append(change.appended, this.buffer.lines);
        if (this.buffer.last > 0) this.empty.value = false;
        this.notice.value = '';
        if (change.hole) void this.fill(change.hole.from, change.hole.to);
        break;
      }
      case 'notice':
      case 'end': // the controller ends the stream and says why; the socket comes back by itself
        this.tell(message.text || message.problem?.detail || '');
        break;
      case 'reply': {
        const command = this.asked.get(message.id ?? '');
        if (command === undefined) break;
        this.asked.delete(message.id!);
        if (message.problem) this.refused.value = { command, problem: message.problem };
        break;
      }
    }
  }

  /** Shows a passing word of the controller, as "connected again". */
  private tell(text: string): void {
    this.notice.value = text;
    clearTimeout(this.passing);
    this.passing = setTimeout(() => { this.notice.value = ''; }, 6_000);
  }

  private async fill(from: number, to: number): Promise<void> {
    try {
      const got = await api.lines(this.name, { from, to, tail: 5000 }, this.stop.signal);
      if (this.buffer.add(got.lines ?? []).appended === undefined) await this.screen.redraw(this.buffer.lines);
    } catch {
      // the node no longer has them: the numbers show what is missing
    }
  }
}
