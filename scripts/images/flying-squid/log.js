'use strict'
// Writes console lines in vanilla's form. What a player typed is data: control characters never reach the console.

const escapes = /\x1b\[[0-9;?]*[ -/]*[@-~]/g // eslint-disable-line no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g // eslint-disable-line no-control-regex

const clean = text => String(text).replace(escapes, '').replace(/\r?\n/g, '\\n').replace(controls, '?')

function line (level, text) {
  const time = new Date().toISOString().slice(11, 19)
  process.stdout.write(`[${time}] [Server thread/${level}]: ${clean(text)}\n`)
}

module.exports = {
  clean,
  info: text => line('INFO', text),
  warn: text => line('WARN', text),
  error: text => line('ERROR', text),
  // stack prints an error with its trace, one indented line per frame, as Java does.
  stack: (text, err) => {
    line('ERROR', text)
    for (const frame of String(err?.stack ?? err).split('\n').slice(0, 12)) process.stdout.write('\t' + clean(frame.trim()) + '\n')
  }
}
