'use strict'
// A Source RCON server, as vanilla's: one password, one command per packet, closed at the client's end.

const crypto = require('crypto')
const net = require('net')

const REPLY = 0
const COMMAND = 2
const LOGIN = 3
const MAX_BODY = 4096
const MAX_CONNECTIONS = 16
const IDLE_MS = 10 * 60 * 1000

function listen ({ port, password, run, log }) {
  const server = net.createServer(socket => serve(socket, { password, run, log }))
  server.maxConnections = MAX_CONNECTIONS
  server.on('error', err => log.warn('Unable to initialise RCON: ' + err.message))
  server.listen(port, () => log.info('RCON running on 0.0.0.0:' + port))
  return server
}

function serve (socket, { password, run, log }) {
  let pending = Buffer.alloc(0)
  let allowed = false
  let work = Promise.resolve()
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', data => {
    pending = Buffer.concat([pending, data])
    while (pending.length >= 4) {
      const size = pending.readInt32LE(0)
      if (size < 10 || size > MAX_BODY + 10) return socket.destroy()
      if (pending.length < 4 + size) return
      const packet = pending.subarray(4, 4 + size)
      pending = pending.subarray(4 + size)
      work = work.then(() => answer(packet)).catch(() => socket.destroy())
    }
  })

  async function answer (packet) {
    const id = packet.readInt32LE(0)
    const type = packet.readInt32LE(4)
    const body = packet.subarray(8, packet.length - 2).toString('utf8')
    if (type === LOGIN) {
      allowed = same(body, password)
      if (!allowed) log.warn('RCON: wrong password from ' + socket.remoteAddress)
      send(allowed ? id : -1, COMMAND, Buffer.alloc(0))
    } else if (!allowed) {
      send(-1, COMMAND, Buffer.alloc(0))
    } else if (type === COMMAND) {
      const text = Buffer.from((await run(body)).join('\n'), 'utf8')
      let at = 0
      do {
        send(id, REPLY, text.subarray(at, at + MAX_BODY))
        at += MAX_BODY
      } while (at < text.length)
    } else {
      send(id, REPLY, Buffer.from('Unknown request ' + type.toString(16)))
    }
  }

  function send (id, type, body) {
    if (socket.destroyed) return
    const out = Buffer.alloc(14 + body.length)
    out.writeInt32LE(10 + body.length, 0)
    out.writeInt32LE(id, 4)
    out.writeInt32LE(type, 8)
    body.copy(out, 12)
    socket.write(out)
  }
}

function same (a, b) {
  const hash = text => crypto.createHash('sha256').update(text).digest()
  return crypto.timingSafeEqual(hash(a), hash(b))
}

module.exports = { listen }
