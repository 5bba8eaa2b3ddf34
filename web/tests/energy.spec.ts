import { expect, test, type Page } from '@playwright/test';
import { CHROMIUM } from '../playwright.config';
import { Elsewhere } from './elsewhere';
import { accessible, shot, SHOTS } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

const whole = async (page: Page, name: string) => {
  if (!SHOTS) return;
  // The dialog scrolls; a tall window shows all of it.
  const before = page.viewportSize();
  await page.setViewportSize({ width: before?.width ?? 1280, height: 2200 });
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
  if (before) await page.setViewportSize(before);
};

let there: Elsewhere;
let server: HobServer;

test.beforeAll(async () => {
  if (!CHROMIUM || !HOB) return;
  there = await Elsewhere.start(() => ['Elsewhere.'], { read: 2000, written: 1000 });
  server = await HobServer.start();
});
test.afterAll(() => {
  server?.stop();
  there?.stop();
});

const send = (method: string, path: string, body: unknown) =>
  fetch(`${server.url}${path}`, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** A conversation with answers on many days: estimated ones, measured ones, some that nobody looked at, some from elsewhere. */
async function fill() {
  const DAY = 86_400_000;
  const messages: object[] = [{ id: 'question1', role: 'user', text: 'What of it?', created: Date.now() }];
  for (let ago = 0; ago < 27; ago += 1) {
    for (let at = 0; at < (ago * 7) % 5; at += 1) {
      const stats: Record<string, unknown> = { prompt_tokens: 900, answer_tokens: 300, per_second: 20, first_token_ms: 800 };
      const [low, high] = [60 + 9 * ago, 420 + 40 * ago];
      if (at === 1) stats.energy = { method: 'measured', scope: 'processor', joules_low: 300, joules_high: 300, about: 'RAPL, package-0' };
      if (at === 2) stats.energy = { method: 'estimated', scope: 'cores', joules_low: low, joules_high: high, about: 'time' };
      if (at === 3) stats.elsewhere = { target: 'big', sent_bytes: 4000, hidden: 1, dollars: 0.01, ledger_entry: ago + 1 };
      messages.push({ id: `answer${ago}x${at}00`, parent: 'question1', role: 'assistant', text: 'This.', created: Date.now() - ago * DAY, stats });
    }
  }
  const chat = { id: 'chatchat1', title: 'Numbers', created: 1, updated: Date.now(), leaf: null };
  expect((await send('PUT', '/hob/v1/chats/chatchat1', { chat, messages })).status).toBe(200);
}

async function open(page: Page) {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('button', { name: /^(Private|Ask|Hybrid|Offline)$/ }).click();
  await page.getByRole('tab', { name: 'Energy and cost' }).click();
  return page.getByRole('dialog', { name: 'Privacy' });
}

test('an answer says what it took, and the panel of nothing says that', async ({ page }) => {
  const panel = await open(page);
  await expect(panel.getByText('No answers in the last 30 days')).toBeVisible();
  await expect(panel.getByRole('rowheader', { name: 'Gemini, by Google' })).toBeVisible();
  await accessible(page);
  await shot(page, 'energy-none');
  await page.keyboard.press('Escape');
  const field = page.getByRole('textbox', { name: 'Message', exact: true });
  await field.fill('Hello');
  await field.press('Enter');
  const answer = page.locator('article:not(.user)').last();
  const took = /(≈ [\d.,]+–[\d.,]+ J \(estimated\)|[\d.,]+ J \(measured, whole processor\))/;
  await expect(answer).toContainText(took, { timeout: 30_000 });
  await shot(page, 'energy-answer');
  // It is kept with the answer.
  const text = (await answer.textContent())?.match(took)?.[0] ?? '';
  await page.reload();
  await expect(page.locator('article:not(.user)').last()).toContainText(text);
  await page.setViewportSize({ width: 390, height: 800 });
  await shot(page, 'energy-answer-phone');
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
});

test('days, money and figures of others stand in the panel', async ({ page }) => {
  await fill();
  const panel = await open(page);
  // Nothing tells a price yet, so nothing is said of money that was not spent until somebody does.
  await expect(panel.getByRole('img', { name: /^Money: \$0 spent\. choose a price/ })).toBeVisible();
  await panel.getByRole('spinbutton', { name: '$ for a million tokens read' }).fill('3');
  await panel.getByRole('spinbutton', { name: '$ written' }).fill('15');
  await expect(panel.getByRole('img', { name: /^Money: \$0 spent, \$0\.\d\d not spent/ })).toBeVisible();
  await expect(panel.getByRole('img', { name: /^Energy here: [\d.,]+ Wh measured \(answers: \d+\), [\d.,]+–[\d.,]+ Wh estimated \(\d+\)/ })).toBeVisible();
  await expect(panel.getByText('assumed from what is published below')).toBeVisible();
  // What cannot be told apart is said in words.
  await expect(panel.getByText(/^(Worse here|Cannot be told apart)/).first()).toBeVisible();
  await panel.getByText('Every day as a table').click();
  const table = panel.getByRole('region', { name: 'Every day' });
  await expect(table.getByRole('columnheader', { name: 'Not spent', exact: true })).toBeVisible();
  expect(await table.getByRole('row').count()).toBeGreaterThan(15);
  await accessible(page);
  await whole(page, 'energy-light');

  const address = there.address;
  const target = { name: 'big', model: 'big-1', address, input_price: 2.5, output_price: 10 };
  expect((await send('POST', '/hob/v1/cloud/targets', target)).status).toBe(200);
  await send('POST', '/hob/v1/cloud/mode', { mode: 'ask' });
  const messages = [{ role: 'user', content: 'A question that leaves' }];
  const told = await (await send('POST', '/v1/chat/completions', { model: 'cloud/big', messages })).json();
  expect([told.hob.energy, told.hob.energy_elsewhere.method]).toEqual([null, 'assumed']);
  await page.keyboard.press('Escape');
  const again = await open(page);
  await expect(again.getByRole('combobox', { name: /At the price of/ })).toHaveValue('big');
  await expect(again.getByRole('img', { name: /^Money: \$0\.0\d spent, \$0\.\d\d not spent/ })).toBeVisible();
  await expect(again.getByRole('img', { name: /^Sent: .* in one question/ })).toBeVisible();
  await page.emulateMedia({ colorScheme: 'dark' });
  await accessible(page);
  await whole(page, 'energy-dark');
  await page.setViewportSize({ width: 390, height: 800 });
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  const dialog = page.locator('dialog[open] .inner');
  expect(await dialog.evaluate((inner) => inner.scrollWidth <= inner.clientWidth)).toBe(true);
  await whole(page, 'energy-dark-phone');
  await page.emulateMedia({ colorScheme: 'light' });
  await whole(page, 'energy-light-phone');
});

test('a machine that takes more is told so', async ({ page }) => {
  const energy = { method: 'measured', scope: 'computer', joules_low: 9e6, joules_high: 9e6, about: 'battery BAT0' };
  const messages = [
    { id: 'question1', role: 'user', text: '?', created: Date.now() },
    { id: 'answer0001', parent: 'question1', role: 'assistant', text: 'Much.', created: Date.now(), model: 'ember', stats: { answer_tokens: 50, per_second: 1, energy } },
  ];
  const chat = { id: 'chatchat2', title: 'Much', created: 1, updated: Date.now(), leaf: 'answer0001' };
  expect((await send('PUT', '/hob/v1/chats/chatchat2', { chat, messages })).status).toBe(200);
  const panel = await open(page);
  await expect(panel.getByText(/^Worse here: .*Google/)).toBeVisible();
  await expect(panel.getByRole('cell', { name: /times MORE/ }).first()).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Much' }).click();
  await expect(page.locator('article:not(.user)').last()).toContainText('9,000,000 J (measured, whole computer)');
});
