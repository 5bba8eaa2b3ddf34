import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { beforeEach, describe, expect, it } from 'vitest';
import { fenced, fromJson, toJson, toMarkdown } from './exchange';
import { IndexedDbStorage } from './indexeddb';
import { MemoryStorage } from './memory';
import { promptOf } from './prompt';
import type { Storage } from './storage';
import { Tree } from './tree';
import { DEFAULT_SETTINGS, newChat, newMessage, type Message } from './types';

globalThis.IDBKeyRange = IDBKeyRange;

const say = (chat: string, parent: Message | null, role: Message['role'], text: string, created = 0): Message => ({
  ...newMessage(chat, parent?.id ?? null, role, text),
  created,
});

describe('a tree of messages', () => {
  const first = say('c', null, 'user', 'a', 1);
  const answer = say('c', first, 'assistant', 'b', 2);
  const other = say('c', first, 'assistant', 'b2', 3);
  const follow = say('c', answer, 'user', 'c', 4);
  // The order in which they come from the disk says nothing.
  const tree = new Tree([follow, other, answer, first]);

  it('shows one branch', () => {
    expect(tree.path(follow.id).map((m) => m.text)).toEqual(['a', 'b', 'c']);
    expect(tree.path(other.id).map((m) => m.text)).toEqual(['a', 'b2']);
    expect(tree.path(null)).toEqual([]);
  });

  it('knows the others in a place, and where a branch ends', () => {
    expect(tree.siblings(answer).map((m) => m.text)).toEqual(['b', 'b2']);
    expect(tree.leafBelow(answer.id)).toBe(follow.id);
    expect(tree.leafBelow(first.id)).toBe(other.id);
  });

  it('replaces a message where it stands', () => {
    const copy = new Tree([first, answer, other]);
    copy.replace({ ...answer, text: 'new' });
    expect(copy.siblings(other).map((m) => m.text)).toEqual(['new', 'b2']);
  });

  it('survives circles', () => {
    const [a, b] = [say('c', null, 'user', 'a'), say('c', null, 'user', 'b')];
    const round = new Tree([{ ...a, parent: b.id }, { ...b, parent: a.id }]);
    expect(round.path(a.id)).toHaveLength(2);
    expect(typeof round.leafBelow(a.id)).toBe('string');
  });

  it('removes a branch', () => {
    const copy = new Tree([first, answer, other, follow]);
    expect(copy.remove(answer.id)).toHaveLength(2);
    expect(copy.all().map((m) => m.text)).toEqual(['a', 'b2']);
    expect(copy.siblings(other)).toHaveLength(1);
  });
});

describe.each(['memory', 'indexeddb'])('storage in %s', (kind) => {
  let storage: Storage;
  beforeEach(async () => {
    storage = kind === 'memory' ? new MemoryStorage() : await IndexedDbStorage.open(new IDBFactory());
  });

  it('keeps conversations apart', async () => {
    const [one, two] = [newChat(DEFAULT_SETTINGS), newChat(DEFAULT_SETTINGS)];
    await storage.saveChat(one);
    await storage.saveChat({ ...two, title: 'Second' });
    const messages = [say(one.id, null, 'user', 'Where is the Hearth?', 1), say(two.id, null, 'user', 'hearth again', 2)];
    await storage.saveMessages(messages);
    expect((await storage.chats()).map((chat) => chat.id).sort()).toEqual([one.id, two.id].sort());
    expect((await storage.chat(two.id))?.title).toBe('Second');
    expect((await storage.messages(one.id)).map((m) => m.text)).toEqual(['Where is the Hearth?']);
    expect((await storage.search('HEARTH', 10)).map((hit) => hit.chat)).toEqual([two.id, one.id]);
    expect(await storage.search('hearth', 1)).toHaveLength(1);
    await storage.deleteChat(one.id);
    expect(await storage.messages(one.id)).toEqual([]);
    expect(await storage.messages(two.id)).toHaveLength(1);
    await storage.deleteMessages(two.id, [messages[1]?.id ?? '']);
    expect(await storage.messages(two.id)).toEqual([]);
  });
});

describe('exchange', () => {
  const chat = { ...newChat({ ...DEFAULT_SETTINGS, system: 'Be brief.' }), title: 'A chat' };
  const question = { ...say(chat.id, null, 'user', 'Hi', 1), attachments: [{ name: 'a.txt', text: 'x ``` y' }] };
  const answer = { ...say(chat.id, question, 'assistant', 'Hello', 2), model: 'ember' };
  chat.leaf = answer.id;
  const carried = [{ chat, messages: [question, answer] }];

  it('brings back what was taken, under new names', () => {
    const back = fromJson(toJson(carried));
    const first = back[0];
    expect(first?.chat).toMatchObject({ title: 'A chat', settings: { system: 'Be brief.' } });
    expect(first?.chat.id).not.toBe(chat.id);
    expect(new Tree(first?.messages).path(first?.chat.leaf ?? null).map((m) => m.text)).toEqual(['Hi', 'Hello']);
    expect(first?.messages[0]?.attachments).toEqual(question.attachments);
    expect(new Set(first?.messages.map((m) => m.chat))).toEqual(new Set([first?.chat.id]));
  });

  it('refuses what it does not know, and mends what it can', () => {
    expect(() => fromJson('no')).toThrow(/no JSON/);
    expect(() => fromJson('{"chats":[]}')).toThrow(/exported here/);
    expect(() => fromJson('{"format":"hob-chats","chats":[{}]}')).toThrow(/incomplete/);
    const odd = { chat: { title: 7, leaf: 'x', settings: { sampling: { temperature: '9' } } }, messages: [null, { id: 'a', parent: 'zz', role: 'root', text: {} }] };
    const [mended] = fromJson(JSON.stringify({ format: 'hob-chats', chats: [odd] }));
    expect(mended?.messages).toHaveLength(1);
    expect(mended?.messages[0]).toMatchObject({ role: 'user', text: '', parent: null });
    expect(mended?.chat.settings.sampling.temperature).toBeNull();
    expect(mended?.chat.leaf).toBe(mended?.messages[0]?.id);
  });

  it('writes Markdown that a file inside cannot break', () => {
    const text = toMarkdown(carried[0] as (typeof carried)[0]);
    expect(text).toContain('# A chat');
    expect(text).toContain('````\nx ``` y\n````');
    expect(text).toContain('## ember\n\nHello');
    expect(fenced('a')).toBe('```\na\n```');
  });
});

describe('a prompt', () => {
  it('takes turns, with files first, and leaves out answers that came to nothing', () => {
    const asked = { ...say('c', null, 'user', 'Q'), attachments: [{ name: 'n', text: 't' }] };
    const nothing = say('c', asked, 'assistant', '');
    const again = say('c', nothing, 'user', 'Q2');
    expect(promptOf(' ', [asked, nothing, again])).toEqual([{ role: 'user', content: 'File n:\n```\nt\n```\n\nQ\n\nQ2' }]);
    expect(promptOf('S', [again])[0]).toEqual({ role: 'system', content: 'S' });
  });
});
