import type { Chat, Listed, Message } from './types';

/** A message that holds a text that was looked for. */
export interface Hit {
  chat: string;
  message: string;
  /** The text around the place. */
  around: string;
}

/** What became of a conversation that was kept: where somebody else marked it meanwhile, it is private all the same. */
export interface Saved {
  version: number;
  is_private: boolean;
  folder: string | null;
}

/** Where conversations are kept: by the server, or for as long as the page is open. */
export interface Storage {
  /** Whether the server keeps them, so that it can look up what they are marked as. */
  readonly isAtServer: boolean;
  list(): Promise<Listed[]>;
  chat(id: string): Promise<Listed | undefined>;
  messages(chat: string): Promise<Message[]>;
  /** Keeps a conversation and some of its messages, all or nothing, by who knows a version of it; what it is now. */
  save(chat: Chat, messages: Message[], version: number): Promise<Saved>;
  deleteChat(id: string): Promise<void>;
  /** Messages with all words of this text, newest first. */
  search(text: string, limit: number): Promise<Hit[]>;
  /** Folders whose conversations never leave this machine. */
  privateFolders(): Promise<string[]>;
  /** Marks a folder, or takes the mark away; those that are marked now. */
  markFolder(folder: string, isPrivate: boolean): Promise<string[]>;
}
