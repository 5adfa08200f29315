// A websocket that comes back: it reconnects with jitter from a cursor that its owner keeps.
import { heard, websocketURL } from '../api/http';
import { backoff } from './backoff';

export type LinkState = 'connecting' | 'live' | 'reconnecting';

export interface SocketOptions {
  /** The path to dial, asked anew each time so that it can carry the newest cursor. */
  path: (tries: number) => string;
  message: (data: unknown) => void;
  state: (state: LinkState) => void;
}

export class Socket {
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private closed = false;
  private readonly wake = () => {
    if (this.timer !== undefined && !document.hidden) this.dial();
  };

  constructor(private readonly options: SocketOptions) {
    addEventListener('online', this.wake);
    document.addEventListener('visibilitychange', this.wake);
    this.dial();
  }

  send(message: unknown): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener('online', this.wake);
    document.removeEventListener('visibilitychange', this.wake);
    this.socket?.close();
  }

  private dial(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.options.state(this.tries === 0 ? 'connecting' : 'reconnecting');
    const socket = new WebSocket(websocketURL(this.options.path(this.tries)));
    this.socket = socket;
    socket.onopen = () => {
      this.tries = 0;
      heard();
      this.options.state('live');
    };
    socket.onmessage = (event) => {
      heard();
      let data: unknown;
      try {
        data = JSON.parse(String(event.data));
      } catch {
        return; // not ours
      }
      this.options.message(data);
    };
    socket.onclose = () => {
      if (this.closed || this.socket !== socket) return;
      this.options.state('reconnecting');
      this.timer = setTimeout(() => this.dial(), backoff(this.tries++));
    };
  }
}
