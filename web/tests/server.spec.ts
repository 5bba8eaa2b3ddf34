import { expect, test, type Page } from '@playwright/test';
import jsQR from 'jsqr';
import { networkInterfaces } from 'node:os';
import { CHROMIUM } from '../playwright.config';
import { accessible, field, shot } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

let server: HobServer;
test.beforeAll(async () => {
  if (CHROMIUM && HOB) server = await HobServer.start('--require-key', '--api-key', 'planted-master');
});
test.afterAll(() => server?.stop());

async function say(page: Page, text: string) {
  await field(page).fill(text);
  await field(page).press('Enter');
  await expect(page.locator('article:not(.user)')).toHaveCount(1);
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
}

test('keys are made, used by a phone, seen in the requests, and revoked', async ({ page, browser }) => {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('textbox', { name: 'Key', exact: true }).fill('planted-master');
  await page.keyboard.press('Enter');
  await expect(field(page)).toBeVisible();
  await page.getByRole('button', { name: 'Server', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Server' });
  await expect(dialog.getByText('Only this machine can reach it.')).toBeVisible();
  await expect(dialog.getByText('There are no keys.')).toBeVisible();
  await shot(page, 'server-empty');
  await accessible(page);
  await dialog.getByRole('button', { name: 'New key' }).click();
  await dialog.getByRole('textbox', { name: 'Name' }).fill('phone');
  await dialog.getByRole('checkbox', { name: 'Kept conversations' }).check();
  await dialog.getByRole('spinbutton', { name: 'Tokens a day' }).fill('5000');
  await shot(page, 'server-new-key');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Make the key' }).click();
  const text = await dialog.locator('.made code').innerText();
  expect(text).toMatch(/^hob-\w{32}$/);
  await shot(page, 'server-key-made');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog.getByText(text)).toHaveCount(0);

  // The phone opens the address that a QR code holds.
  const phone = await (await browser.newContext({ viewport: { width: 380, height: 760 }, reducedMotion: 'reduce' })).newPage();
  await phone.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  const asked: string[] = [];
  phone.on('request', (request) => asked.push(request.url()));
  await phone.goto(`${server.url}/#key=${text}`);
  await expect(field(phone)).toBeVisible();
  expect(phone.url()).not.toContain(text);
  expect(asked.join(' ')).not.toContain(text);
  await say(phone, 'Name a colour.');
  await expect(phone.locator('article:not(.user) .markdown')).not.toBeEmpty();

  await dialog.getByRole('tab', { name: 'Requests' }).click();
  const row = dialog.getByRole('row', { name: /chat\/completions/ }).first();
  await expect(row).toContainText('phone');
  await expect(row).toContainText('200');
  await shot(page, 'server-requests');
  await accessible(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'server-requests-dark');
  await accessible(page);

  await dialog.getByRole('tab', { name: 'Keys' }).click();
  await expect(dialog.getByText(/of 5,000 tokens today/)).toBeVisible();
  await shot(page, 'server-keys-dark');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Revoke phone' }).click();
  await dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await expect(dialog.getByText('There are no keys.')).toBeVisible();
  await phone.reload();
  await expect(phone.getByRole('heading', { name: 'This server wants a key' })).toBeVisible();
  await phone.context().close();
});

test('the server fits on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await page.addInitScript(() => {
    localStorage.setItem('hob.welcomed', 'yes');
    sessionStorage.setItem('hob.key', 'planted-master');
  });
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Show the list' }).click();
  await page.getByRole('button', { name: 'Server', exact: true }).click();
  await page.getByRole('button', { name: 'New key' }).click();
  await shot(page, 'server-phone-key');
  await accessible(page);
  await page.getByRole('tab', { name: 'Requests' }).click();
  await expect(page.getByRole('table')).toBeVisible();
  // Nothing of it has to be pushed aside to be read, whatever it is in.
  await expect(page.getByRole('row', { name: /GET \/hob\/v1\/machine/ }).first()).toBeVisible();
  const wider = await page.getByRole('dialog').evaluate((dialog) =>
    [dialog, ...dialog.querySelectorAll('*')]
      .filter((element) => element.scrollWidth > element.clientWidth && /auto|scroll/.test(getComputedStyle(element).overflowX))
      .map((element) => element.className),
  );
  expect(wider).toEqual([]);
  await shot(page, 'server-phone-requests');
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test('the code that pairs a phone holds its address', async ({ browser }) => {
  const reach = Object.values(networkInterfaces()).flat().some((one) => one?.family === 'IPv4' && !one.internal);
  test.skip(!reach, 'this machine has no address that a phone could come to');
  const open = await HobServer.start('--host', '0.0.0.0', '--api-key', 'planted-master');
  try {
    const page = await (await browser.newContext({ reducedMotion: 'reduce' })).newPage();
    await page.addInitScript(() => {
      localStorage.setItem('hob.welcomed', 'yes');
      sessionStorage.setItem('hob.key', 'planted-master');
    });
    await page.goto(`http://127.0.0.1:${new URL(open.url).port}/`);
    await page.getByRole('button', { name: 'Server', exact: true }).click();
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('phone');
    const made = page.waitForResponse((response) => response.url().endsWith('/hob/v1/keys') && response.request().method() === 'POST');
    await page.getByRole('button', { name: 'Make the key' }).click();
    const { text, pairings } = await (await made).json();
    const codes = page.getByRole('img', { name: /QR code/ });
    await expect(codes).toHaveCount(pairings.length);
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [index, { url }] of pairings.entries()) {
        expect(url.endsWith(`/#key=${text}`)).toBe(true);
        expect(await decoded(page, await codes.nth(index).screenshot())).toBe(url);
      }
      await shot(page, `server-pairing-${scheme}`);
    }
    await accessible(page);
    // A phone that follows what its camera read is in.
    const phone = await (await browser.newContext({ viewport: { width: 390, height: 800 } })).newPage();
    await phone.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
    await phone.goto(pairings[0].url);
    await expect(field(phone)).toBeVisible();
    await expect(phone.getByRole('heading', { name: 'This server wants a key' })).toHaveCount(0);
    await phone.context().close();
    await page.context().close();
  } finally {
    await open.stop();
  }
});

/** What a camera reads in a picture. The browser takes the picture apart; another program reads the code. */
async function decoded(page: Page, picture: Buffer): Promise<string | undefined> {
  const { width, height, pixels } = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    context?.drawImage(bitmap, 0, 0);
    const data = context?.getImageData(0, 0, bitmap.width, bitmap.height).data ?? [];
    return { width: bitmap.width, height: bitmap.height, pixels: Array.from(data) };
  }, picture.toString('base64'));
  return jsQR(Uint8ClampedArray.from(pixels), width, height)?.data;
}
