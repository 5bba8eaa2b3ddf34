import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryStorage } from './memory';
import { promptOf } from './prompt';
import { ServerStorage, toldOf } from './server';
import { Tree } from './tree';
import { DEFAULT_SETTINGS, newChat, newMessage, type Message } from './types';

const say = (parent: Message | null, role: Message['role'], text: string, created = 0): Message => ({
  ...newMessage(parent?.id ?? null, role, text),
  created,
});

describe('a tree of messages', () => {
  const first = say(null, 'user', 'a', 1);
  const answer = say(first, 'assistant', 'b', 2);
  const other = say(first, 'assistant', 'b2', 3);
  const follow = say(answer, 'user', 'c', 4);
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
    const [a, b] = [say(null, 'user', 'a'), say(null, 'user', 'b')];
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

describe('storage in memory', () => {
  it('keeps conversations apart', async () => {
    const storage = new MemoryStorage();
    const [one, two] = [newChat(DEFAULT_SETTINGS), newChat(DEFAULT_SETTINGS)];
    const message = say(null, 'user', 'Where is the Hearth?', 1);
    expect((await storage.save(one, [message], 0)).version).toBe(1);
    await storage.save({ ...two, title: 'Second' }, [say(null, 'user', 'an old hearth', 2)], 0);
    expect((await storage.save(one, [{ ...message, text: 'Where is THE hearth?' }], 1)).version).toBe(2);
    expect((await storage.list()).map(({ chat }) => chat.id)).toEqual([one.id, two.id]);
    expect((await storage.chat(two.id))?.chat.title).toBe('Second');
    expect((await storage.messages(one.id)).map((m) => m.text)).toEqual(['Where is THE hearth?']);
    expect((await storage.search('HEARTH', 10)).map((hit) => hit.chat)).toEqual([two.id, one.id]);
    expect((await storage.search('hearth where', 10)).map((hit) => hit.around)).toEqual(['Where is THE hearth?']);
    expect(await storage.search('hearth', 1)).toHaveLength(1);
    expect(await storage.privateFolders()).toEqual([]);
    await storage.markFolder('Doctor', true);
    expect(await storage.markFolder('Bank', true)).toEqual(['Bank', 'Doctor']);
    expect(await storage.markFolder('Doctor', false)).toEqual(['Bank']);
    await storage.deleteChat(one.id);
    expect(await storage.messages(one.id)).toEqual([]);
    expect(await storage.chat(one.id)).toBeUndefined();
  });
});

describe('storage at the server', () => {
  const asked: { method: string; path: string; body: unknown }[] = [];
  const answers: [number, unknown][] = [];
  beforeEach(() => {
    asked.length = 0;
    vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
      asked.push({ method: String(init.method), path, body: typeof init.body === 'string' ? JSON.parse(init.body) : init.body });
      const [status, body] = answers.shift() ?? [500, {}];
      return new Response(JSON.stringify(body), { status });
    });
  });
  afterEach(() => vi.unstubAllGlobals());
  const storage = new ServerStorage();
  const chat = newChat(DEFAULT_SETTINGS);
  const gone = { error: { message: 'there is no conversation', code: 'chat_not_found' } };

  it('asks page after page', async () => {
    answers.push([200, { chats: [{ ...chat, version: 3 }], next: '9-1' }], [200, { chats: [{ ...chat, id: 'other123', version: 1 }], next: null }]);
    expect(await storage.list()).toEqual([
      { chat, version: 3 },
      { chat: { ...chat, id: 'other123' }, version: 1 },
    ]);
    expect(asked.map(({ path }) => path)).toEqual(['/hob/v1/chats?limit=500', '/hob/v1/chats?limit=500&after=9-1']);
  });

  it('saves a conversation with its messages at once', async () => {
    const kept = { version: 7, is_private: false, folder: null };
    answers.push([200, kept]);
    const message = say(null, 'user', 'Hi');
    expect(await storage.save(chat, [message], 6)).toEqual(kept);
    expect(asked).toEqual([{ method: 'PUT', path: `/hob/v1/chats/${chat.id}`, body: { chat, messages: [message], version: 6 } }]);
  });

  it('takes what is gone as gone, and nothing else', async () => {
    answers.push([404, gone], [404, gone], [500, { error: { message: 'damaged' } }]);
    expect(await storage.chat(chat.id)).toBeUndefined();
    await storage.deleteChat(chat.id);
    await expect(storage.chat(chat.id)).rejects.toThrow('damaged');
  });

  it('says what an import came to', () => {
    const none = { imported: 0, known: 0, skipped: 0, reasons: [] };
    expect(toldOf({ ...none, imported: 1 })).toBe('Imported one conversation.');
    const some = { imported: 3, known: 1, skipped: 2, reasons: [{ title: 'Odd', why: 'no tree' }] };
    expect(toldOf(some)).toBe('Imported 3 conversations. One was here already. 2 were left out: Odd: no tree.');
  });
});

describe('a prompt', () => {
  it('takes turns, with files first, and leaves out answers that came to nothing', () => {
    const asked = { ...say(null, 'user', 'Q'), attachments: [{ name: 'n', text: 't' }] };
    const nothing = say(asked, 'assistant', '');
    const again = say(nothing, 'user', 'Q2');
    expect(promptOf(' ', [asked, nothing, again])).toEqual([{ role: 'user', content: 'File n:\n```\nt\n```\n\nQ\n\nQ2' }]);
    expect(promptOf('S', [again])[0]).toEqual({ role: 'system', content: 'S' });
  });

  it('tells calls with their results, and leaves out those without', () => {
    const asked = say(null, 'user', 'Q');
    const call = (id: string, result: string | null) => ({ id, name: 'add', arguments: '{}', result });
    const called = { ...say(asked, 'assistant', ''), calls: [call('c1', '7'), call('c2', null)] };
    const answer = say(called, 'assistant', 'It is 7.');
    const again = { ...say(answer, 'assistant', ''), calls: [call('c3', null)] };
    const told = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{}' } };
    expect(promptOf('', [asked, called, answer, again])).toEqual([
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: '', tool_calls: [told] },
      { role: 'tool', tool_call_id: 'c1', content: '7' },
      { role: 'assistant', content: 'It is 7.' },
    ]);
  });
});
