// What the fake controller plays: servers that boot, run, crash and stop, nodes that are seen, events, samples.
const mib = 2 ** 20;
const gib = 2 ** 30;
const iso = (ms = Date.now()) => new Date(ms).toISOString();

const boot = [
  'Starting net.minecraft.server.Main', '[\u001b[32mMain\u001b[0m] Loading libraries, please wait...', '\u001b[90m[10:00:01 INFO]:\u001b[0m Environment: authHost=https://authserver.example',
  '\u001b[90m[10:00:02 INFO]:\u001b[0m Starting minecraft server version 1.21.4', '\u001b[90m[10:00:02 INFO]:\u001b[0m Loading properties', '\u001b[33m[10:00:03 WARN]: **** SERVER IS RUNNING IN OFFLINE/INSECURE MODE!\u001b[0m',
  '\u001b[90m[10:00:04 INFO]:\u001b[0m Preparing level "world"', '\u001b[90m[10:00:06 INFO]:\u001b[0m Preparing spawn area: 41%', '\u001b[38;2;120;200;120m[10:00:08 INFO]: Preparing spawn area: 97%\u001b[0m',
  '\u001b[90m[10:00:09 INFO]:\u001b[0m Done (7.214s)! For help, type "help"',
];

/** What the nodes know better, in the scene that plays a restored backup. */
function recovery(scene) {
  const findings = scene !== 'recovery' ? [] : [
    { id: '1', sign: 'ahead', explain: 'node node-1 has survival at epoch 3 (running); the store says epoch 2 on no node, wanted stopped', node: 'node-1', node_id: 'node_1', server: 'survival', server_id: 'srv_1', store: { epoch: 2, desired: 'stopped' }, agent: { node: 'node-1', epoch: 3, state: 'running', since: iso(Date.now() - 3_600_000) }, choices: [{ verb: 'adopt', effect: 'it runs on on node node-1 at epoch 3' }, { verb: 'keep', effect: 'its copy on node node-1 is stopped and the world set aside for 7 days; the next start makes an empty world' }], since: iso() },
    { id: '2', sign: 'missing', explain: 'the store says that the world of <b>lobby</b> is on node node-1, which does not have it', node: 'node-1', node_id: 'node_1', server: 'lobby', server_id: 'srv_2', store: { node: 'node-1', epoch: 1, desired: 'running' }, choices: [{ verb: 'keep', effect: 'the row stays; it cannot start without its world' }, { verb: 'forget', effect: 'the row is deleted: the server was deleted after the backup' }], since: iso() },
    { id: '3', sign: 'node', explain: 'a node that calls itself attic came from 203.0.113.9 with a certificate of our CA; the store does not know it', node: 'attic', node_id: 'node_9', address: '203.0.113.9', key: `sha256:${'4b1f6c0d'.repeat(8)}`, choices: [{ verb: 'adopt', effect: 'the node is let in with the key it proved; do not, if it was revoked after the backup' }, { verb: 'forget', effect: 'it stays outside; its games run on unattended' }], since: iso() },
  ];
  return { open: findings.length > 0, reason: 'restored', explain: 'the store is older than what the nodes know; games run on, and nothing is started, placed or deleted', term: 9, undecided: findings.length, waiting: [], findings };
}

