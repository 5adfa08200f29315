// Names for new servers. Pure.
const firsts = ['amber', 'birch', 'copper', 'coral', 'dusty', 'ember', 'frosty', 'golden', 'hazel', 'iron', 'ivory', 'lunar', 'mossy', 'oaken', 'quiet', 'ruby', 'silver', 'sunny', 'velvet', 'wild'];
const seconds = ['badger', 'bay', 'canyon', 'cove', 'creek', 'falcon', 'fjord', 'forest', 'fox', 'glade', 'harbor', 'hill', 'island', 'lantern', 'meadow', 'mesa', 'otter', 'ridge', 'valley', 'wolf'];

export function suggest(taken: ReadonlySet<string>, random: () => number = Math.random): string {
  for (let i = 0; i < 50; i++) {
    const name = `${firsts[Math.floor(random() * firsts.length)]}-${seconds[Math.floor(random() * seconds.length)]}`;
    if (!taken.has(name)) return name;
  }
  for (let n = 2; ; n++) if (!taken.has(`server-${n}`)) return `server-${n}`;
}

/** Why a name cannot be, as a key of the catalogue; the controller checks again. */
export function nameProblem(name: string, taken: ReadonlySet<string>): 'name.empty' | 'name.form' | 'name.taken' | undefined {
  if (name === '') return 'name.empty';
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) return 'name.form';
  return taken.has(name) ? 'name.taken' : undefined;
}
