'use strict'
// The operator's commands, in vanilla's words, over those that flying-squid has. run(text) gives the lines that answer.

const minutes = [1, 5, 15]

class Commands {
  constructor ({ serv, config, storage, stop }) {
    Object.assign(this, { serv, config, storage, stop })
    this.heard = null // lines that the library printed while its command ran
    this.queue = Promise.resolve()
    this.ticks = []
    this.own = {
      say: text => this.say(text),
      list: () => [this.list()],
      tps: () => [this.tps()],
      stop: () => { this.stop(0); return ['Stopping the server'] },
      'save-off': () => this.saveOff(),
      'save-on': () => this.saveOn(),
      'save-all': () => this.saveAll(),
      transfer: text => this.transfer(text.split(' '))
    }
    this.countTicks()
  }

  // run takes the commands one after the other, so that each one's lines are its own.
  run (text) {
    const result = this.queue.then(() => this.one(text.trim().replace(/^\//, '')))
    this.queue = result.catch(() => {})
    return result
  }

  async one (text) {
    const [name] = text.split(' ')
    const rest = text.slice(name.length + 1)
    if (name === '') return []
    try {
      if (Object.hasOwn(this.own, name)) return await this.own[name](rest)
      this.heard = []
      const answer = await this.serv.commands.use(text)
      return answer ? [...this.heard, answer] : this.heard
    } catch (err) {
      if (err.message === 'Command not found') return ['Unknown or incomplete command, see below for error', text + '<--[HERE]']
      return [err.userError ? err.message : 'An unexpected error occurred trying to execute that command: ' + err.message]
    } finally {
      this.heard = null
    }
  }

  say (text) {
    this.serv.broadcast('[Server] ' + text)
    return ['[Server] ' + text]
  }

  list () {
    const names = this.serv.players.map(p => p.username)
    return `There are ${names.length} of a max of ${this.config.maxPlayers} players online: ${names.join(', ')}`
  }

  async saveOff () {
    if (this.storage.off) return ['Saving is already turned off']
    await this.storage.setOff(true)
    return ['Automatic saving is now disabled']
  }

  async saveOn () {
    if (!this.storage.off) return ['Saving is already turned on']
    await this.storage.setOff(false)
    return ['Automatic saving is now enabled']
  }

  async saveAll () {
    try {
      await this.storage.flush()
    } catch (err) {
      return ['Saving the game (this may take a moment!)', 'Unable to save the game (is there enough disk space?): ' + err.message]
    }
    return ['Saving the game (this may take a moment!)', 'Saved the game']
  }

  // transfer sends players to another address; clients understand it since 1.20.5.
  transfer ([host, port, ...names]) {
    if (!host) return ['Unknown or incomplete command, see below for error', 'transfer<--[HERE]']
    const wanted = names.filter(n => n && n !== '@a')
    const targets = this.serv.players.filter(p => wanted.length === 0 || wanted.includes(p.username))
    if (targets.length === 0) return ['No player was found']
    if (!this.serv.registry.version['>=']('1.20.5')) return ['Transfer needs 1.20.5 or newer']
    for (const p of targets) p._client.write('transfer', { host, port: Number(port) || 25565 })
    return [`Transferring ${targets.length} players to ${host}:${Number(port) || 25565}`]
  }

  countTicks () {
    let count = 0
    this.serv.on('tick', () => { count++ })
    setInterval(() => {
      this.ticks.push(count)
      count = 0
      if (this.ticks.length > 60 * minutes.at(-1)) this.ticks.shift()
    }, 1000).unref()
  }

  tps () {
    const rates = minutes.map(m => {
      const part = this.ticks.slice(-60 * m)
      if (part.length === 0) return '20.0'
      return Math.min(20, part.reduce((a, b) => a + b, 0) / part.length).toFixed(1)
    })
    return 'TPS from last 1m, 5m, 15m: ' + rates.join(', ')
  }
}

module.exports = { Commands }