export class World {
  constructor(scene) {
    this.recovery = recovery(scene);
    Object.assign(this, { events: [], watchers: new Set(), tails: new Map(), cut: new Set(), servers: [], seq: 0, scene });
    this.templates = [
      ['paper', 'Paper', 'Fast and ready for plugins. What most people want.', 2, '5 to 20'], ['vanilla', 'Vanilla', 'The game as Mojang makes it.', 2, '2 to 10'],
      ['purpur', 'Purpur', 'Paper with many more switches.', 2, '5 to 20'], ['fabric', 'Fabric', 'Light mods, new versions first.', 3, '2 to 10'],
      ['forge', 'Forge', 'The large modpacks.', 6, '2 to 10'], ['flying-squid', 'flying-squid', 'A small server in JavaScript, built on this machine.', 0.5, '1 to 5'],
    ].map(([name, title, summary, memory, players]) => ({
      name, title, summary, category: 'game', image: `itzg/minecraft-server:java21`, versions: ['1.21.4', '1.21.1', '1.20.6', '1.16.5'], default_version: '1.21.4',
      memory_min: Math.max(0.25, memory / 2) * gib, memory_recommended: memory * gib, players,
      env: [
        { name: 'MOTD', kind: 'text', help: 'What players see in their server list.' }, { name: 'MAX_PLAYERS', kind: 'int', default: '20', min: 1, max: 500, help: 'How many may be in at once.' },
        { name: 'DIFFICULTY', kind: 'enum', default: 'easy', enum: ['peaceful', 'easy', 'normal', 'hard'], help: 'How hard it is to survive.' }, { name: 'PVP', kind: 'bool', default: 'true', help: 'Players may fight each other.' },
        { name: 'SEED', kind: 'text', help: 'The seed of a new world.' }, { name: 'ONLINE_MODE', kind: 'bool', default: 'true', help: 'Only accounts that Mojang knows may join.' },
      ],
    }));
    if (scene === 'empty') this.nodes = [];
    else {
      this.nodes = [this.node('node-1', 'ready'), this.node('box-cellar', 'degraded'), this.node('fsn1-cx33-a', 'unreachable')];
      for (let i = 0; i < 150; i++) this.emit(['server.started', 'server.stopped', 'player.joined', 'server.ready', 'node.connected', 'server.odd_new_type'][i % 6], i % 6 === 4 ? { node: 'node-1' } : { server: 'survival' }, { n: i }, Date.now() - (150 - i) * 60_000);
      this.emit('server.odd_new_type', { server: 'survival', actor: '<b onclick=alert(2)>x</b>' }, { agent: '<img src=x onerror=alert(3)>', text: '"><script>alert(4)</script>' });
      const add = (name, state, rest = {}) => this.servers.push(this.make({ name, template: 'paper', memory_bytes: 2 * gib }, state, rest));
      add('survival', 'running');
      add('lobby', 'running');
      add('creative', 'stopped');
      add('skyblock', 'crashed', { explain: 'The game ended by itself with exit code 137: the container ran out of memory.', next: 'Give it more memory under Settings, then start it again.', restarts: 5,
        exit: { code: 137, oom: true, asked: false, killed: true, at: iso(Date.now() - 90_000), last_lines: ['[09:58:11 WARN]: Can\'t keep up! Is the server overloaded? Running 5120ms behind', '[09:58:19 ERROR]: java.lang.OutOfMemoryError: Java heap space', '<img src=x onerror=alert(1)>'] } });
      add('modded-friends-weekend-one', 'waiting', { memory_bytes: 12 * gib, explain: 'No node has 12 GiB free; the most is 5.2 GiB on node-1.', next: 'Stop a server, add a node, or give this one less memory.', waiting: { memory_bytes: 12 * gib, cpu_millis: 2000, reason: 'no room', since: iso(Date.now() - 240_000) }, node: '', address: '' });
      add('hardcore', 'unknown', { node: 'fsn1-cx33-a', explain: 'The node fsn1-cx33-a was last seen 4 min ago. The game may well be running there.', next: 'Wait for the node, or see its page.' });
      add('broken', 'stopped');
      if (scene === 'many') for (let i = 0; i < 5000; i++) add(`server-${i}`, i % 3 ? 'running' : 'stopped');
      const survival = this.find('survival');
      for (let i = 0; i < 2600; i++) this.log(survival, i % 97 === 0 ? `<script>alert(${i})</script> \u001b[2Jnot cleared` : `[line ${i}] chunk saved at ${i * 16}, ${i * 7}`, i % 400 === 399 ? 'system' : '', Date.now() - (2600 - i) * 1000);
      boot.forEach((l) => this.log(survival, l));
      this.log(survival, '120 lines were dropped: the game wrote faster than 1,000 lines/s', 'gap');
      this.log(survival, '> list (operator)', 'command');
      this.log(survival, 'There are 3 of a max of 20 players online: Anna, Bob, Cem — see https://example.org/rules');
    }
    setInterval(() => this.breathe(), 1000).unref();
  }

