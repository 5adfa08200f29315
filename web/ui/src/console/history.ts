// The command line's memory and its completion. Pure but for the storage passed in.

const most = 100;

export class CommandHistory {
  private list: string[];
  private at: number;
  private draft = '';

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'>, private readonly key: string) {
    this.list = [];
    try {
      const kept: unknown = JSON.parse(storage.getItem(key) ?? '[]');
      if (Array.isArray(kept)) this.list = kept.filter((c): c is string => typeof c === 'string').slice(-most);
    } catch {
      // damaged or not allowed: begin anew
    }
    this.at = this.list.length;
  }

  push(command: string): void {
    this.list = [...this.list.filter((c) => c !== command), command].slice(-most);
    this.at = this.list.length;
    this.draft = '';
    try {
      this.storage.setItem(this.key, JSON.stringify(this.list));
    } catch {
      // full: the history lives as long as the page
    }
  }

  /** The command before or after; what was being typed is kept and comes back at the end. */
  move(by: -1 | 1, current: string): string | undefined {
    const to = this.at + by;
    if (to < 0 || to > this.list.length) return undefined;
    if (this.at === this.list.length) this.draft = current;
    this.at = to;
    return to === this.list.length ? this.draft : this.list[to];
  }
}

const commands = ['ban', 'clear', 'deop', 'difficulty', 'effect', 'gamemode', 'gamerule', 'give', 'help', 'kick', 'kill', 'list', 'msg', 'op', 'pardon', 'save-all', 'say', 'seed', 'setworldspawn', 'spawnpoint', 'stop', 'summon', 'tell', 'time', 'title', 'tp', 'weather', 'whitelist'];

export interface Completion {
  value: string;
  choices: string[]; // more than one when it is not clear yet
}

/** Completes the last word: a command at the start, a player's name elsewhere. */
export function complete(value: string, players: readonly string[]): Completion {
  const m = /^(\/?)(.*?)(\S*)$/s.exec(value)!;
  const [slash, before, word] = [m[1]!, m[2]!, m[3]!];
  const from = before === '' ? commands : [...players, '@a', '@p', '@s'];
  if (word === '' && before === '') return { value, choices: [] };
  const choices = from.filter((c) => c.toLowerCase().startsWith(word.toLowerCase())).sort();
  if (choices.length === 0) return { value, choices: [] };
  if (choices.length === 1) return { value: `${slash}${before}${choices[0]} `, choices };
  let shared = choices[0]!;
  for (const c of choices) while (!c.toLowerCase().startsWith(shared.toLowerCase())) shared = shared.slice(0, -1);
  return { value: shared.length > word.length ? `${slash}${before}${shared}` : value, choices };
}
