import { Problem, problemFrom, problemOf } from './problem';

const KEY = 'hob.key';

/** Browsers take 64 kB of such requests at a time, and a letter is up to three bytes. */
const KEEPALIVE_LETTERS_MAX = 20_000;

/** The server's key. One that is typed is kept for this tab only: nothing of it stays on the disk. One that came with a QR
 *  code stays on the phone that was paired by it, and can be revoked by itself. */
export const key = {
  get(): string | null {
    try {
      return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
    } catch {
      return null;
    }
  },
  set(value: string | null): void {
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else {
        sessionStorage.removeItem(KEY);
        localStorage.removeItem(KEY);
      }
    } catch {
      // Without storage the key has to be entered again; nothing else changes.
    }
  },
  /** Takes the key behind `#` in the address, where a QR code put it, and takes it out of there: neither the history nor a
   *  picture of the screen has to know it. */
  pair(): void {
    const found = /^#key=([\w-]+)$/.exec(location.hash)?.[1];
    if (!found) return;
    history.replaceState(null, '', `${location.pathname}${location.search}`);
    try {
      localStorage.setItem(KEY, found);
      sessionStorage.removeItem(KEY);
    } catch {
      key.set(found);
    }
  },
};

/** Asks the server; anything but success is a [`Problem`]. */
export async function ask(path: string, body?: unknown, signal?: AbortSignal, method?: 'POST' | 'PUT' | 'DELETE'): Promise<Response> {
  const headers = new Headers({ accept: 'application/json' });
  const known = key.get();
  if (known) headers.set('authorization', `Bearer ${known}`);
  if (body !== undefined) headers.set('content-type', 'application/json');
  const sent = body === undefined ? null : body instanceof Blob ? body : JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      body: sent,
      signal: signal ?? null,
      // What is to be kept arrives although the page is closed meanwhile; browsers allow that up to a size.
      keepalive: method === 'PUT' && typeof sent === 'string' && sent.length < KEEPALIVE_LETTERS_MAX,
      cache: 'no-store',
      credentials: 'omit',
    });
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    throw problemFrom(thrown);
  }
  if (!response.ok) throw problemOf(response.status, await json(response));
  return response;
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** The machine, as `GET /hob/v1/machine` tells it. */
export interface Machine {
  version: string;
  os: string;
  arch: string;
  processor: string | null;
  instructions: string;
  extensions: string[];
  threads: number;
  memory_total_bytes: number | null;
  memory_free_bytes: number | null;
  disk_free_bytes: number | null;
  gpus: string[];
  energy_counter: string | null;
  /** `offline`: nothing may leave; `downloads`: models are fetched when somebody asks for one. */
  privacy: 'offline' | 'downloads';
  /** Who may be reached for that. */
  reaches: string[];
}

/** A model, as `GET /hob/v1/models` tells it; what is null is not known before the model was opened once. */
export interface Model {
  name: string;
  bytes: number;
  is_builtin: boolean;
  is_default: boolean;
  is_loaded: boolean;
  context: number | null;
  context_trained: number | null;
  parameters: number | null;
  family: string | null;
  chats: boolean | null;
  thinks: boolean | null;
}

export interface Models {
  models: Model[];
  memory_max_bytes: number;
}

export const machine = async (): Promise<Machine> => (await ask('/hob/v1/machine')).json();

export const models = async (): Promise<Models> => (await ask('/hob/v1/models')).json();

export { Problem };
