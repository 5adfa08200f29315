/** How well a text matches what is typed; 0 = not at all. Letters in order suffice, beginnings of words count most. Pure. */
export function score(text: string, typed: string): number {
  const hay = text.toLowerCase();
  const needle = typed.toLowerCase().trim();
  if (needle === '') return 1;
  const at = hay.indexOf(needle);
  if (at === 0) return 100;
  if (at > 0) return /[\s\-_/.:]/.test(hay[at - 1]!) ? 80 : 60;
  let points = 0;
  let from = 0;
  for (const c of needle) {
    const i = hay.indexOf(c, from);
    if (i < 0) return 0;
    points += i === 0 || /[\s\-_/.:]/.test(hay[i - 1]!) ? 3 : 1;
    from = i + 1;
  }
  return Math.max(1, Math.min(50, (points / needle.length) * 15));
}
