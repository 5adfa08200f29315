'use strict'
// Reads the environment, with the names that itzg/minecraft-server uses, and refuses what it does not understand.

const modes = ['survival', 'creative', 'adventure', 'spectator']
const difficulties = ['peaceful', 'easy', 'normal', 'hard']

function read (env, versions) {
  const flag = (name, fallback) => {
    const v = (env[name] ?? '').toLowerCase()
    if (v === '') return fallback
    if (['true', 'yes', '1', 'on'].includes(v)) return true
    if (['false', 'no', '0', 'off'].includes(v)) return false
    throw new Error(`${name}=${env[name]} is neither true nor false`)
  }
  const number = (name, fallback, min, max) => {
    if (!env[name]) return fallback
    const n = Number(env[name])
    if (!Number.isInteger(n) || n < min || n > max) throw new Error(`${name}=${env[name]} is not a number from ${min} to ${max}`)
    return n
  }
  const choice = (name, value, names) => {
    const at = /^\d$/.test(value) ? Number(value) : names.indexOf(value.toLowerCase())
    if (at < 0 || at >= names.length) throw new Error(`${name}=${value} is none of ${names.join(', ')}`)
    return at
  }
  const version = env.VERSION || '1.21.4'
  if (!versions.includes(version)) throw new Error(`VERSION=${version} is none of ${versions.join(', ')}`)
  const config = {
    eula: flag('EULA', false),
    version,
    port: number('SERVER_PORT', 25565, 1, 65535),
    motd: env.MOTD || 'A PayPerPlay server',
    maxPlayers: number('MAX_PLAYERS', 20, 1, 1000),
    onlineMode: flag('ONLINE_MODE', true),
    viewDistance: number('VIEW_DISTANCE', 6, 2, 32),
    gameMode: choice('MODE', env.MODE || env.GAMEMODE || 'creative', modes),
    difficulty: choice('DIFFICULTY', env.DIFFICULTY || 'easy', difficulties),
    everybodyOp: flag('OP_EVERYBODY', false),
    flat: choice('LEVEL_TYPE', env.LEVEL_TYPE || 'normal', ['normal', 'flat']) === 1,
    seed: seed(env.SEED),
    rcon: flag('ENABLE_RCON', false),
    rconPassword: env.RCON_PASSWORD || '',
    rconPort: number('RCON_PORT', 25575, 1, 65535)
  }
  if (config.rcon && !config.rconPassword) throw new Error('ENABLE_RCON needs RCON_PASSWORD')
  return config
}

// seed takes a number or, as vanilla does, the Java hash of a text.
function seed (text) {
  if (!text) return undefined
  if (/^-?\d{1,9}$/.test(text)) return Number(text) || 1
  let hash = 0
  for (const unit of text) hash = (Math.imul(hash, 31) + unit.charCodeAt(0)) | 0
  return hash || 1
}

// heap gives V8's old space a bound in MiB, from MEMORY ("512M", "1G", bytes); undefined leaves V8 to itself.
function heap (memory) {
  const m = /^(\d+)([kmg]?)$/i.exec(memory || '')
  if (!m) return undefined
  const bytes = Number(m[1]) * { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[m[2].toLowerCase()]
  return Math.max(64, Math.floor(bytes / 2 ** 20))
}

module.exports = { read, heap }
