// Every page of the fake controller in light, dark and phone: picture, axe, policy, overflow.
import assert from 'node:assert/strict';
import { check, launch, logIn, looks, open, overflow, shoot, violations } from './browser.mjs';

const pages = [
  ['servers', '/servers', '.table tbody tr'],
  ['create', '/servers/new', '.card'],
  ['console', '/servers/survival', '.xterm-rows span'],
  ['overview', '/servers/survival/overview', '.chart canvas'],
  ['settings', '/servers/survival/settings', '.settings .field'],
  ['server-activity', '/servers/survival/activity', '.events li'],
  ['crashed', '/servers/skyblock', '.last-run'],
  ['waiting', '/servers/modded-friends-weekend-one', '.notice'],
  ['fleet', '/fleet', '.unit'],
  ['node', '/fleet/node-1', '.node'],
  ['scaling', '/scaling', '.moment'],
  ['activity', '/activity', '.events li'],
  ['lost', '/nowhere', '.empty'],
  ['docs', '/api/docs', '.operation'],
];

export async function allLooks({ base, token, only }) {
  const browser = await launch();
  const bad = [];
  try {
    for (const look of Object.keys(looks)) {
      const { page, context, wrong } = await open(browser, base, look);
      const rules = look === 'dark' ? ['color-contrast'] : undefined; // the rest does not depend on the colours
      await page.goto('/');
      await page.locator('.login').waitFor();
      if (!only) await shoot(page, `login-${look}`);
      if (!only) bad.push(...(await check(page, `login-${look}`)));
      await logIn(page, token);
      for (const [name, path, sign] of pages) {
        if (only && !name.includes(only)) continue;
        await page.goto(path);
        await page.locator(sign).first().waitFor();
        await page.waitForTimeout(250); // pictures only: charts and the terminal draw in the next frames
        await shoot(page, `${name}-${look}`);
        bad.push(...(await check(page, `${name}-${look}`, rules)), ...(await overflow(page, `${name}-${look}`)), ...(await violations(page)).map((v) => `${name}-${look} policy ${v}`));
      }
      if (!only) bad.push(...(await dialogs(page, look)));
      bad.push(...wrong.map((w) => `${look} ${w}`));
      await context.close();
    }
    assert.deepEqual(bad, []);
  } finally {
    await browser.close();
  }
}

async function dialogs(page, look) {
  const bad = [];
  const look1 = async (name) => {
    await page.waitForTimeout(150);
    await shoot(page, `${name}-${look}`);
    bad.push(...(await check(page, `${name}-${look}`)), ...(await overflow(page, `${name}-${look}`)));
  };
  await page.goto('/servers');
  await page.locator('.table tbody tr').first().waitFor();
  await page.keyboard.press('Control+k');
  await page.locator('.palette-input').fill('surv');
  await look1('palette');
  await page.keyboard.press('Escape');
  await page.locator('.table tbody input[type=checkbox]').nth(0).check();
  await page.locator('.table tbody input[type=checkbox]').nth(2).check();
  await look1('bulk');
  await page.locator('.cell-more button').first().click();
  await look1('menu');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await look1('help');
  await page.keyboard.press('Escape');
  await page.goto('/fleet');
  await page.getByRole('button', { name: 'Add a node' }).click();
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.locator('.command-box').waitFor();
  await look1('token');
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Actions for node-1' }).click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  await look1('revoke');
  return bad;
}
