// The tour a new owner takes: log in → create a server → it starts → its console speaks → a command → stop.
// Runs against any controller: BASE_URL, OPERATOR_TOKEN (or OPERATOR_TOKEN_FILE); optional TEMPLATE, SERVER_NAME, MEMORY,
// SET (settings that are chosen in the form: ONLINE_MODE=false,PVP=true), COMMAND,
// EXPECT (text a console line must show after the command), READY_TIMEOUT and KEEP=1 (leave it running). Pictures: build/screenshots.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { check, launch, logIn, open, shoot, violations } from './browser.mjs';

export async function tour({ base, token, env = process.env }) {
  const browser = await launch();
  const ready = Number(env.READY_TIMEOUT ?? 120_000);
  const bad = [];
  try {
    const { page, wrong } = await open(browser, base);
    await logIn(page, token);
    await page.goto('/servers/new');
    const name = env.SERVER_NAME ?? `tour-${Date.now().toString(36)}`;
    if (env.TEMPLATE) await page.goto(`/servers/new?template=${encodeURIComponent(env.TEMPLATE)}`);
    await page.locator('.card').first().waitFor();
    await page.locator('#name').fill(name);
    if (env.MEMORY) {
      await page.locator('.slider-text').fill(env.MEMORY);
      await page.locator('.slider-text').blur();
    }
    if (env.SET) await page.locator('.more summary').click();
    for (const [key, value] of (env.SET?.split(',') ?? []).map((each) => each.split('='))) await page.locator(`select#env-${key}`).selectOption(value);
    await shoot(page, 'tour-1-create');
    bad.push(...(await check(page, 'create')));
    await page.locator('form.create button[type=submit]').click();
    await page.waitForURL(`**/servers/${name}`);
    await page.locator('.server-title .state-good').waitFor({ timeout: ready });
    const rows = page.locator('.xterm-rows');
    await page.waitForFunction(() => (document.querySelector('.xterm-rows')?.textContent ?? '').trim().length > 20, null, { timeout: ready });
    await shoot(page, 'tour-2-running');
    const said = `hello-${Date.now().toString(36)}`;
    const command = env.COMMAND ?? `say ${said}`;
    const expected = env.EXPECT ?? said;
    await page.locator('#command').fill(command);
    await page.locator('#command').press('Enter');
    await page.waitForFunction((text) => document.querySelector('.xterm-rows')?.textContent?.includes(text), expected);
    assert.match((await rows.textContent()) ?? '', /\S/);
    await shoot(page, 'tour-3-console');
    bad.push(...(await check(page, 'console')), ...(await violations(page)));
    if (env.WATCH) { // a line that something else causes, as a bot's chat
      await page.waitForFunction((text) => document.querySelector('.xterm-rows')?.textContent?.includes(text), env.WATCH, { timeout: ready });
      await shoot(page, 'tour-4-watched');
    }
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.locator('.chart canvas, .empty').first().waitFor();
    await shoot(page, 'tour-5-overview');
    await page.goto('/fleet');
    await page.locator('.unit').first().waitFor();
    await shoot(page, 'tour-6-fleet');
    bad.push(...(await check(page, 'fleet')));
    if (!env.KEEP) {
      await page.goto(`/servers/${name}`);
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await page.locator('.server-title .state-quiet').waitFor({ timeout: ready });
      await shoot(page, 'tour-7-stopped');
    }
    await page.goto('/servers');
    await page.locator('.table tbody tr').first().waitFor();
    await shoot(page, 'tour-8-servers');
    bad.push(...wrong, ...(await violations(page)));
    assert.deepEqual(bad, []);
    return name;
  } finally {
    await browser.close();
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const base = process.env.BASE_URL;
  const token = process.env.OPERATOR_TOKEN ?? (process.env.OPERATOR_TOKEN_FILE ? readFileSync(process.env.OPERATOR_TOKEN_FILE, 'utf8').trim() : undefined);
  if (!base || !token) {
    console.error('BASE_URL and OPERATOR_TOKEN (or OPERATOR_TOKEN_FILE) are needed. Example: BASE_URL=http://127.0.0.1:8080 OPERATOR_TOKEN_FILE=data/operator.token npm run tour');
    process.exit(2);
  }
  console.log(`tour: ok (${await tour({ base, token })})`);
}
