import type { Chat, Listed, Message } from './types';

/** A message that holds a text that was looked for. */
export interface Hit {
  chat: string;
  message: string;
  /** The text around the place. */
  around: string;
}

/** Where conversations are kept: by the server, or for as long as the page is open. */
export interface Storage {
  /** Whether the server keeps them, so that it can look up what they are marked as. */
  readonly isAtServer: boolean;
  list(): Promise<Listed[]>;
  chat(id: string): Promise<Listed | undefined>;
  messages(chat: string): Promise<Message[]>;
  /** Keeps a conversation and some of its messages, all or nothing; the new version. */
  save(chat: Chat, messages: Message[]): Promise<number>;
  deleteChat(id: string): Promise<void>;
  /** Messages with all words of this text, newest first. */
  search(text: string, limit: number): Promise<Hit[]>;
  /** Folders whose conversations never leave this machine. */
  privateFolders(): Promise<string[]>;
  /** Marks a folder, or takes the mark away; those that are marked now. */
  markFolder(folder: string, isPrivate: boolean): Promise<string[]>;
}
