import { ask } from '../api/client';
import { Problem } from '../api/problem';
import type { Hit, Saved, Storage } from './storage';
import type { Chat, Listed, Message } from './types';

const CHATS = '/hob/v1/chats';

/** Conversations or messages that are asked for at a time. */
const PAGE = 500;

/** Keeps conversations with the server, which the terminal and other browsers ask as well. */
export class ServerStorage implements Storage {
  readonly isAtServer = true;

  async list(): Promise<Listed[]> {
    return (await pages(CHATS, 'chats')).map(listed);
  }

  async chat(id: string): Promise<Listed | undefined> {
    try {
      return listed(await json(`${CHATS}/${id}`));
    } catch (thrown) {
      if (thrown instanceof Problem && thrown.code === 'chat_not_found') return undefined;
      throw thrown;
    }
  }

  async messages(chat: string): Promise<Message[]> {
    return (await pages(`${CHATS}/${chat}/messages`, 'messages')) as unknown as Message[];
  }

  async save(chat: Chat, messages: Message[], version: number): Promise<Saved> {
    const response = await ask(`${CHATS}/${chat.id}`, { chat, messages, version }, undefined, 'PUT');
    return response.json();
  }

  async deleteChat(id: string): Promise<void> {
    try {
      await ask(`${CHATS}/${id}`, undefined, undefined, 'DELETE');
    } catch (thrown) {
      // What somebody else deleted is gone just as well.
      if (!(thrown instanceof Problem && thrown.code === 'chat_not_found')) throw thrown;
    }
  }

  async search(text: string, limit: number): Promise<Hit[]> {
    return (await json(`${CHATS}/search?${new URLSearchParams({ q: text, limit: String(limit) })}`)).hits as Hit[];
  }

  async privateFolders(): Promise<string[]> {
    return (await json(`${CHATS}/folders`)).private as string[];
  }

  async markFolder(folder: string, isPrivate: boolean): Promise<string[]> {
    return (await (await ask(`${CHATS}/folders`, { folder, private: isPrivate })).json()).private;
  }
}

/** A conversation as a file, or all of them without an id. */
export async function exportChats(format: 'json' | 'markdown', id?: string): Promise<Blob> {
  const query = new URLSearchParams(id === undefined ? { format } : { format, id });
  return (await ask(`${CHATS}/export?${query}`)).blob();
}

/** What came of a file of conversations. */
export interface Imported {
  imported: number;
  /** Those that were there already. */
  known: number;
  skipped: number;
  reasons: { title: string; why: string }[];
}

/** Takes conversations out of a file that Hob or ChatGPT wrote. */
export async function importChats(file: Blob): Promise<Imported> {
  return (await ask(`${CHATS}/import`, file)).json();
}

/** Opens encrypted conversations. */
export async function unlock(passphrase: string): Promise<void> {
  await ask(`${CHATS}/unlock`, { passphrase });
}

/** What an import came to, in words. */
export function toldOf({ imported, known, skipped, reasons }: Imported): string {
  const count = (n: number) => (n === 1 ? 'one conversation' : `${n} conversations`);
  const parts = [`Imported ${count(imported)}.`];
  if (known > 0) parts.push(`${known === 1 ? 'One was' : `${known} were`} here already.`);
  if (skipped > 0) parts.push(`${skipped === 1 ? 'One was' : `${skipped} were`} left out: ${reasons[0]?.title}: ${reasons[0]?.why}.`);
  return parts.join(' ');
}

type Row = Record<string, unknown>;

const json = async (path: string): Promise<Row> => (await ask(path)).json();

async function pages(path: string, name: string): Promise<Row[]> {
  const rows: Row[] = [];
  let next: unknown = null;
  do {
    const query = new URLSearchParams({ limit: String(PAGE), ...(next === null ? {} : { after: String(next) }) });
    const page = await json(`${path}?${query}`);
    rows.push(...(page[name] as Row[]));
    next = page.next;
  } while (next !== null);
  return rows;
}

function listed(row: Row): Listed {
  const { version, ...chat } = row;
  return { chat: chat as unknown as Chat, version: version as number };
}
