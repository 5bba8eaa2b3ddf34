import type { Hit, Saved, Storage } from './storage';
import type { Chat, Listed, Message } from './types';

/** Letters before and after a hit. */
const AROUND = 40;

/** Keeps conversations as long as the page is open: for temporary chats, and where the server keeps none. */
export class MemoryStorage implements Storage {
  readonly isAtServer = false;
  private readonly marked = new Set<string>();
  private readonly known = new Map<string, Listed & { messages: Map<string, Message> }>();

  async list(): Promise<Listed[]> {
    return [...this.known.values()];
  }

  async chat(id: string): Promise<Listed | undefined> {
    return this.known.get(id);
  }

  async messages(chat: string): Promise<Message[]> {
    return [...(this.known.get(chat)?.messages.values() ?? [])];
  }

  async save(chat: Chat, messages: Message[], _version?: number): Promise<Saved> {
    const before = this.known.get(chat.id);
    const kept = { chat, version: (before?.version ?? 0) + 1, messages: before?.messages ?? new Map<string, Message>() };
    messages.forEach((message) => kept.messages.set(message.id, message));
    this.known.set(chat.id, kept);
    return { version: kept.version, is_private: chat.is_private, folder: chat.folder };
  }

  async deleteChat(id: string): Promise<void> {
    this.known.delete(id);
  }

  async privateFolders(): Promise<string[]> {
    return [...this.marked].sort((a, b) => a.localeCompare(b));
  }

  async markFolder(folder: string, isPrivate: boolean): Promise<string[]> {
    if (isPrivate) this.marked.add(folder);
    else this.marked.delete(folder);
    return this.privateFolders();
  }

  async search(text: string, limit: number): Promise<Hit[]> {
    const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.known.values()].flatMap(({ chat, messages }) =>
      [...messages.values()].flatMap((message) => {
        const around = aroundOf(message.text, words);
        return around === null ? [] : [{ chat: chat.id, message: message.id, around, created: message.created }];
      }),
    );
    return found.sort((a, b) => b.created - a.created).slice(0, limit);
  }
}

/** The text around the first of the words, on one line; null where one of them is not in it. */
function aroundOf(text: string, words: string[]): string | null {
  const small = text.toLocaleLowerCase();
  const places = words.map((word) => small.indexOf(word));
  const at = Math.min(...places);
  if (places.length === 0 || at < 0) return null;
  const [start, end] = [Math.max(0, at - AROUND), Math.min(text.length, at + 2 * AROUND)];
  const cut = text.slice(start, end).replace(/\s+/g, ' ').trim();
  return `${start > 0 ? '…' : ''}${cut}${end < text.length ? '…' : ''}`;
}
