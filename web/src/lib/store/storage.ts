import type { Chat, Message } from './types';

/** A message that holds a text that was looked for. */
export interface Hit {
  chat: string;
  message: string;
  /** The text around the place. */
  around: string;
}

/**
 * Where conversations are kept. In this version the browser keeps them; the server's own store takes its place behind
 * the same interface.
 */
export interface Storage {
  chats(): Promise<Chat[]>;
  chat(id: string): Promise<Chat | undefined>;
  messages(chat: string): Promise<Message[]>;
  saveChat(chat: Chat): Promise<void>;
  saveMessages(messages: Message[]): Promise<void>;
  deleteChat(id: string): Promise<void>;
  deleteMessages(chat: string, ids: string[]): Promise<void>;
  /** Messages with this text, newest first. */
  search(text: string, limit: number): Promise<Hit[]>;
}

/** Letters before and after a hit. */
const AROUND = 40;

/** The text around a place, on one line; null where the text is not in it. */
export function around(text: string, wanted: string): string | null {
  const at = text.toLocaleLowerCase().indexOf(wanted.toLocaleLowerCase());
  if (at < 0) return null;
  const start = Math.max(0, at - AROUND);
  const end = Math.min(text.length, at + wanted.length + AROUND);
  const cut = text.slice(start, end).replace(/\s+/g, ' ').trim();
  return `${start > 0 ? '…' : ''}${cut}${end < text.length ? '…' : ''}`;
}

/** The newest messages that hold a text. */
export function hits(messages: Iterable<Message>, text: string, limit: number): Hit[] {
  const found: (Hit & { created: number })[] = [];
  for (const message of messages) {
    const cut = around(message.text, text);
    if (cut !== null) {
      found.push({ chat: message.chat, message: message.id, around: cut, created: message.created });
    }
  }
  found.sort((a, b) => b.created - a.created);
  return found.slice(0, limit).map(({ chat, message, around }) => ({ chat, message, around }));
}
