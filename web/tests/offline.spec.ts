import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CHROMIUM } from '../playwright.config';
import { shot } from './looks';
import { HOB, HobServer } from './server';

test.skip(!CHROMIUM || !HOB, 'there is no Chromium or no hob');
test.use({ serviceWorkers: 'allow' });

/** Stands before a server, so that it can be away, and be another version afterwards, at the same address. */
class Front {
  private server: Server | null = null;
  private port = 0;
  /** What names of files have to themselves in the newer version; the built one has none. */
  mark: string | null = null;
  readonly asked: string[] = [];

  constructor(private readonly behind: string) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const server = createServer((from, to) => this.pass(from, to));
    await new Promise<void>((done) => server.listen(this.port, '127.0.0.1', done));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.server?.close(done));
    this.server?.closeAllConnections();
    await ended;
  }

  private pass(from: IncomingMessage, to: ServerResponse): void {
    const path = from.url ?? '/';
    this.asked.push(path);
    // As a newer build has it: the same page under other names, and none of the old ones.
    if (this.mark !== null && path.startsWith('/page/assets/') && !path.includes(this.mark)) {
      to.writeHead(404).end();
      return;
    }
    const real = this.mark === null ? path : path.replace(this.mark, '');
    const headers = { ...from.headers, 'accept-encoding': 'identity' };
    const passed = request(new URL(real, this.behind), { method: from.method, headers }, (answer) => {
      const isPage = this.mark !== null && path === '/' && String(answer.headers['content-type']).startsWith('text/html');
      if (!isPage) {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(to);
        return;
      }
      const parts: Buffer[] = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const html = Buffer.concat(parts).toString().replaceAll('/page/assets/', `/page/assets/${this.mark}`);
        const { 'content-length': _, ...rest } = answer.headers;
        to.writeHead(answer.statusCode ?? 502, rest).end(html);
      });
    });
    passed.on('error', () => to.destroy());
    from.pipe(passed);
  }
}

let server: HobServer;
let front: Front;
test.beforeAll(async () => {
  if (!CHROMIUM || !HOB) return;
  server = await HobServer.start();
  front = new Front(server.url);
  await front.start();
});
test.afterAll(async () => {
  await front?.stop();
  await server?.stop();
});

const kept = (page: Page) =>
  page.evaluate(async () => {
    const names = await caches.keys();
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  });

const scripts = (page: Page) => page.locator('script[src*="/page/assets/"]').evaluateAll((all) => all.map((one) => one.getAttribute('src') ?? ''));

test('the page opens without a server and says so, and a newer one is there at once', async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(front.url);
  const field = page.getByRole('textbox', { name: 'Message', exact: true });
  await expect(field).toBeVisible();
  // Whoever opened it once has it: nothing has to be opened a second time.
  await page.evaluate(() => navigator.serviceWorker.ready);
  await expect.poll(() => kept(page)).toContain('/');
  await field.fill('Say hello.');
  await field.press('Enter');
  await expect(page.getByText('tokens/s')).toBeVisible({ timeout: 60_000 });
  // Nothing that was asked or answered is kept, and nothing that comes from the interfaces.
  expect((await kept(page)).filter((path) => path !== '/' && !path.startsWith('/page/'))).toEqual([]);

  await front.stop();
  await page.reload();
  await expect(field).toBeVisible();
  await expect(page.getByText('Hob does not answer.').first()).toBeVisible();
  await expect(page.getByText('Check that Hob is still running').first()).toBeVisible();
  // That would say that the network is forbidden to a server.
  await expect(page.getByText('Offline', { exact: true })).toHaveCount(0);
  expect(await page.evaluate(() => fetch('/hob/v1/machine').then(() => 'answered', () => 'refused'))).toBe('refused');
  await shot(page, 'offline');
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id }) => id)).toEqual([]);

  const before = await scripts(page);
  front.mark = 'newer-';
  await front.start();
  front.asked.length = 0;
  await page.reload();
  await expect(field).toBeVisible();
  const after = await scripts(page);
  expect(after).toEqual(before.map((path) => path.replace('assets/', 'assets/newer-')));
  expect(front.asked).toContain(after[0]);
  await expect(page.getByText('Hob does not answer.')).toHaveCount(0);
  // What only the older one had is gone from the browser; the newer one opens without a server as well.
  await expect.poll(async () => (await kept(page)).filter((path) => before.includes(path))).toEqual([]);
  await expect.poll(() => kept(page)).toContain(after[0]);
  await front.stop();
  await page.reload();
  await expect(field).toBeVisible();
  expect(await scripts(page)).toEqual(after);
  await front.start();
});

test('what another program serves at this address is never kept as the page', async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem('hob.welcomed', 'yes'));
  await page.goto(front.url);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await expect.poll(() => kept(page)).toContain('/');
  await front.stop();
  const port = Number(new URL(front.url).port);
  const other = createServer((_, to) => to.writeHead(200, { 'content-type': 'text/html' }).end('<title>Another</title><p>Another program'));
  await new Promise<void>((done) => other.listen(port, '127.0.0.1', done));
  await page.reload();
  await expect(page.getByText('Another program')).toBeVisible();
  other.closeAllConnections();
  await new Promise((done) => other.close(done));
  await page.reload();
  await expect(page.getByText('Hob does not answer.').first()).toBeVisible();
  await expect(page.getByText('Another program')).toHaveCount(0);
  await front.start();
});
