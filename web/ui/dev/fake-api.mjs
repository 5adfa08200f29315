// A controller to look at: serves web/dist under the real policy and plays the HTTP API in memory.
//   node dev/fake-api.mjs [--port 18080] [--scene normal|empty|many|recovery|one|sixty|cloudless|trouble]     log in with: dev-token
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { Fleet } from './fake-fleet.mjs';
import { World } from './fake-world.mjs';

const args = Object.fromEntries(process.argv.slice(2).map((a, i, all) => (a.startsWith('--') ? [a.slice(2), all[i + 1] ?? 'yes'] : [])).filter((p) => p.length));
const port = Number(args.port ?? 18080);
const world = new World(args.scene ?? 'normal');
const fleet = new Fleet(world, args.scene ?? 'normal');
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const csp = readFileSync(new URL('../../csp.txt', import.meta.url), 'utf8').trim();
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.json': 'application/json' };
const csrf = 'fake-csrf';
const keys = new Map();

// The real document when it was made (make web leaves it in build/), so that the docs page has something to show.
function document() {
  const made = new URL('../../../build/openapi.json', import.meta.url);
  if (existsSync(made)) return readFileSync(made, 'utf8');
  return JSON.stringify({ openapi: '3.0.3', info: { title: 'PayPerPlay', version: 'fake' }, paths: { '/api/servers': { get: { summary: 'List servers', tags: ['servers'], responses: { 200: { description: 'ok' } } } } } });
}

class Refused extends Error {
  constructor(status, code, detail, next) {
    super(detail);
    Object.assign(this, { status, code, next });
  }
}

