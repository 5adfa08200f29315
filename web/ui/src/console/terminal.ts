// The terminal on screen: draws lines, keeps the place while older ones are put before, knows which line is under the mouse.
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal, type ITheme } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { Line } from '../api/types';
import { clock } from '../kit/format';
import { allowSpanStyles, strictly } from './strict';
import { safe } from './text';

export interface ScreenOptions {
  onTop: () => void; // scrolled to the oldest line
  onScroll: (atBottom: boolean) => void;
  onFound: (index: number, count: number) => void;
  locale: string;
}

const marks: Record<string, string> = { gap: '\u001b[33m⋯ ', command: '\u001b[36m', system: '\u001b[35m● ', error: '\u001b[31m✕ ' };

export class Screen {
  private readonly term: Terminal;
  private readonly fitter = new FitAddon();
  private readonly finder = new SearchAddon({ highlightLimit: 1000 });
  private readonly watcher: ResizeObserver;
  private drawn: readonly Line[] = [];
  private stamps = false;
  private busy = false;
  private frame = 0;

  constructor(private readonly box: HTMLElement, private readonly options: ScreenOptions) {
    allowSpanStyles();
    this.term = new Terminal({
      allowProposedApi: true, // the search addon marks its finds with decorations
      disableStdin: true,
      cursorStyle: 'bar',
      cursorInactiveStyle: 'none',
      convertEol: false,
      scrollback: 30_000,
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: 13,
      lineHeight: 1.25,
      minimumContrastRatio: 4.5,
      screenReaderMode: false,
      theme: readTheme(box),
    });
    this.term.loadAddon(this.fitter);
    this.term.loadAddon(this.finder);
    this.term.loadAddon(new WebLinksAddon((event, address) => {
      event.preventDefault();
      if (/^https?:\/\//i.test(address)) window.open(address, '_blank', 'noopener,noreferrer');
    }));
    strictly(() => this.term.open(box));
    this.term.textarea?.setAttribute('aria-label', box.dataset['label'] ?? '');
    this.term.attachCustomKeyEventHandler((e) => this.key(e));
    this.finder.onDidChangeResults((r) => options.onFound(r.resultIndex, r.resultCount));
    this.term.onScroll(() => this.scrolled());
    box.addEventListener('wheel', (e) => { if (e.deltaY < 0 && this.atTop) options.onTop(); }, { passive: true });
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(box);
    this.fit();
    // The scroll event above tells of new lines only; the viewport's own scrolling is seen by its rendering.
    this.term.onRender(() => { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.scrolled(); }); });
  }

  get atBottom(): boolean {
    const b = this.term.buffer.active;
    return b.viewportY >= b.baseY;
  }

  get atTop(): boolean {
    return this.term.buffer.active.viewportY === 0;
  }

  append(lines: readonly Line[], all: readonly Line[]): void {
    const text = lines.map((line) => this.format(line));
    const begin = this.drawn.length === 0 ? '' : '\r\n';
    this.drawn = all;
    if (text.length > 0) this.term.write(begin + text.join('\r\n'));
  }

  /** Draws everything again, keeping the place: what is below the view has not changed. */
  redraw(all: readonly Line[]): Promise<void> {
    const b = this.term.buffer.active;
    const below = b.baseY - b.viewportY;
    this.busy = true;
    this.drawn = all;
    this.term.clear();
    return new Promise((done) => {
      this.term.write(`\u001b[2J\u001b[3J\u001b[H${all.map((line) => this.format(line)).join('\r\n')}`, () => {
        if (below > 0) this.term.scrollToLine(Math.max(0, this.term.buffer.active.baseY - below));
        else this.term.scrollToBottom();
        this.busy = false;
        done();
      });
    });
  }

  async showTimes(on: boolean): Promise<void> {
    this.stamps = on;
    await this.redraw(this.drawn);
  }

  toBottom(): void {
    this.term.scrollToBottom();
  }

  find(text: string, back: boolean, incremental = false): void {
    const style = getComputedStyle(this.box);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const decorations = { matchBackground: colour('--find'), activeMatchBackground: colour('--find-active'), matchOverviewRuler: colour('--find'), activeMatchColorOverviewRuler: colour('--find-active') };
    if (!text) this.finder.clearDecorations();
    else if (back) this.finder.findPrevious(text, { decorations, incremental });
    else this.finder.findNext(text, { decorations, incremental });
  }

  endFind(): void {
    this.finder.clearDecorations();
    this.term.clearSelection();
  }

  retheme(): void {
    this.term.options.theme = readTheme(this.box);
  }

  /** The line drawn at a height of the box, for the time shown on hover. Rows are counted from the end, where both agree. */
  lineAt(clientY: number): Line | undefined {
    const rows = this.box.querySelector('.xterm-rows')?.getBoundingClientRect();
    if (!rows || rows.height === 0) return undefined;
    const row = Math.floor(((clientY - rows.top) / rows.height) * this.term.rows);
    const b = this.term.buffer.active;
    const at = b.viewportY + row;
    const end = b.baseY + b.cursorY;
    if (row < 0 || row >= this.term.rows || at > end) return undefined;
    let after = 0;
    for (let y = end; y > at; y--) if (!b.getLine(y)?.isWrapped) after++;
    return this.drawn[this.drawn.length - 1 - after];
  }

  close(): void {
    this.watcher.disconnect();
    cancelAnimationFrame(this.frame);
    this.term.dispose();
  }

  private fit(): void {
    if (this.box.clientWidth < 20 || this.box.clientHeight < 20) return;
    const bottom = this.atBottom;
    this.fitter.fit();
    if (bottom) this.term.scrollToBottom();
  }

  private scrolled(): void {
    if (this.busy) return;
    this.options.onScroll(this.atBottom);
    if (this.atTop && this.term.buffer.active.baseY > 0) this.options.onTop();
  }

  private key(e: KeyboardEvent): boolean {
    if (e.type !== 'keydown') return true;
    if (e.key === 'Tab') return false; // leaves the console instead of being swallowed
    if (e.ctrlKey || e.metaKey || e.altKey) return !(e.key.toLowerCase() === 'k' || e.key.toLowerCase() === 'f');
    const page = this.term.rows - 1;
    const by = { PageUp: -page, PageDown: page, ArrowUp: -1, ArrowDown: 1 }[e.key];
    if (by !== undefined) this.term.scrollLines(by);
    else if (e.key === 'Home') this.term.scrollToTop();
    else if (e.key === 'End') this.term.scrollToBottom();
    return false;
  }

  private format(line: Line): string {
    const stamp = this.stamps ? `\u001b[2m${clock(line.time, this.options.locale)}\u001b[0m ` : '';
    const mark = line.kind ? marks[line.kind] : undefined;
    return stamp + (mark ? `${mark}${safe(line.text)}\u001b[0m` : safe(line.text));
  }
}

function readTheme(box: HTMLElement): ITheme {
  const style = getComputedStyle(box);
  const get = (name: string) => style.getPropertyValue(name).trim();
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
  const bright = ['brightBlack', 'brightRed', 'brightGreen', 'brightYellow', 'brightBlue', 'brightMagenta', 'brightCyan', 'brightWhite'];
  return {
    background: get('--term-bg'), foreground: get('--term-fg'), cursor: get('--term-bg'), selectionBackground: get('--term-selection'),
    ...Object.fromEntries([...names.map((n, i) => [n, get(`--term-${i}`)]), ...bright.map((n, i) => [n, get(`--term-${i + 8}`)])]),
  };
}
