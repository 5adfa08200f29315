// Chromium for the journeys: real browser, strict policy watched, pictures in three looks, axe on every page.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const pictures = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../../build/screenshots/', import.meta.url));
mkdirSync(pictures, { recursive: true });

export const looks = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
};

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page that remembers what went wrong in it: errors, blocked loads, requests to other hosts. */
export async function open(browser, base, look = 'light', locale = 'en-GB') {
  const context = await browser.newContext({ ...looks[look], locale, reducedMotion: 'reduce', baseURL: base });
  const page = await context.newPage();
  const wrong = [];
  await page.addInitScript(() => {
    window.__violations = [];
    document.addEventListener('securitypolicyviolation', (e) => window.__violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample} ${e.sourceFile}:${e.lineNumber}`));
  });
  page.on('pageerror', (e) => wrong.push(`error: ${e.stack ?? e}`));
  page.on('console', (m) => {
    // Docker's bridges on the same machine make Chromium drop requests now and then; the page tries again, as it must.
    // What the policy blocked is counted by the event above, which the tools' own marks can be taken out of.
    if (m.type() === 'error' && !/status of 4\d\d|Content Security Policy|ERR_NETWORK_CHANGED/.test(m.text())) wrong.push(`console: ${m.text()}`);
  });
  page.on('request', (r) => {
    if (!r.url().startsWith(base) && !r.url().startsWith('data:') && !r.url().startsWith('blob:')) wrong.push(`other host: ${r.url()}`);
  });
  page.setDefaultTimeout(Number(process.env.STEP_TIMEOUT ?? 15_000));
  return { page, context, wrong };
}

export async function shoot(page, name, fullPage = false) {
  await aside(page, () => page.screenshot({ fullPage, path: `${pictures.replace(/\/?$/, '/')}${name}.png`, caret: 'initial' }));
}

/** Does what a tool does to the page (a style element for a picture, axe's probes) without blaming the page for it. */
async function aside(page, work) {
  const before = await violations(page);
  const result = await work();
  await page.evaluate((kept) => { window.__violations = kept; }, before);
  return result;
}

/** Serious findings of axe on what is shown; all of its rules, or only some. */
export async function check(page, name, rules) {
  const result = await aside(page, async () => {
    await page.evaluate(axe);
    return page.evaluate((only) => window.axe.run(document, { resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) }), rules);
  });
  return result.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map((v) => `axe ${name}: ${v.id} (${v.impact}) ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} — ${n.any[0]?.message ?? n.failureSummary}`).join(' | ')}`);
}

export async function violations(page) {
  return page.evaluate(() => window.__violations.splice(0));
}

/** Nothing may reach over the edge of a phone. */
export async function overflow(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  return over > 0 ? [`${name}: ${over} px wider than the window`] : [];
}

export async function logIn(page, token) {
  await page.goto('/');
  await page.getByLabel(/Operator token|Betreiber-Token/).fill(token);
  await page.getByRole('button', { name: /^(Log in|Anmelden)$/ }).click();
  await page.locator('.topbar').waitFor();
}
