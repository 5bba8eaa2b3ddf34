import { expect, test, type Page } from '@playwright/test';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM } from '../playwright.config';
import { HUB, Hub, MODEL } from './hub';
import { accessible, shot } from './looks';
import { HOB, HobServer } from './server';

const missing = !CHROMIUM ? 'there is no Chromium' : !HOB ? 'there is no hob: run `cargo build -p hob-cli`' : !HUB ? 'there is no hub: run `cargo build -p hob-testhub --example hub`' : '';
if (missing) console.error(`\n*** The browser tests of models do not run: ${missing} ***\n`);
test.skip(missing !== '', missing);

let hub: Hub;
let server: HobServer;
let others: string;
test.beforeAll(async () => {
  if (missing) return;
  // What another program keeps on this machine.
  others = mkdtempSync(join(tmpdir(), 'page-others-'));
  const folder = join(others, '.lmstudio/models/pub/Tiny-GGUF');
  mkdirSync(folder, { recursive: true });
  copyFileSync(MODEL, join(folder, 'Tiny-Q8_0.gguf'));
  hub = await Hub.start('o/tales');
  server = await HobServer.startIn({ HOME: others, HF_ENDPOINT: hub.endpoint, HF_TOKEN: '' }, '--allow-hub', hub.storage);
});
test.afterAll(async () => {
  await server?.stop();
  hub?.stop();
  if (others) rmSync(others, { recursive: true, force: true });
});

async function open(page: Page) {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.keyboard.press('Alt+Shift+M');
  await expect(page.getByRole('heading', { name: 'Models', exact: true })).toBeVisible();
}

const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

test('a model is looked up, pulled, paused, killed, resumed and chatted with', async ({ page }) => {
  test.setTimeout(300_000);
  hub.say('slow 200000');
  await open(page);
  await expect(page.getByText('No models are kept here yet')).toBeVisible();
  await shot(page, 'models-none');
  await page.getByRole('tab', { name: 'Get more' }).click();
  await page.getByRole('searchbox', { name: 'Search models' }).fill('o/tales');
  await page.keyboard.press('Enter');
  const found = page.getByRole('region', { name: /Found/ });
  await expect(found.getByText('apache-2.0')).toBeVisible();
  await shot(page, 'models-plan');
  await accessible(page);
  await found.getByRole('button', { name: 'Get it' }).click();
  const row = page.getByRole('region', { name: 'On their way' }).getByRole('listitem');
  // What a kill leaves are whole pieces, and several are on their way at a time.
  await expect(row.getByText(/[5-7]\.\d MB of 8\.1 MB \(\d+ %\)/)).toBeVisible();
  await row.getByRole('button', { name: /Pause/ }).click();
  await expect(row.getByText('Paused')).toBeVisible();
  await shot(page, 'models-paused');
  await accessible(page);
  // So slow that it cannot end before the server does.
  hub.say('slow 20000');
  await row.getByRole('button', { name: /Resume/ }).click();
  await expect(row.getByText('B/s')).toBeVisible();
  await shot(page, 'models-pulling');
  // The pull goes on without the page, and the page finds it again.
  await page.reload();
  await expect(page.getByRole('button', { name: /^\d+ %$/ })).toBeVisible();
  await page.keyboard.press('Alt+Shift+M');
  await expect(row.getByText('Fetching')).toBeVisible();
  // Killed in the middle of it; the page hears of the next server by itself.
  await server.killAndRestart();
  await expect(row.getByText('Paused')).toBeVisible();
  await expect(row.getByText(/[1-7]\.\d MB of 8\.1 MB/)).toBeVisible();
  hub.say('heal');
  await row.getByRole('button', { name: /Resume/ }).click();
  await expect(page.getByText('hf.co/o/tales:Q8_0 is here.')).toBeVisible();
  await expect(row.getByText('Here', { exact: true })).toBeVisible();
  await row.getByRole('button', { name: /off this list/ }).click();
  await page.getByRole('tab', { name: 'Here' }).click();
  await expect(page.getByText('BF16', { exact: true })).toBeVisible();
  await shot(page, 'models-here');
  await accessible(page);
  await page.getByRole('button', { name: 'Chat with hf.co/o/tales:Q8_0' }).click();
  const field = page.getByRole('textbox', { name: 'Message', exact: true });
  await field.fill('Who are you?');
  await field.press('Enter');
  await expect(page.locator('article:not(.user) .markdown')).not.toBeEmpty({ timeout: 60_000 });
});

