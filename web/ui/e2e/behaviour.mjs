// What must hold beyond looks: history without gaps, reconnection, hostile text, keyboard, 5,000 servers, lost orders, an empty fleet.
import assert from 'node:assert/strict';
import { check, launch, logIn, open, overflow, shoot, violations } from './browser.mjs';

const rows = (page) => page.evaluate(() => [...document.querySelectorAll('.xterm-rows > div')].map((d) => d.textContent ?? ''));
const until = (page, fn, arg) => page.waitForFunction(fn, arg, { polling: 100 });

async function history(page) {
  await page.goto('/servers/survival');
  await until(page, () => /tick/.test(document.querySelector('.xterm-rows')?.textContent ?? ''));
  // Going up reads page after page until the first line.
  await page.locator('.xterm-helper-textarea').focus();
  for (let i = 0; i < 60 && !(await rows(page)).some((r) => r.includes('[line 1]')); i++) {
    await page.keyboard.press('Home');
    await page.waitForTimeout(150);
  }
  // Going down again, line after line: the numbers have no gap (each 97th line is a script tag, which shows as text).
  const seen = [];
  for (let i = 0; i < 12; i++) {
    for (const row of await rows(page)) {
      const n = Number(/^(?:\[line |<script>alert\()(\d+)/.exec(row)?.[1] ?? -1);
      if (n > (seen.at(-1) ?? -1)) seen.push(n);
    }
    const top = (await rows(page))[0];
    await page.keyboard.press('PageDown');
    // A page that is drawn late on a busy machine would look like a gap. At the end nothing changes any more.
    await page.waitForFunction((was) => document.querySelector('.xterm-rows > div')?.textContent !== was, top, { polling: 20, timeout: 3000 }).catch(() => {});
  }
  assert.deepEqual(seen, seen.map((_, i) => i));
  assert.ok(seen.length > 200, `${seen.length} lines seen`);
  await page.locator('.jump').click();
  await page.locator('.jump').waitFor({ state: 'detached' });
}

async function hostile(page) {
  // The fake's history holds script tags and a clear-screen sequence each 97 lines.
  await page.goto('/servers/survival');
  await until(page, () => /tick/.test(document.querySelector('.xterm-rows')?.textContent ?? ''));
  await page.locator('.console-bar button').first().click();
  await page.locator('.searchbar input').fill('<script>alert(');
  await page.getByRole('button', { name: 'Search the whole history' }).click();
  await page.locator('.found li').first().waitFor();
  assert.match(await page.locator('.found li').first().textContent(), /<script>alert\(\d+\)<\/script>/);
  assert.equal(await page.locator('.found script, .xterm script').count(), 0);
  await page.keyboard.press('Escape');
  await page.goto('/servers/skyblock');
  assert.match(await page.locator('.lines').textContent(), /<img src=x onerror=alert\(1\)>/);
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  await page.goto('/activity');
  await page.getByText('<img src=x onerror=alert(3)>').waitFor();
  await page.getByText('<b onclick=alert(2)>').waitFor();
  assert.equal(await page.locator('img[src="x"], .events script, .events b').count(), 0);
}

async function reconnect(page, child) {
  await page.goto('/servers/survival');
  await until(page, () => /tick/.test(document.querySelector('.xterm-rows')?.textContent ?? ''));
  await page.waitForTimeout(1500);
  child.kill('SIGUSR2'); // cuts every websocket
  await page.locator('.console-link.reconnecting').waitFor();
  await page.locator('.console-link.live').waitFor({ state: 'attached' });
  await page.waitForTimeout(2500);
  const ticks = (await rows(page)).map((r) => Number(/\[tick\] (\d+)/.exec(r)?.[1])).filter((n) => n > 0);
  assert.ok(ticks.length > 3);
  for (let i = 1; i < ticks.length; i++) assert.equal(ticks[i], ticks[i - 1] + 1, `lines around the cut: ${ticks.join(' ')}`);
  assert.equal(await page.locator('.light-live').count(), 1);
}

async function orders(page) {
  await page.goto('/servers/broken');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByText('no registry answers').waitFor();
  await page.getByText('docker load').waitFor();
  await page.getByRole('button', { name: 'Try again' }).waitFor();
  await page.goto('/servers');
  await page.locator('.table tbody tr').first().waitFor();
  for (const name of ['lobby', 'creative']) await page.getByLabel(`Select ${name}`).check();
  await page.locator('.bulk').getByRole('button', { name: 'Start (1)', exact: true }).click();
  await page.getByText('1 of 1 taken').waitFor();
  await page.goto('/servers/creative');
  await page.locator('.server-title .state-good').waitFor();
  await page.locator('.server-actions').getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  const danger = page.locator('dialog').getByRole('button', { name: 'Delete' });
  assert.equal(await danger.isDisabled(), true);
  await page.locator('dialog input').fill('creative');
  await danger.click();
  await page.waitForURL('**/servers');
  await until(page, () => !document.querySelector('.table')?.textContent?.includes('creative'));
}

async function settings(page) {
  await page.goto('/servers/lobby/settings');
  await page.locator('#env-MAX_PLAYERS').fill('9999');
  await page.getByText('between 1 and 500').waitFor();
  await page.locator('#env-MAX_PLAYERS').fill('42');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Restart the server to use it').waitFor();
  await page.getByRole('button', { name: 'Restart now' }).waitFor();
}

async function keyboard(page) {
  await page.goto('/servers');
  await page.locator('.table tbody tr').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await page.waitForURL('**/fleet');
  await page.keyboard.press('Control+k');
  await page.locator('.palette-input').fill('lobby');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/servers/lobby');
  await page.locator('#command:enabled').focus();
  await page.keyboard.type('sav');
  await page.keyboard.press('Tab');
  assert.equal(await page.locator('#command').inputValue(), 'save-all ');
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.locator('#command').inputValue(), 'save-all');
}

async function german(browser, base, token) {
  const { page, context } = await open(browser, base, 'light', 'de-DE');
  await logIn(page, token);
  await page.getByRole('heading', { name: 'Server', exact: false }).first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await page.goto('/fleet');
  await page.getByRole('button', { name: 'Knoten hinzufügen' }).waitFor();
  await shoot(page, 'fleet-german');
  await context.close();
}

async function many(browser, fake) {
  const world = await fake('many', 18091);
  try {
    const { page, context } = await open(browser, world.base);
    await logIn(page, world.token);
    await page.locator('.table tbody tr').nth(5).waitFor();
    assert.ok(await page.locator('.table tbody tr').count() < 80, 'only rows in view are drawn');
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.getByText('survival', { exact: true }).waitFor(); // the last by name
    await page.evaluate(() => scrollTo(0, 0));
    await page.locator('#filter').fill('server-4999');
    await until(page, () => document.querySelectorAll('.table tbody tr').length === 1);
    await shoot(page, 'servers-many');
    await context.close();
  } finally {
    world.child.kill();
  }
}

async function recovery(browser, fake) {
  const world = await fake('recovery', 18093);
  try {
    const { page, context } = await open(browser, world.base);
    await logIn(page, world.token);
    for (const place of ['/servers', '/fleet', '/activity', '/servers/survival']) {
      await page.goto(place);
      await page.getByText('The store is older than what the nodes know').waitFor();
    }
    await page.getByRole('link', { name: 'See and decide' }).click();
    await page.waitForURL('**/recovery');
    await page.locator('.finding').nth(2).waitFor();
    assert.equal(await page.locator('.finding b').count(), 0, 'text of the API is text');
    assert.deepEqual(await check(page, 'recovery'), []);
    await shoot(page, 'recovery');
    const of = (name) => page.getByRole('article', { name, exact: true });
    await of('attic').getByRole('button', { name: 'Forget' }).click();
    await of('attic').getByText('forgotten, operator').waitFor();
    // What sets a world aside or deletes a row is asked again.
    await of('lobby').getByRole('button', { name: 'Forget' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await of('lobby').getByRole('button', { name: 'Forget' }).count(), 1);
    await of('lobby').getByRole('button', { name: 'Forget' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Do it' }).click();
    await of('lobby').getByText('forgotten, operator').waitFor();
    await page.getByRole('button', { name: 'Believe the nodes in all' }).click();
    await of('survival').getByText('node believed, operator').waitFor();
    await page.getByRole('button', { name: 'End recovery' }).click();
    await page.getByText('Nothing contradicts the store').waitFor();
    await page.goto('/servers');
    await page.locator('.table tbody tr').first().waitFor();
    assert.equal(await page.locator('.recovery-banner').count(), 0);
    await context.close();
    const phone = await open(browser, world.base, 'phone');
    await logIn(phone.page, world.token);
    await phone.page.goto('/recovery');
    await phone.page.locator('.finding').first().waitFor();
    assert.deepEqual(await overflow(phone.page, 'recovery'), []);
    await phone.context.close();
  } finally {
    world.child.kill();
  }
}

async function empty(browser, fake) {
  const world = await fake('empty', 18092);
  try {
    const { page, context } = await open(browser, world.base);
    await logIn(page, world.token);
    await page.locator('.card').first().waitFor();
    await shoot(page, 'first-minute');
    await page.locator('.card').first().click();
    await page.waitForURL('**/servers/new*');
    await page.goto('/fleet');
    await page.getByText('No node yet').waitFor();
    await shoot(page, 'fleet-empty');
    await page.goto('/activity');
    await page.getByText('Nothing happened').waitFor();
    world.child.kill();
    await page.locator('.light-reconnecting').waitFor();
    await page.locator('.light-stale').waitFor({ timeout: 40_000 });
    await shoot(page, 'stale');
    await context.close();
  } finally {
    world.child.kill();
  }
}

export async function behaviour({ base, token, child, fake, only }) {
  const browser = await launch();
  try {
    const { page, wrong } = await open(browser, base);
    page.on('dialog', (d) => { wrong.push(`a script ran: ${d.message()}`); void d.dismiss(); });
    await page.goto('/');
    await page.getByLabel('Operator token').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('not the operator’s token').waitFor();
    await logIn(page, token);
    const steps = { history: () => history(page), hostile: () => hostile(page), reconnect: () => reconnect(page, child), settings: () => settings(page), orders: () => orders(page), keyboard: () => keyboard(page), german: () => german(browser, base, token), many: () => many(browser, fake), empty: () => empty(browser, fake), recovery: () => recovery(browser, fake) };
    for (const [name, step] of Object.entries(steps)) {
      if (only && only !== name) continue;
      const began = Date.now();
      await step().catch(async (error) => {
        await shoot(page, `failed-${name}`);
        throw error;
      });
      console.log(`  ${name}: ok (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    }
    assert.deepEqual([...wrong, ...(await violations(page))], []);
  } finally {
    await browser.close();
  }
}
