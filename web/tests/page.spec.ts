import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { CHROMIUM } from '../playwright.config';
import { accessible, answers, field, shot } from './looks';
import { HOB, HobServer } from './server';

const missing = !CHROMIUM ? 'there is no Chromium: install Debian’s `chromium`, or set CHROMIUM' : !HOB ? 'there is no hob: run `cargo build -p hob-cli`, or set HOB' : '';
if (missing) console.error(`\n*** The browser tests do not run: ${missing} ***\n`);
test.skip(missing !== '', missing);

/** Where pictures of every screen go, when somebody wants to look at them. */

let server: HobServer;
test.beforeAll(async () => {
  if (!missing) server = await HobServer.start();
});
test.afterAll(() => server?.stop());

/** What the page complained of: anything its own policy stopped, and errors. */
const complaints: string[] = [];
test.beforeEach(async ({ page }) => {
  await server?.forget();
  complaints.length = 0;
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (4\d\d|501)/.test(message.text())) complaints.push(message.text());
  });
});
test.afterEach(() => expect(complaints).toEqual([]));

/** Opens the page as somebody who has seen the first screens. */
async function open(page: Page) {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(server.url);
  await expect(field(page)).toBeVisible();
}

/** Says something and waits for the end of the answer. */
async function say(page: Page, text: string) {
  const before = await answers(page).count();
  await field(page).fill(text);
  await field(page).press('Enter');
  await expect(answers(page)).toHaveCount(before + 1);
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
}

test('the first run is three screens and then a chat', async ({ page }) => {
  await page.goto(server.url);
  await expect(page.getByRole('heading', { name: 'Welcome to Hob' })).toBeVisible();
  await expect(page.getByText('free of')).toBeVisible();
  await shot(page, 'first-1');
  await accessible(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('radio', { name: /ember/ })).toBeChecked();
  await shot(page, 'first-2');
  await accessible(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('radio', { name: /Everything stays/ })).toBeChecked();
  await expect(page.getByText('Models are fetched when you ask for one')).toBeVisible();
  await shot(page, 'first-3');
  await accessible(page);
  await page.getByRole('button', { name: 'Start chatting' }).click();
  await expect(field(page)).toBeFocused();
  await shot(page, 'empty');
  await page.reload();
  await expect(field(page)).toBeFocused();
  await expect(page.getByRole('heading', { name: 'Welcome to Hob' })).toHaveCount(0);
});

test('an answer streams, is measured, and outlives a reload', async ({ page }) => {
  await open(page);
  await say(page, 'What is the capital of France?');
  await expect(answers(page).first().locator('.markdown')).not.toBeEmpty();
  await expect(page.getByText('tokens/s')).toBeVisible();
  const text = await answers(page).first().locator('.markdown').innerText();
  await shot(page, 'chat-light');
  await accessible(page);
  await page.reload();
  await expect(answers(page).first().locator('.markdown')).toHaveText(text);
  await expect(page.getByRole('navigation').getByRole('link', { name: /capital of France/ })).toBeVisible();
  await say(page, 'Thank you.');
  await expect(page.getByText('remembered')).toBeVisible();
});

