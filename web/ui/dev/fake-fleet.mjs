// What the fake controller plays of the fleet: rented machines, scaling with its limits and decisions, emptying, leftovers.
// Scenes: normal (three nodes, four machines), one, sixty, cloudless, empty, trouble (the cloud does not answer).
const gib = 2 ** 30;
const minute = 60_000;
const iso = (ms = Date.now()) => new Date(ms).toISOString();
const prices = { cx23: [4_800, 3_490_000], cx33: [8_900, 5_990_000], cx43: [15_200, 9_490_000], ccx33: [69_900, 43_490_000] };
const memory = { cx23: 4, cx33: 8, cx43: 16, ccx33: 32 };

/** What the controller would refuse, as [detail, next]; its own rules for types and the table of spares. */
function refusedSetting(body) {
  const spares = (text) => [`scaling: spares: ${text}`, 'write them as "1; fri,sat 17-24 = 3"'];
  const parts = (body.spares ?? '0').split(';').map((p) => p.trim());
  for (const [i, part] of parts.entries()) {
    if (i === 0 && /^\d+$/.test(part)) continue;
    const [, when, hours] = /^([a-z,]+)?\s*(\d+-\d+)?\s*=\s*\d+$/i.exec(part) ?? [];
    if (!when && !hours) return spares(`"${part}" is not a rule`);
    const day = when?.toLowerCase().split(',').find((d) => !['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].includes(d));
    if (day !== undefined) return spares(`"${day}" is not a day: use mon, tue, wed, thu, fri, sat, sun`);
    const [from, to] = (hours ?? '0-24').split('-').map(Number);
    if (to > 24 || from >= to) return spares(`the hours ${hours} are none`);
  }
  if (body.zone && !/^UTC$/.test(body.zone) && !Intl.supportedValuesOf('timeZone').includes(body.zone)) return [`scaling: "${body.zone}" is not an IANA time zone, such as Europe/Berlin`, 'see GET /api/scaling/status for the names and how values are written'];
  return undefined;
}

/** Settings as the event of their change names them: in the room's own names, the table of spares taken apart. */
function told(body, now) {
  const { max_machines: machines, max_day_micro_eur: day, cooldown_seconds: cooldown, zone, spares, ...rest } = body;
  const rules = now.spares.split(';').map((p) => /^\s*([a-z,]+)?\s*(?:(\d+)-(\d+))?\s*=\s*(\d+)\s*$/i.exec(p)).filter(Boolean).map(([, days, from = 0, to = 24, n]) => ({ days: days?.toLowerCase().split(',') ?? null, from: Number(from), to: Number(to), machines: Number(n) }));
  return {
    ...rest, ...(machines === undefined ? {} : { max_cloud_nodes: machines }), ...(day === undefined ? {} : { max_micro_euros_per_day: day }), ...(cooldown === undefined ? {} : { cooldown: `${cooldown}s` }),
    ...(spares === undefined && zone === undefined ? {} : { spares: { zone: now.zone, base: Number(/^\s*(\d+)\s*(;|$)/.exec(now.spares)?.[1] ?? 0), rules, memory_bytes: 4 * gib } }),
  };
}

export class Fleet {
  constructor(world, scene) {
    Object.assign(this, { world, scene, machines: [], history: [], drains: new Map(), n: 0 });
    this.enabled = true;
    this.available = !['empty', 'cloudless'].includes(scene);
    this.settings = { max_machines: scene === 'sixty' ? 80 : 10, max_day_micro_eur: scene === 'sixty' ? 20_000_000 : 5_000_000, up: 0.85, down: 0.3, cooldown_seconds: 300, release_minute: 55, types: ['cx33', 'cx43'], locations: ['fsn1', 'nbg1'], zone: 'Europe/Berlin', spares: '1; fri,sat 17-24 = 3' };
    if (!this.available || scene === 'recovery') return;
    if (scene === 'one') world.nodes = [world.node('w-fsn1-1', 'ready')];
    if (scene === 'one') this.rent('w-fsn1-1', 'cx33', 'serving', 38, { node: 'w-fsn1-1' });
    else if (scene === 'sixty') this.sixty();
    else {
      this.rent('fsn1-cx33-a', 'cx33', 'serving', 102, { node: 'fsn1-cx33-a' });
      this.rent('w-fsn1-7k2m', 'cx43', 'booting', 1, { for: 'modded-friends-weekend-one waits for 12 GiB and no node has room', explain: 'the cloud has started it; its agent has not joined yet' });
      this.rent('w-nbg1-q4xd', 'cx33', 'proving', 3, { spare: true, for: 'the table of spares asks for one at this hour', explain: 'its agent has joined; a probe checks that containers cannot reach the metadata address' });
      this.rent('w-hel1-9pz3', 'cx43', 'ordering', 0.4, { created_at: undefined, paid_until: undefined, today_micro_eur: 0, location: 'hel1', explain: 'the order is written down; the cloud has not confirmed it',
        problem: { type: 'about:blank', title: '', status: 503, code: 'unavailable', detail: 'the cloud has no cx43 in hel1 just now', next: 'it is tried in nbg1 in 20 s; nothing is paid for until it exists' } });
      this.rent('w-fsn1-old1', 'cx33', 'gone', 600, { deleted_at: iso(Date.now() - 190 * minute), paid_until: undefined, explain: 'deleted; it was empty for 54 min', today_micro_eur: 35_600 });
    }
    this.past();
  }

  sixty() {
    const { world } = this;
    world.nodes = [];
    for (let i = 1; i <= 60; i++) {
      const type = ['cx23', 'cx33', 'cx43', 'ccx33'][i % 4];
      const [name, phase] = [`w-${['fsn1', 'nbg1', 'hel1'][i % 3]}-${String(i).padStart(2, '0')}`, i % 13 === 0 ? 'draining' : i % 17 === 0 ? 'booting' : 'serving'];
      if (phase !== 'booting') world.nodes.push(Object.assign(world.node(name, i === 31 ? 'unreachable' : 'ready'), { memory_total_bytes: memory[type] * gib, memory_schedulable_bytes: (memory[type] - 1) * gib, memory_booked_bytes: Math.round((memory[type] - 1) * gib * ((i * 37) % 100) / 100), class: 'cloud', cordoned: phase === 'draining' }));
      this.rent(name, type, phase, phase === 'booting' ? 1 : 7 * i, { ...(phase === 'booting' ? { explain: 'the cloud has started it; its agent has not joined yet' } : { node: name }), servers: i % 6, spare: i % 11 === 0 });
    }
  }

  rent(name, type, phase, minutes, rest = {}) {
    const created = Date.now() - minutes * minute;
    const hours = Math.floor(minutes / 60) + 1;
    const [hourly, monthly] = prices[type];
    const m = {
      id: `mach_${++this.n}`, name, role: 'worker', type, location: name.split('-')[1]?.match(/^(fsn1|nbg1|hel1)$/)?.[0] ?? 'fsn1', arch: 'amd64', phase, spare: false, ipv4: `203.0.113.${(this.n % 250) + 1}`,
      memory_bytes: memory[type] * gib, cpu_millis: memory[type] * 500, disk_bytes: memory[type] * 10 * gib, hourly_micro_eur: hourly, monthly_micro_eur: monthly, today_micro_eur: hours * hourly, paid_until: iso(created + hours * 60 * minute),
      servers: 4, for: 'the fleet was 87 % full and grows from 85 % on', by: 'scaling', explain: phase === 'draining' ? 'it takes no new servers and is deleted when the last has left' : 'servers run on it', ordered_at: iso(created - 20_000), created_at: iso(created), join_by: iso(created + 5 * minute),
      ...(['serving', 'draining', 'gone', 'proving'].includes(phase) ? { joined_at: iso(created + 31_000) } : {}), ...(['serving', 'draining', 'gone'].includes(phase) ? { serving_at: iso(created + 36_000) } : {}), ...rest,
    };
    if (phase === 'booting' || phase === 'ordering' || phase === 'proving') m.servers = 0;
    this.machines.push(m);
    return m;
  }

  status() {
    const costing = this.machines.filter((m) => m.phase !== 'gone');
    const sum = (list, field) => list.reduce((all, m) => all + m[field], 0);
    const today = sum(this.machines, 'today_micro_eur');
    const hourly = sum(costing.filter((m) => m.phase !== 'ordering'), 'hourly_micro_eur');
    const [booked, room] = [this.world.nodes.reduce((a, n) => a + n.memory_booked_bytes, 0), this.world.nodes.reduce((a, n) => a + n.memory_schedulable_bytes, 0)];
    return {
      available: this.available, enabled: this.available && this.enabled, settings: this.settings,
      explain: !this.available ? 'no cloud is configured, so nothing is rented and nothing is released' : this.enabled ? `it rents up to ${this.settings.max_machines} machines and watches fill and queue` : 'scaling is off: nothing is ordered and nothing is released',
      next: !this.available ? 'to let it rent machines, start the controller with HETZNER_CLOUD_TOKEN, or try it without an account: controller cloud fake' : this.enabled ? '' : 'turn it on, or add and remove nodes yourself',
      machines: costing.length, spares: costing.filter((m) => m.spare && m.phase === 'serving').length, spares_wanted: this.available ? 1 : 0, fill: room > 0 ? booked / room : 0, hourly_micro_eur: hourly, today_micro_eur: today,
      today_most_micro_eur: today + hourly * (23 - new Date().getUTCHours()), month_most_micro_eur: sum(costing, 'monthly_micro_eur'), waiting: this.waiting(), last: this.history[0], ...(this.available ? { catalogue_at: iso(Date.now() - 11 * minute) } : {}),
    };
  }

  waiting() {
    return this.world.servers.filter((s) => s.state === 'waiting').map((s) => ({ server: s.name, memory_bytes: s.memory_bytes, cpu_millis: s.cpu_millis, since: s.waiting?.since ?? s.updated_at, why: 'no node has 12 GiB free; the most is 5.2 GiB on node-1' }));
  }

  decide(ago, actions, rest = {}) {
    this.history.unshift({ id: `dec_${this.history.length + 1}`, at: iso(Date.now() - ago * minute), actions, considered: [], reasons: [], inputs: { fill: 0.71, machines: 4, waiting: 0, today_micro_eur: 410_000 }, ...rest });
  }

  past() {
    const keep = (why) => [{ do: 'keep', why }];
    this.decide(1_500, [{ do: 'order', machine: 'w-fsn1-old1', type: 'cx33', location: 'fsn1', why: 'the fleet was 87 % full and grows from 85 % on', hourly_micro_eur: 8_900, result: 'done: it served after 36 s' }], { inputs: { fill: 0.872, machines: 1, waiting: 0 } });
    for (let i = 0; i < 20; i++) this.decide(1_440 - i * 30, keep(`${60 + i} % full: between 30 % and 85 %`));
    this.decide(190, [{ do: 'release', machine: 'w-fsn1-old1', type: 'cx33', location: 'fsn1', why: 'empty for 54 min, and its paid hour ends in 5 min', hourly_micro_eur: 8_900, result: 'done' }], { considered: [{ what: 'keep it as a spare', why: 'one spare is wanted and one is ready' }] });
    for (let i = 0; i < 4; i++) this.decide(9 - i * 2, [{ do: 'order', type: 'cx43', location: 'hel1', why: 'modded-friends-weekend-one waits for 12 GiB', hourly_micro_eur: 15_200, result: 'no cx43 in hel1 just now' }]);
    this.decide(1.2, [
      { do: 'order', machine: 'w-fsn1-7k2m', type: 'cx43', location: 'fsn1', why: 'modded-friends-weekend-one waits for 12 GiB and no node has room', hourly_micro_eur: 15_200, result: 'ordered' },
      { do: 'keep', machine: 'fsn1-cx33-a', why: 'four servers have their files on it' },
    ], { inputs: { fill: 0.64, machines: 3, waiting: 1, waiting_bytes: 12 * gib, today_micro_eur: 410_000, cap_micro_eur: 5_000_000 },
      considered: [{ what: 'cx33 in fsn1', why: 'too small: 8 GiB, and the server wants 12 GiB', hourly_micro_eur: 8_900 }, { what: 'ccx33 in fsn1', why: 'dearer than cx43, and nothing else waits', hourly_micro_eur: 69_900 }, { what: '<b>cx43</b> in hel1', why: 'no stock' }] });
    this.happened();
    this.decide(0.5, keep('one machine is on its way; the pause after an order ends in 4 min'));
  }

  /** One event of each kind, with the data that the controller gives. */
  happened() {
    let ago = 30;
    const say = (type, data, node) => this.world.emit(type, { actor: 'controller', ...(node ? { node } : {}) }, data, Date.now() - --ago * minute);
    const of = (name, type, location, rest) => ({ machine: `mach_${name}`, name, type, location, hourly: prices[type][0], ...rest });
    const old = (rest) => of('w-fsn1-old1', 'cx33', 'fsn1', rest);
    const problem = { code: 'exhausted', message: 'the cloud has no cx43 in hel1 just now', next: 'it is tried in nbg1 in 20 s; nothing is paid for until it exists' };
    say('scaling.machine_ordered', old({ for: 'the fleet was 87 % full and grows from 85 % on', spare: false, retry: '' }));
    say('scaling.machine_created', old({ cloud_id: '48100', address: '203.0.113.9', seconds: 2.4 }));
    say('scaling.machine_joined', old({ seconds: 31.2 }), 'w-fsn1-old1');
    say('scaling.machine_serving', old({ seconds: 36.8 }), 'w-fsn1-old1');
    say('scaling.machine_released', old({ why: 'empty for 54 min, and its paid hour ends in 5 min' }), 'w-fsn1-old1');
    say('scaling.machine_kept', old({ why: 'a server was placed on it before it was deleted' }), 'w-fsn1-old1');
    say('scaling.machine_gone', old({ why: 'it was empty' }), 'w-fsn1-old1');
    say('scaling.machine_lost', of('w-nbg1-lost', 'cx33', 'nbg1', { problem: { code: 'not_found', message: 'the cloud does not know it any more', next: 'its servers are started elsewhere from their last snapshot' }, had_servers: true }), 'w-nbg1-lost');
    say('scaling.machine_never_joined', of('w-hel1-mute', 'cx33', 'hel1', { problem: { code: 'timeout', message: 'its agent did not join by 10:12:00 UTC: nothing reached the controller', next: 'see that agents reach the controller at the address it advertises (--advertise), and the image’s cloud-init' }, retry: '', no_retry: 'it was the second attempt' }));
    say('scaling.order_refused', of('w-hel1-9pz3', 'cx43', 'nbg1', { refused_type: 'cx43', refused_location: 'hel1', problem }));
    say('scaling.order_failed', of('w-hel1-x0x0', 'cx43', 'hel1', { problem, refused: [{ type: 'cx43', location: 'hel1', kind: 'no_stock', message: problem.message, at: iso() }] }));
    say('scaling.machine_problem', of('w-hel1-9pz3', 'cx43', 'hel1', { problem }));
    say('scaling.decided', { decision: 'dec_9', did: ['order w-fsn1-7k2m: modded-friends-weekend-one waits for 12 GiB and no node has room (ordered)'], waiting: 1 });
    if (this.world.nodes.length > 1) say('node.drain_overdue', { name: 'node-1', left: ['survival', 'lobby'], more: 0, by: iso(Date.now() - 20 * minute), next: 'move or stop them, or take the drain back: `controller node uncordon node-1`' }, 'node-1');
    if (this.world.nodes.length > 1) say('node.drained', { name: 'node-1' }, 'node-1');
  }

  plan() {
    const w = this.waiting()[0];
    const considered = [{ what: 'release fsn1-cx33-a', why: 'four servers have their files on it', hourly_micro_eur: 8_900 }, { what: 'order one more cx43', why: 'w-fsn1-7k2m is booting and has room for what waits; the pause after an order ends in 4 min', hourly_micro_eur: 15_200 }];
    return { at: iso(), actions: [{ do: 'keep', why: w ? `${w.server} will fit on w-fsn1-7k2m, which boots` : '71 % full: between 30 % and 85 %' }], considered, reasons: [], inputs: { fill: 0.64, machines: this.machines.length, waiting: this.waiting().length, hourly_micro_eur: 48_200, today_micro_eur: 410_000 } };
  }

  why(s) {
    const fits = (n) => n.state === 'ready' && s.memory_bytes < 5.2 * gib;
    const waits = s.state === 'waiting';
    return {
      server: s.name, state: s.state, ...(waits ? {} : { node: s.node, placed_at: s.created_at, reason: 'most room free of the two nodes that fit' }), explain: waits ? s.explain : `its files are on node ${s.node}, so it runs there`, ...(waits ? { next: 'it starts by itself when there is room: stop another server, add a node, or make this one smaller' } : {}),
      nodes: this.world.nodes.filter((n) => n.state !== 'revoked').map((n) => ({ node: n.name, fits: fits(n), why: fits(n) ? '5.2 GiB free' : n.state === 'unreachable' ? 'not heard for 4 min' : '5.2 GiB free of the 12 GiB that it wants' })), ...(waits && this.available ? { scaling: this.plan() } : {}),
    };
  }

  drain(name, body) {
    const n = this.world.nodes.find((x) => x.name === name);
    const left = this.world.servers.filter((s) => s.node === name && ['running', 'starting', 'stopping'].includes(s.state)).map((s) => s.name);
    const { deadline_seconds: within } = body;
    if (!n.cordoned) this.world.emit('node.draining', { node: name }, { name, ...(within ? { by: iso(Date.now() + within * 1000) } : {}) });
    Object.assign(n, { cordoned: true, state: n.state === 'ready' ? 'cordoned' : n.state });
    const m = this.machines.find((x) => x.node === name && x.phase === 'serving');
    if (m) Object.assign(m, { phase: 'draining', explain: 'it takes no new servers and is deleted when the last has left' });
    if (within && !this.drains.has(name)) this.drains.set(name, iso(Date.now() + within * 1000));
    const by = this.drains.get(name);
    return { node: name, done: left.length === 0, left: left.slice(0, 50), ...(left.length > 50 ? { more: left.length - 50 } : {}), ...(by ? { by } : {}), explain: left.length === 0 ? `node ${name} is empty` : `node ${name} takes no new servers; it is empty when these have stopped` };
  }

  undrain(name) {
    const m = this.machines.find((x) => x.node === name && x.phase === 'draining');
    if (m) Object.assign(m, { phase: 'serving', explain: 'servers run on it' });
    if (this.drains.delete(name) || m) this.world.emit('node.undrained', { node: name }, { name });
  }

  garbage(dry) {
    const result = dry ? undefined : 'done';
    const things = this.cleaned ? [] : [
      { kind: 'machine', id: '48211', name: 'w-fsn1-lost', do: 'delete', why: 'it carries our label, no row knows it, and it is older than 10 min', since: iso(Date.now() - 95 * minute), result },
      { kind: 'snapshot', id: '9911', name: 'spare-amd64-0.2', do: 'leave', why: 'a machine was ordered from it 4 min ago', since: iso(Date.now() - 9e7) },
      { kind: 'volume', id: 'vol-skyblock-old', name: 'box-cellar/skyblock-old', do: 'adopt', why: 'a server row is there, its place was not noted', result },
    ];
    if (things.length > 0) this.world.emit(dry ? 'scaling.garbage_found' : 'scaling.garbage_collected', {}, { dry_run: dry, things, count: things.length });
    if (!dry) this.cleaned = true;
    return { at: iso(), dry_run: dry, things };
  }

  /** Answers a call, or undefined when it is none of these. refuse makes the error to throw. */
  route(method, [, area, name, verb], q, body, refuse) {
    const trouble = () => refuse(502, 'unavailable', 'The cloud did not answer within 10 s (cloud.example: connection refused).', 'Machines that run are not touched. Check https://status.hetzner.com and this controller’s network.');
    if (area === 'machines') {
      if (this.scene === 'trouble') throw trouble();
      if (name) return this.machines.find((m) => m.name === name || m.id === name);
      return { items: this.machines.filter((m) => m.phase !== 'gone' || q.get('gone') === 'true') };
    }
    if (area === 'nodes' && verb === 'drain') {
      if (name === 'box-cellar') throw refuse(409, 'conflict', 'box-cellar is the only edge: players could not join any server without it.', 'Add another edge first.');
      if (!this.world.nodes.some((n) => n.name === name)) throw refuse(404, 'not_found', `There is no node ${name}.`, 'See the list of nodes.');
      return this.drain(name, body);
    }
    if (area === 'nodes' && (verb === 'uncordon' || verb === 'revoke')) this.undrain(name); // the world does the rest
    if (area === 'servers' && verb === 'why' && this.world.find(name)) return this.why(this.world.find(name));
    if (area === 'cloud' && name === 'garbage') return this.garbage(q.get('dry_run') === 'true');
    if (area !== 'scaling') return undefined;
    if (this.scene === 'trouble' && name !== 'history') throw trouble();
    if (name === 'history') return { items: this.history.slice(0, Number(q.get('limit') ?? 100)) };
    if (name === 'plan') return this.plan();
    if (name === 'settings') {
      if (body.max_machines > 100) throw refuse(400, 'invalid', `scaling: max_cloud_nodes is ${body.max_machines}`, 'Choose at most 100, or have the limit raised in the cloud’s console.');
      const wrong = refusedSetting(body);
      if (wrong) throw refuse(400, 'invalid', ...wrong);
      Object.assign(this.settings, body, body.zone === '' ? { zone: 'UTC' } : {});
      this.world.emit('scaling.settings_changed', {}, told(body, this.settings));
    } else if (name === 'enable' || name === 'disable') {
      this.enabled = name === 'enable';
      this.world.emit(`scaling.${name}d`, {}, { enabled: this.enabled });
    }
    return this.status();
  }
}
