import { expect, test, type Page } from '@playwright/test';
import { CHROMIUM } from '../playwright.config';
import { accessible, answers, field, shot } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

let server: HobServer;
test.beforeAll(async () => {
  if (CHROMIUM && HOB) server = await HobServer.start();
});
test.beforeEach(() => server?.forget());
test.afterAll(() => server?.stop());

const settings = (page: Page) => page.getByRole('button', { name: 'Settings', exact: true });
const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

async function open(page: Page) {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await expect(field(page)).toBeVisible();
  await settings(page).click();
}

async function ended(page: Page, count: number) {
  await expect(answers(page)).toHaveCount(count);
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
}

async function say(page: Page, text: string) {
  const before = await answers(page).count();
  await field(page).fill(text);
  await field(page).press('Enter');
  await ended(page, before + 1);
}

test('answers follow a schema, and what is wrong with it is said at its field', async ({ page }) => {
  await open(page);
  await page.getByText('Answers as JSON').click();
  const schema = page.getByRole('textbox', { name: 'JSON schema' });
  const about = page.locator('#schema-about');
  await schema.fill('{"type": ');
  await schema.blur();
  await expect(about).toContainText('This is not JSON yet');
  await expect(schema).toHaveAttribute('aria-invalid', 'true');
  await shot(page, 'schema-wrong');
  await accessible(page);
  await page.getByRole('combobox', { name: 'JSON schema: start from' }).selectOption('Yes or no, with a reason');
  await expect(about).toContainText('Every answer follows it');
  await expect(schema).toHaveValue(/"reason"/);
  await say(page, 'Is Paris in France?');
  const code = answers(page).first().getByRole('region', { name: 'Code, json' });
  const answer = JSON.parse(await code.innerText());
  expect(Object.keys(answer)).toEqual(['reason', 'answer']);
  expect([typeof answer.reason, typeof answer.answer]).toEqual(['string', 'boolean']);
  await expect(code.locator('.hljs-attr').first()).toBeVisible();
  expect(await code.innerText()).toContain('\n  "reason": ');
  await shot(page, 'schema-answer');
  await accessible(page);
  await page.reload();
  await expect(code).toContainText('"answer"');
  await settings(page).click();
  await expect(schema).toHaveValue(/"reason"/);

  // What the server does not enforce is refused by name and place, at the message and at the field.
  await schema.fill('{"type": "object", "properties": {"all": {"type": "array", "contains": {"type": "string"}}}}');
  await schema.blur();
  await say(page, 'And Rome?');
  await expect(about).toContainText('“properties › all › contains”');
  await expect(answers(page).last().getByRole('alert')).toContainText('Answers as JSON');
  await expect(about).toBeInViewport();
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'schema-refused-dark');
  await accessible(page);
  await page.getByRole('button', { name: 'Clear' }).click();
  await expect(about).toContainText('Empty: the model answers as it likes');
  await answers(page).last().getByRole('button', { name: 'Try again' }).click();
  await expect(answers(page).last().locator('.markdown')).not.toBeEmpty({ timeout: 60_000 });
  await ended(page, 2);
});

test('calls of tools are shown, their results are given, and the answer goes on', async ({ page }) => {
  const asked: { tools?: unknown[]; tool_choice?: string; messages: { role: string; content: string; tool_call_id?: string }[] }[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/chat/completions')) asked.push(request.postDataJSON());
  });
  await open(page);
  await page.getByText('Tools', { exact: true }).click();
  const tools = page.getByRole('textbox', { name: 'Functions' });
  await tools.fill('[{"name": "two words"}]');
  await tools.blur();
  await expect(page.locator('#tools-about')).toContainText('Tool 1: expected a name');
  await page.getByRole('combobox', { name: 'Functions: start from' }).selectOption('Weather in a city');
  await page.getByRole('combobox', { name: 'The model calls them' }).selectOption('In every answer to you');
  await shot(page, 'tools-settings');
  await accessible(page);
  await say(page, 'What is the weather in Oslo?');
  const card = answers(page).first().getByRole('region', { name: 'Call of get_weather' }).first();
  expect(JSON.parse(await card.getByRole('region', { name: 'Code, json' }).innerText())).toHaveProperty('city');
  await shot(page, 'tools-call');
  await accessible(page);
  await page.reload();
  const results = answers(page).first().getByRole('textbox', { name: /Result of get_weather/ });
  await expect(results.first()).toBeVisible();
  const send = page.getByRole('button', { name: /Send results?/ });
  await expect(send).toBeDisabled();
  for (const result of await results.all()) await result.fill('Rain, 4 degrees');
  await send.click();
  await ended(page, 2);
  await expect(card).toContainText('Rain, 4 degrees');
  const [first, second] = asked;
  expect([first?.tool_choice, first?.tools?.length]).toEqual(['required', 1]);
  expect(second?.tool_choice).toBe('auto');
  expect(second?.messages.map(({ role }) => role).filter((role) => role !== 'tool')).toEqual(['user', 'assistant']);
  expect(second?.messages.at(-1)).toMatchObject({ role: 'tool', content: 'Rain, 4 degrees' });
  await page.reload();
  await expect(card).toContainText('Rain, 4 degrees');
  await expect(results).toHaveCount(0);
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'tools-result-dark');
  await accessible(page);
  await page.setViewportSize({ width: 390, height: 800 });
  await shot(page, 'tools-result-phone');
  expect(await overflow(page)).toBe(0);
  await settings(page).click();
  await page.locator('#tools-about').scrollIntoViewIfNeeded();
  await shot(page, 'tools-settings-phone');
  expect(await overflow(page)).toBe(0);
  await accessible(page);
});
