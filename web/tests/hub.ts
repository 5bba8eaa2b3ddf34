import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');

/** The stand-in hub: `HUB`, or what cargo built last. */
export const HUB = [process.env.HUB, join(TARGET, 'debug/examples/hub'), join(TARGET, 'release/examples/hub')].find(
  (path) => path && existsSync(path),
);

/** The file that it offers, a model that answers. */
export const MODEL = join(ROOT, 'ember/ember.gguf');

/** A stand-in for a hub on loopback, with faults on demand. */
export class Hub {
  private constructor(
    readonly endpoint: string,
    readonly storage: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(repo: string): Promise<Hub> {
    if (!HUB) throw new Error('there is no hub; build it with `cargo build -p hob-testhub --example hub`');
    const hub = spawn(HUB, [repo, MODEL], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [endpoint = '', storage = ''] = await new Promise<string[]>((told, failed) => {
      hub.stdout.once('data', (data) => told(String(data).trim().split(' ')));
      hub.on('exit', (code) => failed(new Error(`the hub ended with ${code}`)));
    });
    return new Hub(endpoint, storage, hub);
  }

  /** What goes wrong from now on: `slow BYTES`, `status CODE`, `flip`, `heal`. */
  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  stop(): void {
    this.process.stdin?.end();
  }
}
