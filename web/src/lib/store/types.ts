import type { Finish, Sampling, Stats } from '../api/chat';

/** A text file that goes with a message. */
export interface Attachment {
  name: string;
  text: string;
}

/** How an answer stands. `running` on the disk means that the page was closed meanwhile. */
export type State = 'done' | 'running' | 'stopped' | 'failed';

/** A message; those of a conversation form a tree, as editing and regenerating keep what was there. */
export interface Message {
  id: string;
  chat: string;
  parent: string | null;
  role: 'user' | 'assistant';
  text: string;
  thought: string;
  attachments: Attachment[];
  created: number;
  state: State;
  /** Why there is no whole answer. */
  error: { message: string; advice: string | null } | null;
  model: string | null;
  finish: Finish | null;
  stats: Stats | null;
  thoughtMs: number | null;
}

/** What a conversation asks of models. */
export interface ChatSettings {
  model: string | null;
  system: string;
  think: boolean | null;
  mayDrop: boolean;
  sampling: Sampling;
}

/** A conversation without its messages. */
export interface Chat {
  id: string;
  title: string;
  /** Whether a person named it; then no message renames it. */
  isNamed: boolean;
  folder: string | null;
  created: number;
  updated: number;
  /** The last message of the branch that is shown. */
  leaf: string | null;
  settings: ChatSettings;
}

export const DEFAULT_SETTINGS: ChatSettings = {
  model: null,
  system: '',
  think: null,
  mayDrop: false,
  sampling: {
    temperature: null,
    top_p: null,
    top_k: null,
    min_p: null,
    repeat_penalty: null,
    max_tokens: null,
    seed: null,
  },
};

/** A copy that shares nothing. */
export const copySettings = (settings: ChatSettings): ChatSettings => ({
  ...settings,
  sampling: { ...settings.sampling },
});

/** A name for a new thing. Random, as clocks of two tabs may agree. `randomUUID` is missing where the page came over
 *  plain HTTP from another machine. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const newChat = (settings: ChatSettings, now = Date.now()): Chat => ({
  id: newId(),
  title: 'New chat',
  isNamed: false,
  folder: null,
  created: now,
  updated: now,
  leaf: null,
  settings: copySettings(settings),
});

export const newMessage = (
  chat: string,
  parent: string | null,
  role: Message['role'],
  text: string,
  attachments: Attachment[] = [],
): Message => ({
  id: newId(),
  chat,
  parent,
  role,
  text,
  thought: '',
  attachments,
  created: Date.now(),
  state: 'done',
  error: null,
  model: null,
  finish: null,
  stats: null,
  thoughtMs: null,
});