test('what goes wrong is said with a way on', async ({ page }) => {
  hub.say('flip');
  await open(page);
  await page.evaluate(() => fetch('/hob/v1/shelf/models/hf.co/o/tales:Q8_0', { method: 'DELETE' }));
  await page.getByRole('tab', { name: 'Get more' }).click();
  const search = page.getByRole('searchbox', { name: 'Search models' });
  await search.fill('hf.co/o/nothing');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert').getByText('does not exist')).toBeVisible();
  await search.fill('hf.co/o/tales');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Get it' }).click();
  const row = page.getByRole('region', { name: 'On their way' }).getByRole('listitem');
  await expect(row.getByText('expected SHA-256')).toBeVisible();
  await expect(row.getByText('Resume to fetch it again')).toBeVisible();
  await shot(page, 'models-failed');
  await accessible(page);
  hub.say('heal');
  await row.getByRole('button', { name: /Try again|Resume/ }).click();
  await expect(row.getByText('Here', { exact: true })).toBeVisible();
  await row.getByRole('button', { name: /off this list/ }).click();
});

test('models of other programs are adopted, and deleted only from here', async ({ page }) => {
  await open(page);
  await page.getByRole('tab', { name: 'In other programs' }).click();
  await expect(page.getByText('LM Studio ·')).toBeVisible();
  await shot(page, 'models-found');
  await accessible(page);
  await page.getByRole('button', { name: /^Adopt/ }).click();
  await expect(page.getByText(/Tiny:Q8_0 is here\./)).toBeVisible();
  // The tabs are walked with the arrow keys.
  await page.getByRole('tab', { name: 'In other programs' }).press('Home');
  await expect(page.getByRole('tab', { name: 'Here' })).toBeFocused();
  await page.getByRole('button', { name: /^Delete .*Tiny/ }).click();
  await shot(page, 'models-delete');
  await accessible(page);
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(page.getByText(/Tiny:Q8_0 was removed/)).toBeVisible();
  expect(existsSync(join(others, '.lmstudio/models/pub/Tiny-GGUF/Tiny-Q8_0.gguf'))).toBe(true);
});

test('the catalogue, dark and on a phone', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await open(page);
  await page.getByRole('tab', { name: 'Get more' }).click();
  await expect(page.getByText('Fits this machine').first()).toBeVisible();
  await expect(page.getByText(/about .* tokens\/s/).first()).toBeVisible();
  await shot(page, 'models-known-dark');
  await accessible(page);
  await page.getByRole('searchbox', { name: 'Search models' }).fill('qwen3');
  await expect(page.getByRole('button', { name: 'Get qwen3-0.6b:Q8_0' })).toBeVisible();
  await page.setViewportSize({ width: 380, height: 760 });
  await shot(page, 'models-known-phone');
  expect(await overflow(page)).toBe(0);
  await accessible(page);
  // The first one clears the field, as browsers have it.
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('heading', { name: 'Models', exact: true })).toHaveCount(0);
});

test('the first run offers what fits, what is here and what others hold', async ({ page }) => {
  await page.goto(server.url);
  await expect(page.getByText('Graphics')).toBeVisible();
  await shot(page, 'welcome-1');
  await accessible(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  // How many depends on how fast this machine is.
  await expect(page.getByText('to fetch', { exact: false }).first()).toBeVisible();
  await expect(page.getByText('Works at once')).toBeVisible();
  await shot(page, 'welcome-2');
  await accessible(page);
  await page.getByRole('radio', { name: /Tiny/ }).check();
  await page.getByRole('button', { name: 'Continue' }).click();
  await shot(page, 'welcome-3');
  await accessible(page);
  await page.getByRole('button', { name: 'Start chatting' }).click();
  await expect(page.getByText(/Tiny:Q8_0 is here\./)).toBeVisible();
  await page.getByRole('button', { name: 'New chat' }).first().click();
  await expect(page.getByRole('button', { name: /Model:.*Tiny/ })).toBeVisible();
});

test('offline is said, and nothing can be fetched', async ({ page }) => {
  const offline = await HobServer.startIn({ HOME: others }, '--offline');
  try {
    await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
    await page.goto(offline.url);
    await expect(page.getByRole('navigation').getByText('Offline')).toBeVisible();
    await page.keyboard.press('Alt+Shift+M');
    await page.getByRole('tab', { name: 'Get more' }).click();
    await expect(page.getByText('network forbidden')).toBeVisible();
    await expect(page.getByRole('button', { name: /^Get / }).first()).toBeDisabled();
    await accessible(page);
  } finally {
    await offline.stop();
  }
});
