import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The program to test: `HOB`, or what cargo built last. */
export const HOB = [
  process.env.HOB,
  join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release/hob'),
  join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/hob'),
].find((path) => path && existsSync(path));

/** A real server with the built-in model on a free port. */
export class HobServer {
  private constructor(
    readonly url: string,
    private process: ChildProcess,
    readonly home: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly args: string[],
  ) {}

  static start(...args: string[]): Promise<HobServer> {
    return HobServer.startIn({}, ...args);
  }

  /** The same with variables of its own. Nothing of this machine's models is seen unless `HOME` says so. */
  static async startIn(env: NodeJS.ProcessEnv, ...args: string[]): Promise<HobServer> {
    const home = mkdtempSync(join(tmpdir(), 'page-test-'));
    const all = { ...process.env, HOME: home, HOB_HOME: home, ...env };
    const { url, hob } = await launch(all, args, '0');
    return new HobServer(url, hob, home, all, args);
  }

  /** Deletes all conversations, so that a test begins with none. */
  async forget(): Promise<void> {
    const { chats } = await (await fetch(`${this.url}/hob/v1/chats?limit=1000`)).json();
    for (const { id } of chats) await fetch(`${this.url}/hob/v1/chats/${id}`, { method: 'DELETE' });
  }

  /** Every file that the server wrote, with its bytes; what readers of the database tell each other (`-shm`) is none of it. */
  files(): Record<string, string> {
    const paths = readdirSync(this.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.endsWith('-shm'));
    return Object.fromEntries(paths.map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'base64')]));
  }

  /** Runs the program beside the server, with the same folder. */
  async hob(env: NodeJS.ProcessEnv, ...args: string[]): Promise<void> {
    const child = spawn(HOB as string, args, { env: { ...this.env, ...env }, stdio: 'ignore' });
    const code = await new Promise((done) => child.on('exit', done));
    if (code !== 0) throw new Error(`hob ${args.join(' ')} ended with ${code}`);
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Ends it without a warning and starts it anew at the same address. */
  async killAndRestart(): Promise<void> {
    await this.end('SIGKILL');
    const { hob } = await launch(this.env, this.args, new URL(this.url).port);
    this.process = hob;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const ended = new Promise((done) => this.process.once('exit', done));
    this.process.kill(signal);
    await ended;
  }
}

async function launch(env: NodeJS.ProcessEnv, args: string[], port: string): Promise<{ url: string; hob: ChildProcess }> {
  if (!HOB) throw new Error('there is no hob; build it with `cargo build -p hob-cli`');
  const hob = spawn(HOB, ['serve', '--port', port, '--ctx', '1024', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((told, failed) => {
    hob.stdout.on('data', (data) => {
      const found = /http:\/\/\S+/.exec(String(data))?.[0];
      if (found) told(found);
    });
    hob.on('exit', (code) => failed(new Error(`hob serve ended with ${code}`)));
  });
  return { url, hob };
}
