import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { CHROMIUM } from '../playwright.config';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

const SHOTS = process.env.SHOTS;
const shot = async (page: Page, name: string) => {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png` });
};

let server: HobServer;
test.beforeAll(async () => {
  if (CHROMIUM && HOB) server = await HobServer.start('--require-key', '--api-key', 'planted-master');
});
test.afterAll(() => server?.stop());

async function accessible(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map((v) => `${v.id}: ${v.nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
}

const field = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });

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
  await page.setViewportSize({ width: 380, height: 760 });
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
  await shot(page, 'server-phone-requests');
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});