  node(name, state) {
    return {
      id: `n-${name}`, name, class: name.startsWith('fsn1') ? 'cloud' : 'local', roles: ['worker', 'edge'], state, last_seen: iso(state === 'unreachable' ? Date.now() - 250_000 : Date.now()), connected: state !== 'unreachable', cordoned: false,
      explain: state === 'unreachable' ? 'Nothing was heard from this node for 4 min. Its servers may still be running.' : state === 'degraded' ? 'This machine works, with less protection between servers.' : '', next: state === 'unreachable' ? 'Check the machine and its network; the agent dials again by itself.' : '',
      degraded: state === 'degraded' ? ['no user namespaces: root in a container is root on the host', 'cgroup v1: no memory pressure figures'] : [], health: { at: iso(Date.now() - 30_000), age_seconds: 30, ok: state !== 'unreachable', problems: state === 'unreachable' ? ['no answer in 10 s'] : [] },
      arch: 'amd64', os: 'Debian 12', kernel: '6.1.0-32-amd64', docker: '28.5.2', agent_version: 'dev', machine_id: 'abc', addresses: ['10.0.0.4', '203.0.113.20'], joined_at: iso(Date.now() - 9e8), clock_skew_ms: 3, rtt_ms: 0.8,
      memory_total_bytes: 16 * gib, memory_reserve_bytes: 1.5 * gib, memory_schedulable_bytes: 14.5 * gib, memory_booked_bytes: Math.round(9.3 * gib), cpu_millis: 8000, cpu_booked_millis: 3000, disk_total_bytes: 160 * gib, disk_booked_bytes: 41 * gib,
      port_from: 25565, port_to: 25664, ports_booked: 4, servers: 4, running: 2, usage: { at: iso(), cpu_busy: 0.31, memory_used: Math.round(7.2 * gib), disk_used: 33 * gib, disk_total: 160 * gib, load1: 1.42 },
    };
  }

  make(b, state, rest = {}) {
    const n = this.servers.length;
    const run = state === 'running';
    const s = {
      id: `s-${b.name}`, name: b.name, owner: 'operator', template: b.template, version: b.version ?? '1.21.4', image: 'itzg/minecraft-server:java21', node: 'node-1', desired: run ? 'running' : 'stopped', observed: state, state,
      explain: run ? `Players can join at 203.0.113.20:${25565 + n}.` : '', next: '', epoch: 1, revision: 1, address: `203.0.113.20:${25565 + n}`, port: 25565 + n, has_volume: true, memory_bytes: b.memory_bytes ?? 2 * gib, cpu_millis: 2000, disk_bytes: 10 * gib, env: b.env ?? { MOTD: 'Hello', OWN_THING: 'x' },
      ...(run ? { usage: this.usage(2 * gib), started_at: iso(Date.now() - 7.5e6), ready_at: iso(Date.now() - 7.4e6) } : {}), restarts: 0, restart_required: false, created_at: iso(Date.now() - 8e8), updated_at: iso(), created_by: 'operator', log: [], ...rest,
    };
    return Object.defineProperty(s, 'head', { value: 0, writable: true }); // no part of what the API tells
  }

  usage(memory) {
    return { at: iso(), memory_bytes: Math.round(memory * (0.55 + Math.random() * 0.05)), cpu_cores: 0.3 + Math.random() * 0.4, disk_bytes: Math.round(1.3 * gib), players: 3, players_max: 20, player_names: ['Anna', 'Bob', 'Cem'], tps: 19.8 };
  }

  find(name) { return this.servers.find((s) => s.name === name); }
  nodeList() { return this.nodes.map((n) => (n.connected ? { ...n, last_seen: iso(Date.now() - (Date.now() % 4000)) } : n)); }

  emit(type, at, data = {}, when = Date.now()) {
    const e = { seq: ++this.seq, at: iso(when), type, actor: 'operator', data, ...at };
    this.events.push(e);
    for (const w of this.watchers) w(e);
  }

  watch(fn) {
    this.watchers.add(fn);
    return () => this.watchers.delete(fn);
  }

  tail(s, fn) {
    const set = this.tails.get(s) ?? new Set();
    this.tails.set(s, set.add(fn));
    return () => set.delete(fn);
  }

  log(s, text, kind = '', when = Date.now()) {
    const line = { seq: ++s.head, time: iso(when), text, ...(kind ? { kind } : {}) };
    s.log.push(line);
    for (const fn of this.tails.get(s) ?? []) fn(line);
  }

  create(b) {
    const s = this.make(b, 'stopped', { memory_bytes: b.memory_bytes, env: b.env ?? {} });
    this.servers.push(s);
    this.emit('server.created', { server: s.name });
    if (b.start) this.act(s, 'start');
    return s;
  }

  set(s, state, explain = '') {
    Object.assign(s, { state, observed: state, explain, next: '', updated_at: iso() });
    this.emit(`server.${state === 'running' ? 'ready' : state}`, { server: s.name, node: s.node });
  }

