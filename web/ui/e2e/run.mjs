// npm run journey: against the fake controller, or the tour alone against BASE_URL.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { allLooks } from './looks.mjs';
import { behaviour } from './behaviour.mjs';
import { fleet } from './fleet.mjs';
import { tour } from './tour.mjs';

const base = process.env.BASE_URL;
if (base) {
  console.log(`tour: ok (${await tour({ base, token: process.env.OPERATOR_TOKEN ?? '' })})`);
  process.exit(0);
}

async function fake(scene, port) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../dev/fake-api.mjs', import.meta.url)), '--port', String(port), '--scene', scene], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return { child, base: `http://127.0.0.1:${port}`, token: 'dev-token' };
}

const only = process.argv[2];
for (const [name, scene, journey] of [['tour', 'normal', tour], ['behaviour', 'normal', behaviour], ['fleet', 'normal', fleet], ['looks', 'normal', allLooks]]) {
  if (only && !name.startsWith(only.split(':')[0])) continue;
  const world = await fake(scene, 18090);
  const began = Date.now();
  try {
    await journey({ ...world, fake, only: only?.split(':')[1] });
    console.log(`${name}: ok (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.error(`${name}: failed`);
    if (Array.isArray(error.actual)) for (const each of error.actual) console.error(`  ${each}`);
    else console.error(error.stack ?? error);
    process.exitCode = 1;
  } finally {
    world.child.kill();
    await once(world.child, 'exit');
  }
}
