'use strict'
// A player for tests. Joins a server, says something if asked, stays, leaves, and tells what happened as JSON lines:
//   {"event":"spawn"}  {"event":"chat","text":"…"}  {"event":"said","text":"…"}  {"event":"kick","reason":"…"}
//   {"event":"error","error":"…"}  {"event":"end","reason":"…"}
// Lines on stdin are said in chat. Exit code: 0 it spawned and said what it was to say, 1 it did not, 2 it was called wrongly.

const { parseArgs } = require('util')

const usage = 'usage: node bot.js --host H --port P --name N [--version 1.21.4] [--say TEXT] [--stay SECONDS] [--timeout SECONDS]'

const options = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '25565' },
  name: { type: 'string', default: 'bot' },
  version: { type: 'string', default: '1.21.4' },
  say: { type: 'string' },
  stay: { type: 'string', default: '0' },
  timeout: { type: 'string', default: '60' }
}

let args
try {
  args = parseArgs({ options, strict: true }).values
  for (const name of ['port', 'stay', 'timeout']) {
    args[name] = Number(args[name])
    if (!(args[name] >= 0)) throw new Error(`--${name} is not a number`)
  }
} catch (err) {
  console.error(err.message + '\n' + usage)
  process.exit(2)
}

const began = Date.now()
const tell = (event, more) => process.stdout.write(JSON.stringify({ event, ms: Date.now() - began, ...more }) + '\n')
let spawned = false
let said = args.say === undefined
let leaving = false

function finish (reason) {
  if (finish.done) return
  finish.done = true
  tell('end', { reason })
  setTimeout(() => process.exit(spawned && said ? 0 : 1), 50) // let stdout drain
}

setTimeout(() => finish('deadline'), args.timeout * 1000)
process.on('uncaughtException', err => {
  tell('error', { error: err.message })
  if (!spawned) finish('error')
})
process.on('SIGTERM', () => leave())
process.on('SIGINT', () => leave())

const mineflayer = require('mineflayer')
const bot = mineflayer.createBot({
  host: args.host,
  port: args.port,
  username: args.name,
  version: args.version,
  auth: 'offline',
  hideErrors: true,
  checkTimeoutInterval: args.timeout * 1000
})

function leave () {
  if (leaving) return
  leaving = true
  bot.quit('bye')
  setTimeout(() => finish('left'), 2000)
}

function say (text) {
  bot.chat(text)
  tell('said', { text })
}

bot.on('messagestr', (text, position, message, sender) => tell('chat', { text }))
bot.on('kicked', reason => tell('kick', { reason: plain(reason) }))
bot.on('error', err => { tell('error', { error: err.code ? `${err.code}: ${err.message}` : err.message }); if (!spawned) finish('error') })
bot.on('end', reason => finish(leaving ? 'left' : reason))
bot.once('spawn', () => {
  spawned = true
  tell('spawn', { name: bot.username })
  if (args.say !== undefined) {
    say(args.say)
    said = true
  }
  setTimeout(leave, args.stay * 1000 + 250) // the chat needs to be on its way
})

let rest = ''
process.stdin.setEncoding('utf8')
process.stdin.on('error', () => {})
process.stdin.on('data', data => {
  const lines = (rest + data).split('\n')
  rest = lines.pop()
  for (const text of lines) if (spawned && text) say(text)
})
process.stdin.unref?.()

// plain finds the words in a chat component, JSON or NBT.
function plain (reason) {
  const words = []
  const walk = part => {
    if (typeof part === 'string') words.push(part)
    else if (Array.isArray(part)) part.forEach(walk)
    else if (part && typeof part === 'object') {
      if ('value' in part) walk(part.value)
      else ['text', 'translate', 'extra', 'with'].forEach(k => walk(part[k]))
    }
  }
  try { walk(typeof reason === 'string' ? JSON.parse(reason) : reason) } catch { words.push(String(reason)) }
  return words.join('')
}
