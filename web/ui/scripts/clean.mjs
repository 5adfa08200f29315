// Empties web/dist except .gitkeep, which git needs so that `go build` works on a fresh clone.
import { readdirSync, rmSync } from 'node:fs';
const dist = new URL('../../dist/', import.meta.url);
for (const name of readdirSync(dist)) if (name !== '.gitkeep') rmSync(new URL(name, dist), { recursive: true });
