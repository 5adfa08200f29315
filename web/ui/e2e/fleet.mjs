// The fleet and its scaling: one machine and sixty, no cloud, a cloud that does not answer, orders to nodes, limits, decisions.
import assert from 'node:assert/strict';
import { check, launch, logIn, open, overflow, shoot, violations } from './browser.mjs';

const rows = (page) => page.locator('.table.fleet tr.unit');
const row = (page, name) => rows(page).filter({ has: page.getByRole('link', { name, exact: true }) });

async function menu(page, name, item) {
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

async function table(page, bad) {
  await page.goto('/servers');
  await page.locator('.table tbody tr').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.waitForURL('**/fleet');
  await row(page, 'w-fsn1-7k2m').waitFor();
  assert.equal(await rows(page).count(), 6, 'what is gone is not listed');
  assert.match(await row(page, 'fsn1-cx33-a').textContent(), /Unreachable.*0\.0089 €\/h.*5\.99 €.*\d\d:\d\d/s);
  assert.match(await row(page, 'w-hel1-9pz3').textContent(), /9\.49 €\/month/);
  await page.locator('.unit-note').getByText('The cloud has no cx43 in hel1').waitFor();
  assert.match(await page.locator('.figures').textContent(), /0\.0\d\d\d €\/h.*at most \d\d\.\d\d €\/month/s);
  await page.locator('.queue').getByRole('link', { name: 'modded-friends-weekend-one' }).waitFor();
  await page.getByLabel('Show what is gone').check();
  await row(page, 'w-fsn1-old1').waitFor();
  await page.getByLabel('Show what is gone').uncheck();
  await page.locator('#filter').fill('booting cx43');
  await page.waitForFunction(() => document.querySelectorAll('tr.unit').length === 1);
  await page.locator('#filter').fill('nowhere');
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByRole('columnheader', { name: 'Price' }).getByRole('button').click();
  assert.match(await rows(page).first().textContent(), /0\.0152/);
  await row(page, 'w-fsn1-7k2m').locator('.cell-num').first().click();
  await page.waitForURL('**/fleet/w-fsn1-7k2m');
  await page.getByText('Must join by').waitFor();
  assert.match(await page.locator('.machine').textContent(), /modded-friends-weekend-one waits for 12 GiB.*in \d+ (min|sec)/is);
  bad.push(...(await check(page, 'fleet-machine')));
  await shoot(page, 'fleet-machine');
  await page.goto('/nodes'); // the old place leads here
  await page.waitForURL('**/fleet');
}

async function nodeOrders(page, bad) {
  await page.goto('/fleet');
  await menu(page, 'node-1', 'Cordon');
  await row(page, 'node-1').getByText('Cordoned').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await row(page, 'node-1').getByText('Ready').waitFor();
  // A refusal stays on the line with its next step.
  await menu(page, 'box-cellar', 'Drain');
  await page.locator('dialog').getByRole('button', { name: 'Drain' }).click();
  await page.locator('.unit-note').getByText('Add another edge first').waitFor();
  await shoot(page, 'fleet-refused');
  bad.push(...(await check(page, 'fleet-refused')));
  await page.locator('.unit-note').getByRole('button', { name: 'Close' }).click();
  // Emptying says who is left, follows what happens, and can be stopped.
  await menu(page, 'node-1', 'Drain');
  await page.locator('dialog select').selectOption('3600');
  await shoot(page, 'fleet-drain');
  bad.push(...(await check(page, 'fleet-drain')));
  await page.locator('dialog').getByRole('button', { name: 'Drain' }).click();
  await row(page, 'node-1').getByText('Draining').waitFor();
  await page.locator('.unit-note').getByText('2 servers are left').waitFor();
  await page.locator('.unit-note').getByText(/Deadline \d\d:\d\d \(in 5\d min\)/).waitFor();
  await shoot(page, 'fleet-draining');
  await page.evaluate(() => fetch('/api/servers/lobby/stop', { method: 'POST', headers: { 'X-CSRF-Token': 'fake-csrf' }, body: '{}' }));
  await page.locator('.unit-note').getByText('1 server is left').waitFor();
  await page.locator('.unit-note').getByRole('button', { name: 'Stop draining' }).click();
  await row(page, 'node-1').getByText('Ready').waitFor();
  await page.goto('/fleet/node-1');
  await page.locator('.unit-page .here a').first().waitFor();
  await page.getByRole('button', { name: 'Cordon', exact: true }).click();
  await page.getByRole('button', { name: 'Uncordon' }).click();
  await page.getByRole('button', { name: 'Cordon', exact: true }).waitFor();
}

async function scaling(page, bad) {
  await page.goto('/fleet');
  await rows(page).first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await page.waitForURL('**/scaling');
  await page.locator('.moment').first().waitFor();
  assert.match(await page.locator('.history').textContent(), /Today.*4 times/s);
  await page.locator('.moment').filter({ hasText: 'w-fsn1-7k2m' }).locator('summary').first().click();
  await page.getByText('<b>cx43</b> in hel1').waitFor();
  assert.equal(await page.locator('.rejected b').count(), 0, 'text of the API is text');
  await page.getByLabel('Only changes').check();
  assert.equal(await page.locator('.moment.quiet').count(), 0);
  await page.getByLabel('Only changes').uncheck();
  await page.locator('.plan .rejected li').nth(1).waitFor();
  // Limits: what is wrong is said at once, a refusal stays, what is saved is shown.
  await page.getByLabel('Spend at most').fill('much');
  await page.getByText('must be an amount').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
  await page.getByLabel('Spend at most').fill('7,50');
  await page.getByLabel('Machines at most').fill('500');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.limits').getByText('Choose at most 100').waitFor();
  await shoot(page, 'scaling-refused');
  bad.push(...(await check(page, 'scaling-refused')));
  await page.getByLabel('Machines at most').fill('4');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.limits').getByText('4 / 4').waitFor();
  await page.locator('.limits').getByText(/\/ 7\.50 €/).waitFor();
  // Texts are the server's to judge; what it refuses is said on the field.
  await page.locator('.limits summary').click();
  await page.getByLabel('Spares').fill('1; fri,sta 17-24 = 3');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#limit-spares-help').getByText('"sta" is not a day').waitFor();
  assert.equal(await page.locator('#limit-spares').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.locator('.limits .notice').count(), 0, 'on the field, and there only');
  await page.waitForFunction(() => document.activeElement?.id === 'limit-spares');
  await shoot(page, 'scaling-field');
  bad.push(...(await check(page, 'scaling-field')));
  await page.getByLabel('Spares').fill('2; fri,sat 17-24 = 3');
  await page.getByLabel('Time zone').fill('Mars/Olympus');
  await page.getByLabel('Types').fill('cx43');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#limit-zone-help').getByText('not an IANA time zone').waitFor();
  await page.getByLabel('Time zone').fill('UTC');
  await page.getByLabel('Locations').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.limits').getByText('Not saved yet').waitFor({ state: 'detached' });
  assert.deepEqual(await page.evaluate(async () => { const { settings: s } = await (await fetch('/api/scaling/status')).json(); return [s.spares, s.zone, s.types, s.locations]; }), ['2; fri,sat 17-24 = 3', 'UTC', ['cx43'], []]);
  // Off and on again.
  await page.getByRole('button', { name: 'Turn scaling off' }).click();
  await page.getByText('nothing is ordered and nothing is released').waitFor();
  await shoot(page, 'scaling-off');
  await page.keyboard.press('Control+k');
  await page.locator('.palette-input').fill('scaling on');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Turn scaling off' }).waitFor();
  // Leftovers: looked for, then dealt with after a question.
  await page.getByRole('button', { name: 'Look for leftovers' }).click();
  await page.locator('.things li').nth(2).waitFor();
  await shoot(page, 'scaling-leftovers');
  bad.push(...(await check(page, 'scaling-leftovers')));
  await page.getByRole('button', { name: 'Clean up 2 things' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Do it' }).click();
  await page.locator('.things').getByText('Done').first().waitFor();
  await page.getByRole('button', { name: 'Look for leftovers' }).click();
  await page.getByText('There are no leftovers').waitFor();
}

async function events(page, bad) {
  await page.goto('/activity');
  const line = (text) => page.locator('.events li').filter({ hasText: text }).first();
  await line('Machine ordered').waitFor();
  assert.match(await line('Machine ordered').textContent(), /w-fsn1-old1.*because: the fleet was 87 % full and grows from 85 % on · type: cx33 · location: fsn1 · price: 0\.0089 €\/h/s);
  assert.match(await line('Order refused, another is tried').textContent(), /w-hel1-9pz3.*problem: the cloud has no cx43 in hel1 just now · next: it is tried in nbg1/s);
  assert.match(await line('Draining takes longer').textContent(), /left: survival, lobby/);
  await page.getByLabel('Kind').selectOption('scaling');
  assert.equal(await page.locator('.events code').count(), 0, 'each kind has its words');
  await shoot(page, 'activity-scaling');
  bad.push(...(await check(page, 'activity-scaling')));
  await line('Machine ordered').getByRole('link', { name: 'w-fsn1-old1' }).click();
  await page.waitForURL('**/fleet/w-fsn1-old1');
}

async function why(page, bad) {
  await page.goto('/servers/modded-friends-weekend-one/overview');
  await page.getByText('Why it waits').waitFor();
  await page.locator('.why-scaling').getByText('will fit on w-fsn1-7k2m').waitFor();
  bad.push(...(await check(page, 'why')));
  await page.goto('/servers/survival/overview');
  await page.getByRole('button', { name: 'Why here?' }).click();
  await page.getByText('Its files are on node node-1').waitFor();
  await page.locator('.why').scrollIntoViewIfNeeded();
  await shoot(page, 'why-here');
}

/** One scene of its own, in three looks and German: picture, axe, overflow. */
async function scene(browser, fake, name, port, pages, bad, looks = ['light', 'dark', 'phone', 'german']) {
  const world = await fake(name, port);
  try {
    for (const look of looks) {
      const { page, context, wrong } = await open(browser, world.base, look === 'german' ? 'light' : look, look === 'german' ? 'de-DE' : 'en-GB');
      await logIn(page, world.token);
      for (const [label, path, sign] of pages) {
        await page.goto(path);
        await page.locator(sign).first().waitFor();
        await page.waitForTimeout(250);
        const at = `${label}-${name}-${look}`;
        await shoot(page, at, name !== 'sixty');
        bad.push(...(await check(page, at, look === 'dark' ? ['color-contrast'] : undefined)), ...(await overflow(page, at)), ...(await violations(page)).map((v) => `${at} policy ${v}`));
      }
      bad.push(...wrong.filter((w) => name !== 'trouble' || !/status of 5\d\d/.test(w)).map((w) => `${name}-${look} ${w}`));
      await context.close();
    }
  } finally {
    world.child.kill();
  }
}

const both = [['fleet', '/fleet', 'tr.unit'], ['scaling', '/scaling', '.moment']];

export async function fleet({ base, token, fake, only }) {
  const browser = await launch();
  const bad = [];
  try {
    const { page, wrong } = await open(browser, base);
    await logIn(page, token);
    const steps = {
      table: () => table(page, bad), orders: () => nodeOrders(page, bad), scaling: () => scaling(page, bad), events: () => events(page, bad), why: () => why(page, bad),
      normal: () => scene(browser, fake, 'normal', 18094, [...both, ['why', '/servers/modded-friends-weekend-one/overview', '.why-nodes'], ['unit', '/fleet/fsn1-cx33-a', '.machine']], bad),
      one: () => scene(browser, fake, 'one', 18095, [...both, ['unit', '/fleet/w-fsn1-1', '.machine']], bad, ['light', 'phone']),
      sixty: () => scene(browser, fake, 'sixty', 18096, both, bad, ['light', 'phone']),
      cloudless: () => scene(browser, fake, 'cloudless', 18097, [['fleet', '/fleet', 'tr.unit'], ['scaling', '/scaling', '.notice']], bad, ['light', 'phone', 'german']),
      empty: () => scene(browser, fake, 'empty', 18098, [['fleet', '/fleet', '.empty'], ['scaling', '/scaling', '.limits']], bad, ['light']),
      trouble: () => scene(browser, fake, 'trouble', 18099, [['fleet', '/fleet', '.notice.bad'], ['scaling', '/scaling', '.notice.bad']], bad, ['light', 'phone']),
    };
    for (const [name, step] of Object.entries(steps)) {
      if (only && only !== name) continue;
      const began = Date.now();
      await step().catch(async (error) => {
        await shoot(page, `failed-fleet-${name}`);
        throw error;
      });
      console.log(`  ${name}: ok (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    }
    assert.deepEqual([...bad, ...wrong, ...(await violations(page))], []);
  } finally {
    await browser.close();
  }
}
