'use strict'
// Runs flying-squid as a well-behaved server process: settings from the environment, vanilla's console lines, commands on
// stdin and RCON, the world saved before it ends. State lives in the working directory, /data.

const began = process.hrtime.bigint()
const fs = require('fs')
const v8 = require('v8')
const log = require('./log')
const { read, heap } = require('./config')

const maxLine = 16 * 1024

const bound = heap(process.env.MEMORY)
if (bound) v8.setFlagsFromString('--max-old-space-size=' + bound)

// The library draws a prompt on stdout and ends the process by its own signal hook, before the world is saved. Both are
// kept away: it gets a silent readline, and hooks that are not ours are taken off again.
const ours = new Set()
process.on('newListener', (event, listener) => {
  if (['SIGTERM', 'SIGINT', 'exit'].includes(event) && !ours.has(listener)) setImmediate(() => process.removeListener(event, listener))
})
const readline = require('readline')
readline.createInterface = () => ({ setPrompt () {}, prompt () {}, on () {} })
readline.cursorTo = () => {}

let stop = code => process.exit(code)
const onSignal = () => stop(0)
ours.add(onSignal)
process.on('SIGTERM', onSignal)
process.on('SIGINT', onSignal)
process.stdout.on('error', () => {}) // the reader went away; the game goes on

const squid = require('flying-squid')
const { level } = require('prismarine-provider-anvil')
const { Storage } = require('./storage')
const { Commands } = require('./commands')
const rcon = require('./rcon')

main().catch(err => {
  log.stack('Failed to start the minecraft server', err)
  process.exit(1)
})

async function main () {
  let config
  try {
    config = read(process.env, squid.testedVersions)
  } catch (err) {
    log.error(err.message)
    process.exit(2)
  }
  if (!config.eula) {
    log.warn('You need to agree to the EULA in order to run the server. Go to eula.txt for more info.')
    process.exit(1)
  }
  log.info(`Starting minecraft server version ${config.version}`)
  await checkWorld(config)

  const serv = squid.createMCServer(settings(config))
  speak(serv)
  await ready(serv)
  const storage = new Storage(serv)
  stop = shutdown(serv, storage)
  const commands = new Commands({ serv, config, storage, stop })
  hear(serv, commands)
  serv.on('newPlayer', player => welcome(player, storage))
  process.on('uncaughtException', err => log.stack('Encountered an unexpected exception', err))
  process.on('unhandledRejection', err => log.stack('Encountered an unexpected exception', err))
  readCommands(text => commands.run(text).then(lines => lines.forEach(log.info)))
  if (config.rcon) rcon.listen({ port: config.rconPort, password: config.rconPassword, run: text => overRCON(commands, text), log })
  log.info(`Done (${(Number(process.hrtime.bigint() - began) / 1e9).toFixed(3)}s)! For help, type "help"`)
}

function settings (config) {
  return {
    port: config.port,
    motd: config.motd,
    version: config.version,
    'max-players': config.maxPlayers,
    'online-mode': config.onlineMode,
    'view-distance': config.viewDistance,
    gameMode: config.gameMode,
    difficulty: config.difficulty,
    worldFolder: 'world',
    generation: config.flat
      ? { name: 'superflat', options: { seed: config.seed, version: config.version } }
      : { name: 'diamond_square', options: { worldHeight: 80, seed: config.seed } },
    kickTimeout: 10000,
    plugins: {},
    modpe: false,
    'player-list-text': { header: { text: '' }, footer: { text: '' } },
    'everybody-op': config.everybodyOp,
    'max-entities': 100,
    logging: false,
    noConsoleOutput: true,
    hideErrors: true,
    debug: () => {} // set, so that the library leaves uncaught errors to us
  }
}

// checkWorld refuses a world of another version: flying-squid cannot convert it and would write a mixture.
async function checkWorld ({ version }) {
  if (!fs.existsSync('world/level.dat')) return
  const made = (await level.readLevel('world/level.dat')).Version?.Name
  if (made && made !== version) {
    log.error(`The world was made by ${made} and cannot be converted to ${version}; set VERSION=${made} or move the folder world away`)
    process.exit(1)
  }
}