  act(s, verb) {
    if (verb === 'start' && s.state !== 'running') {
      this.set(s, 'starting', 'The container is being made on node-1.');
      boot.forEach((l, i) => setTimeout(() => this.log(s, l), 200 + i * 120));
      setTimeout(() => {
        Object.assign(s, { usage: this.usage(s.memory_bytes), started_at: iso(), ready_at: iso(), restart_required: false });
        this.set(s, 'running', `Players can join at ${s.address}.`);
      }, 1800);
    } else if (verb === 'stop' || verb === 'kill' || verb === 'restart') {
      this.set(s, 'stopping', 'Players were told; the world is being saved.');
      this.log(s, 'Stopping the server');
      setTimeout(() => {
        delete s.usage;
        this.set(s, 'stopped');
        if (verb === 'restart') this.act(s, 'start');
      }, 1200);
    }
    return s;
  }

  patch(s, b) {
    const env = { ...s.env };
    for (const [k, v] of Object.entries(b.env ?? {})) v === null ? delete env[k] : (env[k] = v);
    Object.assign(s, { ...b, env, revision: s.revision + 1, restart_required: s.state === 'running' });
    this.emit('server.updated', { server: s.name });
    return s;
  }

  remove(s) {
    this.servers = this.servers.filter((x) => x !== s);
    this.emit('server.deleted', { server: s.name });
    return { ...s, state: 'deleting' };
  }

  command(s, command) {
    this.log(s, `> ${command} (operator)`, 'command');
    if (command === 'list') this.log(s, 'There are 3 of a max of 20 players online: Anna, Bob, Cem');
    else if (command.startsWith('say ')) this.log(s, `[Server] ${command.slice(4)}`);
    else this.log(s, `< Unknown command: ${command}`, 'command');
    return { output: '', via: 'stdin' };
  }

  lines(s, q) {
    const tail = Number(q.get('tail') ?? 100);
    const [from, to] = [Number(q.get('from') ?? 0), Number(q.get('to') ?? Infinity)];
    const search = q.get('search');
    const found = s.log.filter((l) => l.seq >= from && l.seq <= to && (!search || l.text.toLowerCase().includes(search.toLowerCase())));
    return { lines: found.slice(-tail), first: 1, head: s.head, more: found.length > tail };
  }

  samples(s, since) {
    if (s.state !== 'running' && s.state !== 'crashed') return { step_seconds: 5, points: [] };
    const points = [];
    const step = Math.max(5000, (Date.now() - since) / 600);
    for (let at = Math.max(since, Date.now() - 4 * 3_600_000); at < Date.now(); at += step) {
      const w = at / 60_000;
      points.push({ at: iso(at), memory_bytes: Math.round(s.memory_bytes * (0.5 + 0.1 * Math.sin(w / 9)) + 20 * mib * Math.sin(w)), cpu_cores: 0.6 + 0.3 * Math.sin(w / 3) + 0.1 * Math.sin(w * 7), players: Math.round(4 + 3 * Math.sin(w / 20)), tps: 19.5 + 0.5 * Math.sin(w), net_rx: 0, net_tx: 0 });
    }
    return { step_seconds: Math.round(step / 1000), points };
  }

  /** A choice about a finding; false when there is nothing (more) to choose. */
  decide(f, verb) {
    if (f.choice || !f.choices.some((c) => c.verb === verb)) return false;
    Object.assign(f, { choice: { adopt: 'adopted', keep: 'kept', forget: 'forgotten' }[verb], by: 'operator', choices: [] });
    this.recovery.undecided = this.recovery.findings.filter((x) => !x.choice).length;
    this.emit(`server.${f.choice}`, { node: f.node });
    return true;
  }

  endRecovery() {
    Object.assign(this.recovery, { open: false, explain: 'the store agrees with the agents, as far as is known' });
    this.emit('node.recovery_ended', {});
    return this.recovery;
  }

  nodeAct(name, verb) {
    const n = this.nodes.find((x) => x.name === name);
    if (verb === 'revoke') Object.assign(n, { state: 'revoked', connected: false, explain: 'This node was revoked.' });
    else Object.assign(n, { cordoned: verb === 'cordon', state: verb === 'cordon' ? 'cordoned' : 'ready' });
    this.emit(`node.${verb.replace(/e$/, '')}ed`, { node: name }, { name });
    return n;
  }

  breathe() {
    for (const s of this.servers.slice(0, 50)) {
      if (s.state !== 'running') continue;
      s.usage = this.usage(s.memory_bytes);
      if (s.name === 'survival') this.log(s, `[tick] ${s.head} mspt ${(Math.random() * 12).toFixed(2)}`);
    }
  }
}