test('stopping keeps what was said; editing and answering again make branches', async ({ page }) => {
  await open(page);
  await field(page).fill('Write a very long story about a lighthouse.');
  // As soon as there is something to stop: on a fast machine the answer ends before a click from outside arrives.
  await page.evaluate(() => {
    const watcher = new MutationObserver(() => {
      const stop = document.querySelector<HTMLButtonElement>('button[aria-label="Stop"]');
      if (!stop) return;
      watcher.disconnect();
      stop.click();
    });
    watcher.observe(document.body, { childList: true, subtree: true });
  });
  await field(page).press('Enter');
  await expect(page.getByRole('button', { name: 'Send', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Answer again' }).click();
  await expect(answers(page).getByText('2 / 2')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
  await page.locator('article.user').hover();
  await page.getByRole('button', { name: 'Edit message' }).click();
  await page.getByRole('textbox', { name: 'Edit message' }).fill('Say hello.');
  await page.getByRole('textbox', { name: 'Edit message' }).press('Enter');
  await expect(page.locator('article.user .bubble')).toHaveText('Say hello.');
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
  await shot(page, 'branches');
  await page.locator('article.user').hover();
  await page.locator('article.user').getByRole('button', { name: 'Version before' }).click();
  await expect(page.locator('article.user .bubble')).toHaveText(/lighthouse/);
  await page.reload();
  await expect(page.locator('article.user .bubble')).toHaveText(/lighthouse/);
});

test('an answer outlives a reload in its middle', async ({ page }) => {
  await open(page);
  await field(page).fill('Write a very long story about a lighthouse.');
  await field(page).press('Enter');
  await expect(answers(page).locator('.markdown')).toContainText(/\w+ \w+/);
  const text = (await answers(page).locator('.markdown').innerText()).trim().slice(0, 12);
  await page.reload();
  await expect(answers(page).locator('.markdown')).toContainText(text);
  await expect(page.locator('article.user .bubble')).toHaveText(/lighthouse/);
  await say(page, 'Go on.');
  await page.reload();
  await expect(page.locator('article.user .bubble')).toHaveText([/lighthouse/, 'Go on.']);
});

test('what changes elsewhere is seen when somebody looks', async ({ page }) => {
  await open(page);
  await say(page, 'Name a tree.');
  const look = () => page.evaluate(() => dispatchEvent(new Event('focus')));
  const { chats } = await (await fetch(`${server.url}/hob/v1/chats`)).json();
  const { version: _, ...chat } = chats[0];
  const put = async (body: object) => {
    const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    expect((await fetch(`${server.url}/hob/v1/chats/${chat.id}`, init)).status).toBe(200);
  };
  const message = { id: 'elsewhere1', parent: chat.leaf, role: 'user', text: 'Said in the terminal', created: Date.now() };
  await put({ chat: { ...chat, title: 'Trees', leaf: message.id }, messages: [message] });
  await look();
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Trees' })).toBeVisible();
  await expect(page.locator('article.user .bubble').last()).toHaveText('Said in the terminal');
  await fetch(`${server.url}/hob/v1/chats/${chat.id}`, { method: 'DELETE' });
  await look();
  await expect(page.getByText('was deleted elsewhere')).toBeVisible();
  await expect(page.locator('article')).toHaveCount(0);
});

test('a server that keeps nothing says so', async ({ page }) => {
  const forgetful = await HobServer.start('--no-chats');
  try {
    await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
    await page.goto(forgetful.url);
    await expect(page.getByText('it was started with --no-chats')).toBeVisible();
    await say(page, 'Hello');
    await expect(page.getByText('until this page is closed').last()).toBeVisible();
    await shot(page, 'not-kept');
    await page.reload();
    await expect(page.getByRole('navigation').getByRole('link')).toHaveCount(0);
  } finally {
    await forgetful.stop();
  }
});

test('encrypted conversations are opened with the passphrase, or left alone', async ({ page }) => {
  const sealed = await HobServer.start();
  try {
    await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
    await page.goto(sealed.url);
    await say(page, 'A word that is kept');
    await sealed.hob({ HOB_CHATS_PASSPHRASE: 'correct horse battery' }, 'chats', 'encrypt');
    await page.reload();
    const dialog = page.getByRole('dialog', { name: 'Your conversations are encrypted' });
    await dialog.getByLabel('Passphrase').fill('wrong horse');
    await dialog.getByRole('button', { name: 'Open' }).click();
    await expect(dialog.getByText('not the passphrase')).toBeVisible();
    await shot(page, 'locked');
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    await dialog.getByLabel('Passphrase').fill('correct horse battery');
    await page.keyboard.press('Enter');
    await expect(dialog).toHaveCount(0);
    await expect(page.getByRole('navigation').getByRole('link', { name: 'A word that is kept' })).toBeVisible();

    expect(complaints).toEqual([]);
    await sealed.killAndRestart();
    // What the page asked while the server died was answered by nobody.
    complaints.length = 0;
    await page.goto(`${sealed.url}/#/`);
    await page.reload();
    await dialog.getByRole('button', { name: 'Go on without them' }).click();
    await say(page, 'A word that is not kept');
    await expect(page.getByText('until this page is closed').last()).toBeVisible();
    expect((await fetch(`${sealed.url}/hob/v1/chats`)).status).toBe(423);
  } finally {
    await sealed.stop();
  }
});

test('conversations are named, foldered, found, deleted; temporary ones leave nothing', async ({ page }) => {
  await open(page);
  await say(page, 'Name a colour, please.');
  const list = page.getByRole('navigation');
  const options = async (name: string) => {
    await list.getByRole('link').first().hover();
    await list.getByRole('button', { name: /^Options of (?!the folder)/ }).first().click();
    await page.getByRole('menuitem', { name }).click();
  };
  await options('Rename');
  await page.getByRole('textbox', { name: 'Title' }).fill('<img src=x onerror=alert(1)> Colours');
  await page.keyboard.press('Enter');
  await expect(list.getByRole('link', { name: '<img src=x onerror=alert(1)> Colours' })).toBeVisible();
  await options('Move to a folder');
  await page.getByRole('combobox', { name: 'Folder' }).fill('Work');
  await page.keyboard.press('Enter');
  await expect(list.getByText('Work')).toBeVisible();
  await page.getByRole('searchbox').fill('name a colour');
  await expect(list.getByText('In messages')).toBeVisible();
  await shot(page, 'search');
  await page.getByRole('searchbox').fill('');
  const before = server.files();
  await page.getByRole('button', { name: 'Temporary chat' }).click();
  await say(page, 'A secret word.');
  await expect(page.getByText('stored nowhere')).toBeVisible();
  await shot(page, 'temporary');
  expect(server.files()).toEqual(before);
  await page.reload();
  await expect(answers(page)).toHaveCount(0);
  await expect(list.getByRole('link')).toHaveCount(1);
  await options('Delete');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await expect(list.getByText('will be listed here')).toBeVisible();
});

test('dark, with settings, shortcuts and models', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await open(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await say(page, 'Write a Python function that adds two numbers.');
  await accessible(page);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByText('Sampling').click();
  await shot(page, 'settings-dark');
  await accessible(page);
  await page.getByText('Light', { exact: true }).click();
  expect(await ground()).not.toBe(dark);
  await shot(page, 'settings-light');
  await accessible(page);
  await page.reload();
  expect(await ground()).not.toBe(dark);
  await page.locator('body').click();
  await page.keyboard.press('Control+/');
  await expect(page.getByRole('heading', { name: 'Keyboard shortcuts' })).toBeVisible();
  await shot(page, 'shortcuts');
  await accessible(page);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+m');
  await expect(page.getByRole('menuitemradio', { name: /ember/ })).toBeFocused();
  await shot(page, 'models');
  await accessible(page);
});

test('on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 380, height: 760 });
  await page.goto(server.url);
  await shot(page, 'phone-first');
  await page.getByRole('button', { name: 'Skip' }).click();
  await shot(page, 'phone-empty');
  await say(page, 'What can you do?');
  await shot(page, 'phone-chat');
  await accessible(page);
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(await overflow()).toBe(0);
  await page.getByRole('button', { name: 'Show the list' }).click();
  await expect(page.getByRole('navigation')).toBeVisible();
  await shot(page, 'phone-list');
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('navigation')).toHaveCount(0);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await shot(page, 'phone-settings');
  expect(await overflow()).toBe(0);
});

test('a rich and hostile answer is shown and runs nothing', async ({ page }) => {
  const text = [
    '## A plan\n\nFirst **read**, then `write`. <img src=x onerror="document.title=1"> [link](javascript:alert(1)) [site](https://example.com)',
    '```python\ndef add(a: int, b: int) -> int:\n    """Adds two numbers."""\n    return a + b  # done\n```',
    '| Tool | Speed |\n|---|--:|\n| one | 12 |\n| two | 340 |\n\n1. Alpha\n2. Beta\n   - inner\n\n> Quoted words\n\n- [x] done\n- [ ] open',
    'مرحبا بالعالم، هذه فقرة من اليمين إلى اليسار.\n\n<script>document.title="x"</script>\n\n![pic](https://example.com/a.png)',
  ].join('\n\n');
  await page.route('**/v1/chat/completions', (route) => {
    const delta = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], timings: { cache_n: 90, prompt_n: 10, predicted_n: 200, predicted_per_second: 41.3 } };
    const body = `${delta({ reasoning_content: 'The person wants a plan.' })}${delta({ content: text })}data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`;
    return route.fulfill({ contentType: 'text/event-stream', body });
  });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await open(page);
  await say(page, 'Plan <b>something</b> & tell me مرحبا');
  await expect(page.locator('.hljs-keyword').first()).toBeVisible();
  await page.getByText(/Thought/).click();
  await expect(page.getByText('The person wants a plan.')).toBeVisible();
  await shot(page, 'rich-light');
  await accessible(page);
  expect(await page.title()).toMatch(/^Plan <b>something/);
  expect(await page.locator('article img, article script, article [onerror]').count()).toBe(0);
  expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(page, 'rich-dark');
  await accessible(page);
  await page.setViewportSize({ width: 380, height: 760 });
  await shot(page, 'rich-phone');
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test('formulas are drawn, and nothing of them is a link or a script', async ({ page }) => {
  const text = 'Euler: $e^{i\\pi} + 1 = 0$ costs $5.\n\n$$\n\\int_0^1 x^2 \\, dx = \\frac{1}{3}\n$$\n\n\\[ \\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix} \\]\n\n$\\href{javascript:alert(1)}{x}$ $\\nosuchcommand{$';
  await page.route('**/v1/chat/completions', (route) => {
    const chunk = (delta: object, finish_reason: string | null = null) => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
    return route.fulfill({ contentType: 'text/event-stream', body: `${chunk({ content: text })}${chunk({}, 'stop')}data: [DONE]\n\n` });
  });
  await open(page);
  await say(page, 'Formulas, please');
  await expect(page.locator('article math')).toHaveCount(3);
  await expect(page.locator('article').last()).toContainText('costs $5.');
  expect(await page.locator('article :is(a, img, script)').count()).toBe(0);
  await shot(page, 'formulas');
  await accessible(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 380, height: 760 });
  await shot(page, 'formulas-phone-dark');
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test('an answer that was cut goes on', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByText('Sampling').click();
  await page.getByRole('spinbutton', { name: /Longest answer/ }).fill('6');
  await page.getByRole('button', { name: 'Close settings' }).first().click();
  await say(page, 'Write a story about the sea.');
  const answer = answers(page).first().locator('.markdown');
  const begun = (await answer.innerText()).trim();
  await expect(page.getByText('The answer was cut off')).toBeVisible();
  await shot(page, 'cut-off');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toHaveCount(0, { timeout: 60_000 });
  await expect(answers(page)).toHaveCount(1);
  await expect.poll(async () => (await answer.innerText()).length).toBeGreaterThan(begun.length);
  expect(await answer.innerText()).toContain(begun.slice(0, -2));
  await page.reload();
  await expect(answer).toContainText(begun.slice(0, -2));
});

test('errors say what to do, and the key is asked for', async ({ page }) => {
  const locked = await HobServer.start('--api-key', 'open sesame');
  try {
    await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
    await page.goto(locked.url);
    await page.getByRole('textbox', { name: 'Key', exact: true }).fill('wrong');
    await page.keyboard.press('Enter');
    await expect(page.getByText('does not take this key')).toBeVisible();
    await shot(page, 'key');
    await accessible(page);
    await page.getByRole('textbox', { name: 'Key', exact: true }).fill('open sesame');
    await page.keyboard.press('Enter');
    // Behind the question nothing can be typed.
    await expect(page.getByRole('heading', { name: 'This server wants a key' })).toHaveCount(0);
    await say(page, 'Hello');
    await page.reload();
    await expect(page.getByRole('heading', { name: 'This server wants a key' })).toHaveCount(0);
    expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('sesame');
    await field(page).fill('word '.repeat(3000));
    await field(page).press('Enter');
    await expect(page.getByRole('alert').getByText('longer than the model can hold')).toBeVisible();
    await shot(page, 'error');
    await accessible(page);
  } finally {
    await locked.stop();
  }
  await field(page).fill('Still there?');
  await field(page).press('Enter');
  await expect(page.getByText('Hob does not answer.').first()).toBeVisible();
  complaints.length = 0;
});

test('a conversation of 2,000 messages stays quick', async ({ page }) => {
  await open(page);
  const messages = Array.from({ length: 2000 }, (_, i) => ({
    id: `message${i}`,
    parent: i === 0 ? null : `message${i - 1}`,
    role: i % 2 === 0 ? 'user' : 'assistant',
    text: i % 2 === 0 ? `Question ${i}` : `Answer **${i}** with some words.\n\n\`\`\`js\nlet a = ${i};\n\`\`\``,
    created: i,
  }));
  const file = JSON.stringify({ format: 'hob-chats', version: 1, chats: [{ chat: { id: 'longchat', title: 'Long', created: 1, updated: 1, leaf: 'message1999' }, messages }] });
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.locator('input[accept^=".json"]').setInputFiles({ name: 'long.json', mimeType: 'application/json', buffer: Buffer.from(file) });
  await expect(page.getByText('Imported one conversation')).toBeVisible();
  const began = Date.now();
  await page.getByRole('navigation').getByRole('link', { name: 'Long' }).click();
  await expect(page.getByText('Answer 1999')).toBeVisible();
  expect(Date.now() - began).toBeLessThan(5000);
  expect(await page.locator('article').count()).toBeLessThan(200);
  await page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0));
  await expect(page.locator('article').nth(100)).toBeAttached();
  await page.getByRole('searchbox').fill('Question 42');
  await page.getByText('In messages').waitFor();
  await page.getByRole('navigation').getByRole('button', { name: /Question 42$/ }).click();
  await expect(page.locator('.bubble').getByText('Question 42', { exact: true })).toBeInViewport();
});