async function ready (serv) {
  const errors = new Promise((resolve, reject) => serv.on('error', err => { if (!serv.isReady) reject(err) }))
  process.once('unhandledRejection', () => {}) // the library gives itself 5 s, which a busy machine does not keep
  const listening = new Promise(resolve => serv._server.on('listening', resolve))
  const plugins = new Promise(resolve => serv.on('pluginsReady', resolve))
  await Promise.race([Promise.all([listening, plugins]), errors])
  serv.isReady = true
}

// speak turns the library's lines into ours. Those about players are written where the facts are, in welcome.
function speak (serv) {
  serv.log = () => {}
  serv.info = text => log.info(text)
  serv.warn = text => log.warn(text)
  serv.err = text => log.error(text)
  for (const name of Object.keys(serv.color)) serv.color[name] = '' // newer clients would show the codes as text
}

function hear (serv, commands) {
  const noise = [/ \(.*\) connected$/, /^Position written/, / disconnected$/, /^\[CHAT\]: /, /^Server listening/, /^World seed/]
  serv.info = text => {
    const clean = log.clean(text)
    const chat = clean.startsWith('<')
    if (!chat && noise.some(n => n.test(clean))) return
    if (commands.heard && !chat) commands.heard.push(clean)
    else log.info(clean)
  }
  serv.err = text => {
    if (/^Client /.test(text)) log.warn(text.split('\n')[0])
    else log.error(text)
  }
}

function welcome (player, storage) {
  let why = 'Disconnected'
  let here = false
  const kick = player.kick
  player.kick = reason => {
    why = reason || 'Kicked by an operator'
    kick(why)
  }
  storage.guard(player)
  player.on('connected', () => {
    here = true
    const { x, y, z } = player.position
    const from = `${player._client.socket?.remoteAddress?.replace('::ffff:', '')}:${player._client.socket?.remotePort}`
    log.info(`UUID of player ${player.username} is ${player.uuid}`)
    log.info(`${player.username}[/${from}] logged in with entity id ${player.id} at (${x.toFixed(1)}, ${y.toFixed(1)}, ${z.toFixed(1)})`)
    log.info(`${player.username} joined the game`)
  })
  player.on('disconnected', () => {
    if (!here) return
    log.info(`${player.username} lost connection: ${why}`)
    log.info(`${player.username} left the game`)
  })
}

// overRCON also prints what all players see, as vanilla does, and nothing else: list and tps are asked every few seconds.
async function overRCON (commands, text) {
  const lines = await commands.run(text)
  if (/^\/?say /.test(text)) lines.forEach(log.info)
  return lines
}

// shutdown gives the function that ends the process: players out, world on the disk, and a bound on all of it.
function shutdown (serv, storage) {
  let stopping = false
  return async code => {
    if (stopping) return
    stopping = true
    setTimeout(() => {
      log.error('Stopping took too long; the world may miss its last second')
      process.exit(1)
    }, 20000).unref()
    log.info('Stopping the server')
    try {
      const players = [...serv.players]
      for (const player of players) player.kick('Server closed')
      // Their connections end a moment after the kick was written; the console is to say who left.
      for (let left = 100; left > 0 && serv.players.length > 0; left--) await new Promise(resolve => setTimeout(resolve, 20))
      log.info('Saving players')
      log.info('Saving worlds')
      serv.overworld.stopSaving()
      storage.off = false
      for (const player of players) await player.saveNow?.()
      await storage.flush()
      log.info('ThreadedAnvilChunkStorage: All dimensions are saved')
    } catch (err) {
      log.stack('The world was not saved', err)
      code = 1
    }
    process.exit(code)
  }
}

// readCommands splits stdin into lines. Its end is no order to stop: a container without -i has none.
function readCommands (run) {
  let rest = ''
  process.stdin.setEncoding('utf8')
  process.stdin.on('error', () => {})
  process.stdin.on('data', data => {
    const lines = (rest + data).split('\n')
    rest = lines.pop().slice(0, maxLine)
    for (const text of lines) run(text.slice(0, maxLine))
  })
}
