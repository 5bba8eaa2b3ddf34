import { Tree } from './tree';
import { copySettings, DEFAULT_SETTINGS, newId, type Attachment, type Chat, type Message } from './types';

/** A conversation as it is carried elsewhere. */
export interface Carried {
  chat: Chat;
  messages: Message[];
}

const FORMAT = 'hob-chats';
const MESSAGES_MAX = 100_000;

/** Conversations as JSON, with all branches. */
export function toJson(carried: Carried[]): string {
  return JSON.stringify({ format: FORMAT, version: 1, chats: carried }, null, 1);
}

/** The shown branch of a conversation as Markdown. */
export function toMarkdown({ chat, messages }: Carried): string {
  const parts = [`# ${chat.title.replace(/\s+/g, ' ')}`];
  if (chat.settings.system) parts.push(`> System: ${chat.settings.system.replaceAll('\n', '\n> ')}`);
  for (const message of new Tree(messages).path(chat.leaf)) {
    const who = message.role === 'user' ? 'You' : (message.model ?? 'Model');
    parts.push(`## ${who}`);
    message.attachments.forEach((file) => parts.push(`*Attached: ${file.name}*\n\n${fenced(file.text)}`));
    parts.push(message.text);
  }
  return `${parts.join('\n\n')}\n`;
}

/** A block of text with a fence that is longer than any inside. */
export function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
}

/**
 * Conversations out of a file. It may come from anywhere, so that every field is looked at; ids are given anew, so that
 * nothing that is here already is overwritten.
 */
export function fromJson(text: string): Carried[] {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    throw new Error('The file is no JSON. Choose one that was exported here.');
  }
  const chats = object(whole)?.chats;
  if (object(whole)?.format !== FORMAT || !Array.isArray(chats)) {
    throw new Error('The file holds no conversations of Hob. Choose one that was exported here as JSON.');
  }
  return chats.map(carried);
}

function carried(value: unknown): Carried {
  const given = object(object(value)?.chat);
  const list = object(value)?.messages;
  if (!given || !Array.isArray(list)) throw new Error('A conversation in the file is incomplete; nothing was imported.');
  if (list.length > MESSAGES_MAX) throw new Error(`A conversation in the file has more than ${MESSAGES_MAX} messages.`);
  const id = newId();
  const names = new Map<string, string>();
  list.forEach((message) => names.set(string(object(message)?.id) || newId(), newId()));
  const rename = (name: unknown) => names.get(string(name)) ?? null;
  const messages = list.flatMap((message) => {
    const known = object(message);
    return known ? [messageOf(known, id, rename)] : [];
  });
  const leaf = rename(given.leaf) ?? messages.at(-1)?.id ?? null;
  const now = Date.now();
  const settings = object(given.settings) ?? {};
  const chat: Chat = {
    id,
    title: string(given.title).slice(0, 500) || 'Imported chat',
    isNamed: given.isNamed === true,
    folder: string(given.folder).slice(0, 100) || null,
    created: number(given.created) ?? now,
    updated: number(given.updated) ?? now,
    leaf,
    settings: { ...copySettings(DEFAULT_SETTINGS), model: string(settings.model) || null, system: string(settings.system) },
  };
  const sampling = object(settings.sampling) ?? {};
  for (const name of Object.keys(chat.settings.sampling) as (keyof typeof chat.settings.sampling)[]) {
    chat.settings.sampling[name] = number(sampling[name]);
  }
  return { chat, messages };
}

function messageOf(known: Record<string, unknown>, chat: string, rename: (name: unknown) => string | null): Message {
  const attachments = Array.isArray(known.attachments) ? known.attachments : [];
  return {
    id: rename(known.id) ?? newId(),
    chat,
    parent: rename(known.parent),
    role: known.role === 'assistant' ? 'assistant' : 'user',
    text: string(known.text),
    thought: string(known.thought),
    attachments: attachments.map((file): Attachment => ({ name: string(object(file)?.name), text: string(object(file)?.text) })),
    created: number(known.created) ?? 0,
    state: known.state === 'stopped' ? 'stopped' : 'done',
    error: null,
    model: string(known.model) || null,
    finish: null,
    stats: null,
    thoughtMs: number(known.thoughtMs),
  };
}

const object = (value: unknown): Record<string, unknown> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
const string = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
