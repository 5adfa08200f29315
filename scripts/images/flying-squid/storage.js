'use strict'
// Saving of the world: off and on for snapshots, flush to the disk, and nothing lost at the end.

const log = require('./log')

class Storage {
  constructor (serv) {
    this.serv = serv
    this.off = false
    this.latePlayers = new Set() // players to save once saving is on again
    this.chain = Promise.resolve()
    this.complained = 0
    const world = serv.overworld
    // The library clears its queue after writing, which forgets chunks that changed meanwhile; this takes the queue first.
    world.saveNow = () => (this.off ? Promise.resolve() : this.writeChunks().catch(err => this.complain(err)))
    // It also keeps a region file that could not be opened, and fails with it for ever; this tries again.
    const provider = world.storageProvider
    const getRegion = provider.getRegion.bind(provider)
    provider.getRegion = async (x, z) => {
      try {
        return await getRegion(x, z)
      } catch (err) {
        delete provider.regions[provider.regionFileName(x, z)]
        throw err
      }
    }
  }

  // complain says once a minute that saving fails: it is tried each second, and a full disk stays full.
  complain (err) {
    if (Date.now() - this.complained < 60000) return
    this.complained = Date.now()
    log.error('Unable to save the game (is there enough disk space?): ' + err.message)
  }

  // One after the other: region files do not like two writers.
  writeChunks () {
    this.chain = this.chain.catch(() => {}).then(async () => {
      const world = this.serv.overworld
      const batch = [...world.savingQueue.entries()]
      world.savingQueue.clear()
      for (let i = 0; i < batch.length; i++) {
        const [key, at] = batch[i]
        try {
          if (world.columns[key]) await world.storageProvider.save(at.chunkX, at.chunkZ, world.columns[key])
        } catch (err) {
          for (const [k, rest] of batch.slice(i)) world.savingQueue.set(k, rest)
          throw err
        }
      }
      for (const [key, at] of [...world.unloadQueue.entries()]) {
        if (!world.savingQueue.has(key)) world.forceUnloadColumn(key, at.chunkX, at.chunkZ)
      }
      world.emit('doneSaving')
    })
    return this.chain
  }

  // guard makes a player's save wait while saving is off.
  guard (player) {
    const save = player.save
    player.save = () => {
      if (!this.off) return save.call(player).catch(err => this.complain(err))
      this.latePlayers.add(player)
      return Promise.resolve()
    }
    player.saveNow = () => save.call(player)
  }

  async flush () {
    for (const player of this.serv.players) this.latePlayers.add(player)
    await this.savePlayers()
    await this.writeChunks()
    for (const region of Object.values(this.serv.overworld.storageProvider.regions)) await region.file?.sync()
  }

  async savePlayers () {
    const players = [...this.latePlayers]
    this.latePlayers.clear()
    for (const player of players) await player.saveNow?.()
  }

  async setOff (off) {
    this.off = off
    await this.chain.catch(() => {})
    if (!off) await this.savePlayers()
  }
}

module.exports = { Storage }
