// What a game writes is data. Only colours get through; whatever could move the cursor, clear the screen, set a title,
// make a link, ring or answer back is taken out or made visible. Pure.

const esc = '\u001b';
// CSI … final, OSC/DCS/PM/APC/SOS … terminator (or the end of the line), two-byte escapes, and lone ESC; the same in their 8-bit forms.
const sequences = new RegExp(
  [
    `(?:${esc}\\[|\\u009b)[0-?]*[ -/]*[@-~]?`,
    `(?:${esc}[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u009c${esc}]*(?:\\u0007|\\u009c|${esc}\\\\|$)?`,
    `${esc}[ -/]*[0-~]?`,
  ].join('|'),
  'g',
);
const colour = new RegExp(`^(?:${esc}\\[|\\u009b)([0-9;:]*)m$`);
const controls = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f-\u009f]/g; // all but TAB and ESC
const hidden = /[\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff]/g; // reorders or hides text

function shown(c: string): string {
  const code = c.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
}

/** The line for the terminal: its own colours, reset at the end, nothing else. */
export function safe(text: string): string {
  let coloured = false;
  const clean = text.replace(/\r$/, '').replace(/[\u0001\u0002]/g, shown).replace(sequences, (sequence) => {
    const m = colour.exec(sequence);
    if (!m || m[1]!.length > 64) return '';
    coloured = true;
    return `\u0001${m[1]}\u0002`; // parked: the next step takes every control out
  });
  const marked = clean
    .replace(controls, (c) => (c === '\u0001' || c === '\u0002' ? c : shown(c)))
    .replace(hidden, '\ufffd')
    .replaceAll(esc, '\u241b')
    .replace(/\u0001([0-9;:]*)\u0002/g, `${esc}[$1m`);
  return coloured ? `${marked}${esc}[0m` : marked;
}

/** The line without any colour, for the page itself. */
export function plain(text: string): string {
  return safe(text).replace(new RegExp(`${esc}\\[[0-9;:]*m`, 'g'), '');
}
