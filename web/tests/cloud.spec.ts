import { expect, test } from '@playwright/test';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM } from '../playwright.config';
import { Elsewhere } from './elsewhere';
import { accessible, answer, field, shot } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');

/** A model elsewhere that repeats the question, in pieces that cut placeholders. */
let there: Elsewhere;
const asked: string[] = [];
let server: HobServer;

test.beforeAll(async () => {
  if (!CHROMIUM || !HOB) return;
  const said = (body: string): string[] => {
    asked.push(body);
    const words = `You said: ${JSON.parse(body).messages.at(-1).content}`;
    return words.match(/.{1,5}/gs) ?? [];
  };
  there = await Elsewhere.start(said, { read: 20, written: 10 });
  server = await HobServer.start();
});
test.afterAll(() => {
  server?.stop();
  there?.stop();
});

test('a bigger model is named, chosen, seen before it is asked, and stands in the ledger', async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Private' }).click();
  const dialog = page.getByRole('dialog', { name: 'Privacy' });
  await expect(dialog.getByRole('radio', { name: /Everything stays/ })).toBeChecked();
  await shot(page, 'privacy-mode');
  await accessible(page);
  await dialog.getByRole('tab', { name: 'Models elsewhere' }).click();
  await dialog.getByRole('button', { name: 'Add a model elsewhere' }).click();
  await dialog.getByRole('textbox', { name: 'Name' }).fill('big');
  await dialog.getByRole('textbox', { name: 'Model', exact: true }).fill('big-1');
  await dialog.getByRole('textbox', { name: 'Address' }).fill('ftp://nowhere');
  await dialog.getByRole('button', { name: 'Add it' }).click();
  await expect(dialog.getByRole('alert')).toContainText('https://');
  await dialog.getByRole('textbox', { name: 'Address' }).fill(there.address);
  await dialog.getByRole('spinbutton', { name: '$ for a million tokens read' }).fill('3');
  await dialog.getByRole('spinbutton', { name: '$ written' }).fill('15');
  await shot(page, 'privacy-add');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Add it' }).click();
  await expect(dialog.getByText('big-1')).toBeVisible();
  // Nothing is sent while everything stays, not even a test.
  await expect(dialog.getByRole('button', { name: 'Test' })).toBeDisabled();
  await dialog.getByRole('tab', { name: 'What may leave' }).click();
  await dialog.getByRole('radio', { name: /Only when I choose/ }).check();
  await dialog.getByRole('tab', { name: 'Models elsewhere' }).click();
  await dialog.getByRole('button', { name: 'Test' }).click();
  await expect(dialog.getByRole('status')).toContainText('It said');
  await shot(page, 'privacy-targets');
  await accessible(page);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: /Model:/ }).click();
  await page.getByRole('menuitemradio', { name: /big/ }).click();
  await field(page).fill('I am Maria Gonzalez, maria@mail.example');
  await expect(page.getByText(/Would send .* to big, 2 values hidden/)).toBeVisible();
  await shot(page, 'privacy-strip');
  await accessible(page);
  await page.getByRole('button', { name: 'Show it' }).click();
  const preview = page.getByRole('dialog', { name: 'What would be sent to big' });
  await expect(preview.locator('.sent').first()).toContainText('[PERSON_1]');
  await expect(preview.locator('.was').first()).toContainText('Maria Gonzalez');
  await shot(page, 'privacy-preview');
  await accessible(page);
  await page.keyboard.press('Escape');
  expect(asked.length).toBe(1);
  await field(page).press('Enter');
  await expect(answer(page)).toContainText('You said: I am Maria Gonzalez, maria@mail.example');
  await expect(answer(page)).toContainText(/big: .* sent, 2 hidden, \$/);
  expect(asked.length).toBe(2);
  expect(asked.join(' ')).not.toContain('Gonzalez');
  await shot(page, 'privacy-answer');
  // It is kept with the answer, and the ledger has it.
  await page.reload();
  await expect(answer(page)).toContainText(/big: .* sent, 2 hidden, \$/);
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.getByRole('tab', { name: 'What left' }).click();
  await expect(page.getByText('hidden: 1 email, 1 person')).toBeVisible();
  await shot(page, 'privacy-left');
  await accessible(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 800 });
  await shot(page, 'privacy-left-dark-phone');
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
});

