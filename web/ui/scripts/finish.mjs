// After vite: writes a .gz beside each text file, and stops the build when the first load grows over its budget.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const budget = 200_000; // bytes of gzip for the page and all it loads at once (ui.md)
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

function* walk(dir) {
  for (const name of readdirSync(dir)) {
    const file = join(dir, name);
    if (statSync(file).isDirectory()) yield* walk(file);
    else yield file;
  }
}

const packed = new Map();
for (const file of walk(dist)) {
  if (!/\.(js|css|html|svg|json|webmanifest)$/.test(file)) continue;
  const body = readFileSync(file);
  const small = gzipSync(body, { level: 9 });
  packed.set('/' + file.slice(dist.length), small.length);
  if (small.length < body.length) writeFileSync(file + '.gz', small);
}

// What the page loads at once: what index.html names, and what those scripts import statically.
const seen = new Set(['/index.html']);
const queue = [...readFileSync(join(dist, 'index.html'), 'utf8').matchAll(/"(\/assets\/[^"]+)"/g)].map((m) => m[1]);
while (queue.length) {
  const name = queue.pop();
  if (seen.has(name)) continue;
  seen.add(name);
  if (!name.endsWith('.js')) continue;
  const code = readFileSync(join(dist, name), 'utf8');
  for (const m of code.matchAll(/(?:^|[;}])\s*(?:import|export)[^;"'`()]*?["']\.\/([^"']+)["']/g)) queue.push('/assets/' + m[1]);
}
let first = 0;
for (const name of seen) first += packed.get(name) ?? 0;
const all = [...packed.values()].reduce((a, b) => a + b, 0);
console.log(`first load ${(first / 1000).toFixed(1)} kB gzip of ${budget / 1000} kB (${seen.size} files); everything ${(all / 1000).toFixed(1)} kB`);
if (first > budget) {
  console.error('The first load is over its budget. Split what is not needed at once.');
  process.exit(1);
}
