import { expect, test } from '@playwright/test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM } from '../playwright.config';
import { Elsewhere } from './elsewhere';
import { accessible, answer, field, shot } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

/** A model elsewhere that writes the last marked place anew, and the first where there are several, once it may. */
let there: Elsewhere;
let server: HobServer;
let mayAnswer: Promise<void>;
let letAnswer: () => void;
const asked: string[] = [];

const waits = () => (mayAnswer = new Promise((done) => (letAnswer = done)));

/** Places of a draft with marks. */
const placesIn = (draft: string): string[] => [...draft.matchAll(/⟦(\d+)⟧(.*?)⟦\/\1⟧/gs)].map(([, , inside]) => inside ?? '');

test.beforeAll(async () => {
  if (!CHROMIUM || !HOB) return;
  const said = async (body: string): Promise<string[]> => {
    const draft: string = JSON.parse(body).messages.at(-2).content;
    asked.push(draft);
    await mayAnswer;
    const count = placesIn(draft).length;
    const edits = [{ span: count, text: 'Lima, "la Ciudad"' }, ...(count > 1 ? [{ span: 1, text: 'I believe the' }] : [])];
    return [JSON.stringify({ edits })];
  };
  there = await Elsewhere.start(said, { read: 20, written: 10 });
  server = await HobServer.start();
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/cloud/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const address = there.address;
  await post('targets', { name: 'big', model: 'big-1', address, input_price: 1000, output_price: 1000 });
  await post('mode', { mode: 'hybrid' });
  // What its answers are worth has to be known; with such a policy every complete one is asked about where doubt sits in places,
  // and towns are no secret.
  const questions = join(server.home, 'questions.jsonl');
  const lines = ['Maria', 'Tom', 'Anna', 'Peter', 'Lucy'].flatMap((who) =>
    ['car', 'hat', 'boat', 'door'].flatMap((what) =>
      ['red', 'blue', 'green', 'yellow', 'black', 'white'].map((answer) =>
        JSON.stringify({ prompt: `${who} has a ${answer} ${what}. What colour is the ${what}?`, answer }),
      ),
    ),
  );
  writeFileSync(questions, `${lines.join('\n')}\n`);
  await server.hob({}, 'route', 'calibrate', 'ember', '--file', questions);
  writeFileSync(join(server.home, 'policy.toml'), 'allow = ["cloud", "organisation"]\nquality = 0.0\nhandover = { below = 0.0, repair = 0.9999 }\n[privacy.labels]\nPLACE = "allow"\n');
});
test.afterAll(() => {
  letAnswer?.();
  server?.stop();
  there?.stop();
});

test('places of an answer are written anew at its end, marked, and kept with what stood there', async ({ page }) => {
  waits();
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  // The same words every time.
  await page.route('**/v1/chat/completions', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), temperature: 0 }) }));
  await page.goto(server.url);
  await field(page).fill('What is the capital of Peru?');
  await field(page).press('Enter');
  // The local answer is there while the other model is asked.
  await expect(answer(page)).toContainText(/Asking big about \d places?…/, { timeout: 60_000 });
  await expect.poll(() => asked.length).toBe(1);
  const before = placesIn(asked[0] ?? '');
  const draft = (asked[0] ?? '').replaceAll(/⟦\/?\d+⟧/g, '');
  expect(before.length).toBeGreaterThan(0);
  await expect(answer(page).locator('.markdown')).toHaveText(draft);
  await shot(page, 'repair-asking');
  await accessible(page);
  letAnswer();

  const mark = answer(page).locator('.markdown ins').last();
  await expect(mark).toHaveText(`Lima, "la Ciudad" (before: ${before.at(-1)})`);
  await expect(mark).toHaveAttribute('title', `Before: ${before.at(-1)}`);
  const count = Math.min(before.length, 2);
  await expect(answer(page).locator('.markdown ins')).toHaveCount(count);
  const receipt = new RegExp(`${count} places? by big: .* sent, 0 hidden, \\$0\\.03`);
  await expect(answer(page)).toContainText(receipt);
  await expect(answer(page)).not.toContainText('Asking big');
  await shot(page, 'repair-light');
  await accessible(page);
  const list = answer(page).getByText(/^\d places? changed$/);
  await list.click();
  await expect(answer(page).locator('details li').last()).toContainText(before.at(-1) ?? '');
  await expect(answer(page).locator('details li').last()).toContainText('Lima');
  for (const [name, width, scheme] of [['open', 1280, 'light'], ['dark', 1280, 'dark'], ['phone', 390, 'light'], ['dark-phone', 390, 'dark']] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 800 });
    await shot(page, `repair-${name}`);
    await accessible(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  }
  // It is kept, and goes along with what is asked next.
  await page.reload();
  await expect(mark).toHaveAttribute('title', `Before: ${before.at(-1)}`);
  await expect(answer(page)).toContainText(receipt);
  const { chats } = await (await fetch(`${server.url}/hob/v1/chats`)).json();
  const { messages } = await (await fetch(`${server.url}/hob/v1/chats/${chats[0].id ?? chats[0].chat.id}/messages`)).json();
  expect(messages.at(-1).text).toContain('Lima, "la Ciudad"');
  expect(messages.at(-1).text).not.toContain('before:');
});

test('who does not want to wait keeps the answer of this machine', async ({ page }) => {
  waits();
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.route('**/v1/chat/completions', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), temperature: 0, hob: { ...route.request().postDataJSON().hob, fresh: true } }) }));
  await page.goto(server.url);
  const before = asked.length;
  await field(page).fill('What is the capital of Peru?');
  await field(page).press('Enter');
  await expect(answer(page)).toContainText('Asking big about', { timeout: 60_000 });
  await expect.poll(() => asked.length).toBe(before + 1);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByRole('button', { name: 'Send', exact: true })).toBeVisible();
  await expect(answer(page).locator('.markdown')).toHaveText((asked.at(-1) ?? '').replaceAll(/⟦\/?\d+⟧/g, ''));
  await expect(answer(page)).not.toContainText('Stopped');
  await expect(answer(page)).not.toContainText('Asking');
  // What comes too late changes nothing.
  letAnswer();
  await page.reload();
  await expect(answer(page).locator('.markdown')).toHaveText((asked.at(-1) ?? '').replaceAll(/⟦\/?\d+⟧/g, ''));
  await expect(answer(page).locator('.markdown ins')).toHaveCount(0);
});
