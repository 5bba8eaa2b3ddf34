import type { Call, Finish, Sampling, Stats, Tool, ToolChoice } from '../api/chat';

/** A text file that goes with a message. */
export interface Attachment {
  name: string;
  text: string;
}

/** How an answer stands. `running` on the disk means that the page was closed meanwhile. */
export type State = 'done' | 'running' | 'stopped' | 'failed';

/** A message; those of a conversation form a tree, as editing and regenerating keep what was there. All of this is as the
 *  server keeps it. */
export interface Message {
  id: string;
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
  thought_ms: number | null;
  /** The functions that the answer called; what came of each is kept with it, and the answer to that follows this message. */
  calls: Call[];
}

/** What a conversation asks of models. */
export interface ChatSettings {
  model: string | null;
  system: string;
  think: boolean | null;
  may_drop: boolean;
  sampling: Sampling;
  /** A JSON schema that answers follow. */
  schema: Record<string, unknown> | null;
  /** Functions that the model may call. */
  tools: Tool[];
  tool_choice: ToolChoice;
}

/** A conversation without its messages. */
export interface Chat {
  id: string;
  title: string;
  /** Whether a person named it; then no message renames it. */
  is_named: boolean;
  /** Whether it must be answered on this machine, whatever else is allowed. */
  is_private: boolean;
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
  may_drop: false,
  sampling: {
    temperature: null,
    top_p: null,
    top_k: null,
    min_p: null,
    repeat_penalty: null,
    max_tokens: null,
    seed: null,
  },
  schema: null,
  tools: [],
  tool_choice: 'auto',
};

/** A conversation in a list. */
export interface Listed {
  chat: Chat;
  /** A number that grows with every change of it or of its messages. */
  version: number;
}

/** A copy that shares nothing that anybody changes: schemas and tools are only ever replaced. */
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
  is_named: false,
  is_private: false,
  folder: null,
  created: now,
  updated: now,
  leaf: null,
  settings: copySettings(settings),
});

export const newMessage = (
  parent: string | null,
  role: Message['role'],
  text: string,
  attachments: Attachment[] = [],
): Message => ({
  id: newId(),
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
  thought_ms: null,
  calls: [],
});