function send(res, status, body, headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body, (k, v) => (k === 'log' ? undefined : v));
  res.writeHead(status, { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff', ...headers });
  res.end(status === 204 ? undefined : text);
}

function page(res, path) {
  const file = join(dist, normalize(path));
  const found = file.startsWith(dist) && extname(file) && existsSync(file) ? file : join(dist, path === '/api/docs' ? 'docs.html' : 'index.html');
  res.writeHead(200, { 'Content-Type': types[extname(found)] ?? 'application/octet-stream', 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
  res.end(readFileSync(found));
}

const loggedIn = (req) => /(?:^|;\s*)session=ok(?:;|$)/.test(req.headers.cookie ?? '');

async function read(req) {
  let text = '';
  for await (const piece of req) text += piece;
  return text ? JSON.parse(text) : {};
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x');
  const q = url.searchParams;
  const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  try {
    if (parts[0] !== 'api' || url.pathname === '/api/docs') return page(res, url.pathname);
    if (url.pathname === '/api/openapi.json') return send(res, 200, document());
    const session = { actor: 'operator', csrf, version: 'dev', cluster: 'fake' };
    if (url.pathname === '/api/session') {
      if (req.method === 'POST') {
        const { token } = await read(req);
        if (token !== 'dev-token') throw new Refused(401, 'unauthenticated', 'This token is not the operator’s token of this controller.', 'Read it again from DATA/operator.token; it is one line.');
        return send(res, 200, session, { 'Set-Cookie': 'session=ok; HttpOnly; SameSite=Lax; Path=/' });
      }
      if (!loggedIn(req)) throw new Refused(401, 'unauthenticated', 'Nobody is logged in.', 'Log in.');
      if (req.method === 'DELETE') return send(res, 204, '', { 'Set-Cookie': 'session=; Max-Age=0; Path=/' });
      return send(res, 200, session);
    }
    if (!loggedIn(req)) throw new Refused(401, 'unauthenticated', 'Nobody is logged in.', 'Log in.');
    if (req.method !== 'GET' && req.headers['x-csrf-token'] !== csrf) throw new Refused(403, 'forbidden', 'The CSRF token is missing.', 'Reload the page.');
    const body = req.method === 'GET' || req.method === 'DELETE' ? {} : await read(req);
    const [, area, name, verb, more] = parts;
    const answer = fleet.route(req.method, parts, q, body, (...why) => new Refused(...why));
    if (answer) return send(res, 200, answer);
    if (area === 'servers' && !name && req.method === 'GET') {
      const limit = Number(q.get('limit') ?? 100);
      const from = Number(q.get('cursor') ?? 0);
      return send(res, 200, { items: world.servers.slice(from, from + limit), ...(from + limit < world.servers.length ? { next: String(from + limit) } : {}) });
    }
    if (area === 'servers' && !name) {
      const key = req.headers['idempotency-key'];
      if (!keys.has(key)) {
        if (world.find(body.name)) throw new Refused(409, 'conflict', `There is already a server ${body.name}.`, 'Choose another name.');
        keys.set(key, world.create(body));
      }
      return send(res, 201, keys.get(key));
    }
    if (area === 'servers') {
      const s = world.find(name);
      if (!s) throw new Refused(404, 'not_found', `There is no server ${name}.`, 'See the list of servers.');
      if (!verb && req.method === 'GET') return send(res, 200, s, { ETag: `"${s.revision}"` });
      if (!verb && req.method === 'PATCH') {
        if (req.headers['if-match'] !== `"${s.revision}"`) throw new Refused(412, 'conflict', 'Someone else changed this server meanwhile.', 'Take the newest settings and change them again.');
        return send(res, 200, world.patch(s, body));
      }
      if (!verb) return send(res, 202, world.remove(s));
      if (verb === 'logs' && more === 'download') return send(res, 200, s.log.map((l) => `${l.time} ${l.text}`).join('\n'), { 'Content-Type': 'text/plain; charset=utf-8' });
      if (verb === 'logs') return send(res, 200, world.lines(s, q));
      if (verb === 'samples') return send(res, 200, world.samples(s, Date.parse(q.get('since'))));
      if (verb === 'command') return send(res, 200, world.command(s, body.command));
      if (s.name === 'broken' && verb === 'start') throw new Refused(409, 'conflict', 'The image itzg/minecraft-server:java21 is not on node-1 and no registry answers.', 'Load it there: docker load -i minecraft-server.tar');
      return send(res, 202, world.act(s, verb));
    }
    if (area === 'nodes' && name === 'tokens') {
      const token = `ppj_${'x7Kq2mVbT9'.repeat(4)}`;
      return send(res, 201, { token, name: body.name, expires: new Date(Date.now() + 900_000).toISOString(), ca_pin: 'sha256:aa', command: `agent run --data /var/lib/payperplay --controller 203.0.113.7:8443 --ca-pin sha256:4b1f6c0d9e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c --token ${token} --name ${body.name}` });
    }
    if (area === 'nodes' && !name) return send(res, 200, { items: world.nodeList() });
    if (area === 'nodes' && !world.nodes.some((n) => n.name === name)) throw new Refused(404, 'not_found', `There is no node ${name}.`, 'See the list of nodes.');
    if (area === 'nodes') return send(res, 200, world.nodeAct(name, verb));
    if (area === 'recovery') {
      const r = world.recovery;
      if (req.method === 'GET') return send(res, 200, r);
      if (name === 'end') {
        if (r.undecided > 0 && !body.leave) throw new Refused(409, 'conflict', `${r.undecided} contradictions are undecided.`, 'Decide them first.');
        return send(res, 200, world.endRecovery());
      }
      if (name === 'adopt') return send(res, 200, { servers: r.findings.filter((f) => world.decide(f, 'adopt')).map((f) => f.server), problems: [], recovery: r });
      if (name === 'lead') return send(res, 200, r);
      const f = r.findings.find((x) => (name === 'nodes' ? x.node_id : x.server_id) === verb);
      if (!f || !world.decide(f, more)) throw new Refused(404, 'not_found', 'Nothing about it waits for a decision.', 'See the list.');
      return send(res, 200, r);
    }
    if (area === 'templates') return send(res, 200, { items: world.templates });
    if (area === 'events') {
      const to = Number(q.get('cursor') ?? Infinity); // newest first, as the UI asks
      const since = Date.parse(q.get('since') ?? 0) || 0;
      const items = world.events.filter((e) => e.seq < to && Date.parse(e.at) >= since && (!q.get('server') || e.server === q.get('server')));
      return send(res, 200, { items: items.slice(-500).reverse(), ...(items.length > 500 ? { next: String(items.at(-500).seq) } : {}) });
    }
    throw new Refused(404, 'not_found', 'There is no such path.', 'See /api/docs.');
  } catch (error) {
    if (!(error instanceof Refused)) console.error(error);
    send(res, error.status ?? 500, { type: 'about:blank', title: '', status: error.status ?? 500, detail: error.message, code: error.code ?? 'internal', next: error.next ?? '' }, { 'Content-Type': 'application/problem+json' });
  }
});

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (req, socket, head) => {
  if (!loggedIn(req) || new URL(req.headers.origin ?? 'http://none').host !== req.headers.host) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  sockets.handleUpgrade(req, socket, head, (ws) => {
    const url = new URL(req.url, 'http://x');
    const parts = url.pathname.split('/').filter(Boolean);
    const put = (m) => ws.send(JSON.stringify(m));
    let stop = () => {};
    if (parts[1] === 'events') {
      const after = Number(url.searchParams.get('after') ?? -1);
      if (after >= 0) world.events.filter((e) => e.seq > after).forEach(put);
      stop = world.watch(put);
      const beat = setInterval(() => put({ type: 'ping' }), 5000);
      ws.on('close', () => clearInterval(beat));
    } else {
      const s = world.find(decodeURIComponent(parts[2]));
      if (!s) return ws.close(1008);
      const after = Number(url.searchParams.get('after') ?? -200);
      const lines = after < 0 ? s.log.slice(after) : s.log.filter((l) => l.seq > after);
      for (let i = 0; i < Math.max(1, lines.length); i += 100) put({ type: 'lines', lines: lines.slice(i, i + 100), head: s.head });
      stop = world.tail(s, (line) => put({ type: 'lines', lines: [line], head: line.seq }));
      ws.on('message', (data) => {
        const m = JSON.parse(data);
        if (m.type === 'command') put({ type: 'reply', id: m.id, ...world.command(s, m.command) });
      });
    }
    ws.on('close', () => stop());
    world.cut.add(ws);
    ws.on('close', () => world.cut.delete(ws));
  });
});

// POST /fake/… is not needed: SIGUSR2 cuts every websocket, for trying the reconnection.
process.on('SIGUSR2', () => world.cut.forEach((ws) => ws.terminate()));
server.listen(port, '127.0.0.1', () => console.log(`fake controller on http://127.0.0.1:${port} (token dev-token)`));