test('a chat that is kept here is never sent, whatever was chosen', async ({ page }) => {
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/cloud/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  // Whether the other test has added it or not.
  await post('targets', { name: 'big', model: 'big-1', address: there.address });
  await post('mode', { mode: 'ask' });
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('button', { name: /Model:/ }).click();
  await page.getByRole('menuitemradio', { name: /big/ }).click();
  const before = asked.length;
  await field(page).fill('First words');
  await field(page).press('Enter');
  await expect(answer(page)).toContainText('You said');
  expect(asked.length).toBe(before + 1);
  await page.getByRole('button', { name: /^Options of / }).first().click();
  await page.getByRole('menuitem', { name: 'Keep it on this machine' }).click();
  await expect(page.getByText('This chat is kept on this machine, whatever else is set.')).toBeVisible();
  await field(page).fill('Words that stay');
  await field(page).press('Enter');
  await expect(answer(page).getByRole('alert')).toContainText('marked as private');
  expect(asked.length).toBe(before + 1);
  await shot(page, 'privacy-kept-here');
});

test('what is asked in a private folder stays, whatever the page believes', async ({ page }) => {
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await server.forget();
  await post('cloud/targets', { name: 'big', model: 'big-1', address: there.address });
  await post('cloud/mode', { mode: 'ask' });
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('button', { name: /Model:/ }).click();
  await page.getByRole('menuitemradio', { name: /big/ }).click();
  await field(page).fill('A first question');
  await field(page).press('Enter');
  await expect(answer(page)).toContainText('You said');
  const before = asked.length;
  // Put into a folder that is marked from its heading.
  await page.getByRole('button', { name: 'Options of A first question' }).click();
  await page.getByRole('menuitem', { name: 'Move to a folder' }).click();
  await page.getByRole('combobox', { name: 'Folder' }).fill('Doctor');
  await page.getByRole('button', { name: 'Move', exact: true }).click();
  const heading = page.locator('summary').filter({ hasText: 'Doctor' });
  await heading.hover();
  await page.getByRole('button', { name: 'Options of the folder Doctor' }).click();
  await page.getByRole('menuitem', { name: 'Keep its chats on this machine' }).click();
  await expect(heading).toContainText('(private)');
  await expect(page.getByText('This folder is kept on this machine, whatever else is set.')).toBeVisible();
  await shot(page, 'folder-private');
  await accessible(page);
  await field(page).fill('Words that stay');
  await field(page).press('Enter');
  await expect(answer(page).getByRole('alert')).toContainText('marked as private');
  // A page that has not heard of the mark names the conversation, and the server looks itself.
  await page.reload();
  await expect(heading).toContainText('(private)');
  await page.route('**/hob/v1/chats/folders', (route) => route.fulfill({ json: { private: [] } }));
  await page.reload();
  await expect(heading).not.toContainText('(private)');
  await field(page).fill('Words that stay too');
  await field(page).press('Enter');
  await expect(answer(page).getByRole('alert')).toContainText('marked as private');
  expect(asked.length).toBe(before);
  await page.unroute('**/hob/v1/chats/folders');
  // A new chat that is put there stays with its next question; an empty one is still shown, and can be opened again.
  await page.reload();
  await page.getByRole('button', { name: 'Options of A first question' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(page.getByText('Nothing lies in it.')).toBeVisible();
  await page.getByRole('button', { name: /Model:/ }).click();
  await page.getByRole('menuitemradio', { name: /big/ }).click();
  await field(page).fill('A second question');
  await field(page).press('Enter');
  await expect(answer(page)).toContainText('You said');
  await page.getByRole('button', { name: 'Options of A second question' }).click();
  await page.getByRole('menuitem', { name: 'Move to a folder' }).click();
  await page.getByRole('combobox', { name: 'Folder' }).fill('Doctor');
  await expect(page.getByText('This folder is private: what is asked in it stays')).toBeVisible();
  await shot(page, 'folder-private-move');
  await accessible(page);
  await page.getByRole('button', { name: 'Move', exact: true }).click();
  await field(page).fill('And this one');
  await field(page).press('Enter');
  await expect(answer(page).getByRole('alert')).toContainText('marked as private');
  expect(asked.length).toBe(before + 1);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole('button', { name: 'Show the list' }).click();
  await expect(heading).toBeVisible();
  await page.waitForTimeout(300);
  await shot(page, 'folder-private-dark-phone');
  await accessible(page);
  await page.getByRole('button', { name: 'Options of the folder Doctor' }).click();
  await shot(page, 'folder-private-menu-dark-phone');
  await page.getByRole('menuitem', { name: 'Let its chats be sent elsewhere' }).click();
  await expect(heading).not.toContainText('(private)');
});

test('values of kinds that the policy wants to be asked about wait for a word about each', async ({ page }) => {
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await server.forget();
  await post('cloud/targets', { name: 'big', model: 'big-1', address: there.address });
  await post('cloud/mode', { mode: 'ask' });
  const policy = join(server.home, 'policy.toml');
  writeFileSync(policy, '[privacy.labels]\nEMAIL = "ask"\n');
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await page.getByRole('button', { name: /Model:/ }).click();
  await page.getByRole('menuitemradio', { name: /big/ }).click();
  const before = asked.length;
  const dialog = page.getByRole('dialog', { name: 'What would be sent to big' });
  const group = (value: string) => dialog.getByRole('group', { name: value });
  // Seen while it is typed.
  await field(page).fill('From ann@mail.example to bob@mail.example');
  await expect(page.getByText('2 values wait for your word before this goes to big.')).toBeVisible();
  await page.getByRole('button', { name: 'Decide' }).click();
  await expect(group('ann@mail.example').getByRole('radio')).toHaveCount(3);
  await group('ann@mail.example').getByRole('radio', { name: 'Send it as it is' }).check();
  await expect(dialog.locator('.sent').first()).toContainText('From ann@mail.example to [EMAIL_1]');
  await shot(page, 'asks-preview');
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByText('One value waits for your word before this goes to big.')).toBeVisible();
  // Sent without a word about the other: the question waits, and nothing leaves meanwhile.
  await field(page).press('Enter');
  const send = dialog.getByRole('button', { name: 'Send it to big' });
  await expect(send).toBeDisabled();
  expect(asked.length).toBe(before);
  await group('bob@mail.example').getByRole('radio', { name: 'Hide it' }).check();
  await expect(send).toBeEnabled();
  await shot(page, 'asks-waits');
  await accessible(page);
  await send.click();
  await expect(answer(page)).toContainText('You said: From ann@mail.example to bob@mail.example');
  expect(asked.length).toBe(before + 1);
  expect(asked.at(-1)).toContain('ann@mail.example');
  expect(asked.at(-1)).not.toContain('bob@');
  // What was said holds for these values, and another is asked about; given up, nothing is sent.
  await field(page).fill('And to eve@mail.example');
  await field(page).press('Enter');
  await expect(group('eve@mail.example')).toBeVisible();
  await expect(group('bob@mail.example').getByRole('radio', { name: 'Hide it' })).toBeChecked();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  expect(asked.length).toBe(before + 1);
  // Kept here, this machine answers.
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 800 });
  await field(page).fill('Or to tim@mail.example');
  await field(page).press('Enter');
  await group('eve@mail.example').getByRole('radio', { name: 'Hide it' }).check();
  await group('tim@mail.example').getByRole('radio', { name: 'Keep the question here' }).check();
  await shot(page, 'asks-dark-phone');
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  await dialog.getByRole('button', { name: 'Answer it here' }).click();
  await expect(answer(page)).toHaveAttribute('aria-label', 'ember', { timeout: 30_000 });
  await expect(page.getByRole('button', { name: 'Send', exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(answer(page)).not.toContainText('You said');
  expect(asked.length).toBe(before + 1);
  rmSync(policy);
});

test('an answer is made anew by whom the user wants, and the router hears of it', async ({ page }) => {
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await server.forget();
  await post('cloud/targets', { name: 'big', model: 'big-1', address: there.address });
  await post('cloud/mode', { mode: 'hybrid' });
  writeFileSync(join(server.home, 'policy.toml'), 'allow = ["cloud"]\nquality = 0.0\n');
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  const before = asked.length;
  await field(page).fill('Why is the sky blue?');
  await expect(page.getByText('Stays here: the answer here will probably do.')).toBeVisible();
  await field(page).press('Enter');
  await expect(answer(page).getByRole('button', { name: 'Ask big' })).toBeEnabled();
  expect(asked.length).toBe(before);
  await shot(page, 'privacy-anew');
  await accessible(page);
  const suffices = async () => {
    const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
    return (await (await post('cloud/plan', { messages })).json()).suffices as number;
  };
  const first = await suffices();
  await answer(page).getByRole('button', { name: 'Ask big' }).click();
  await expect(answer(page)).toContainText('You said: Why is the sky blue?');
  await expect(answer(page)).toContainText(/big: .* sent/);
  await expect.poll(suffices).toBeLessThan(first - 0.05);
  const here = answer(page).getByRole('button', { name: 'Answer here' });
  await expect(here).toBeEnabled();
  await here.click();
  await expect(answer(page)).not.toContainText('You said');
  await expect(answer(page).getByRole('button', { name: 'Ask big' })).toBeEnabled();
  await expect.poll(suffices).toBeGreaterThan(first);
  expect(asked.length).toBe(before + 1);
  // What is kept on this machine offers nobody else.
  await page.getByRole('button', { name: /Options of/ }).first().click();
  await page.getByRole('menuitem', { name: 'Keep it on this machine' }).click();
  await expect(answer(page).getByRole('button', { name: 'Ask big' })).toHaveCount(0);
});

test('the row below an answer fits a phone, whatever a model elsewhere is called', async ({ page }) => {
  const post = (path: string, body: unknown) =>
    fetch(`${server.url}/hob/v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await server.forget();
  const address = there.address;
  const long = 'a-model-elsewhere-with-forty-letters-xxx';
  // The first by name is the one that is offered.
  expect((await post('cloud/targets', { name: long, model: 'big-1', address })).status).toBe(200);
  await post('cloud/mode', { mode: 'ask' });
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto(server.url);
  await field(page).fill('Why is the sky blue?');
  await field(page).press('Enter');
  const ask = answer(page).getByRole('button', { name: `Ask ${long}` });
  const here = answer(page).getByRole('button', { name: 'Answer here' });
  await expect(ask).toBeEnabled({ timeout: 60_000 });
  const fits = async () => {
    const row = await answer(page).locator('.actions button').evaluateAll((all) => all.map((one) => one.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    expect(row.length).toBeGreaterThan(2);
    for (const [left = -1, right = Infinity] of row) expect([left >= 0, right <= 390]).toEqual([true, true]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  };
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await fits();
    await shot(page, `row-ask-${scheme}-phone`);
    await accessible(page);
  }
  await ask.click();
  await expect(here).toBeEnabled();
  await expect(answer(page)).toContainText('You said: Why is the sky blue?');
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await fits();
    await shot(page, `row-here-${scheme}-phone`);
    await accessible(page);
  }
});
