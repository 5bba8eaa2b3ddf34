import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keepsHere, type Asked } from '../api/cloud';
import { MemoryStorage } from '../store/memory';
import { DEFAULT_SETTINGS, newChat, type ChatSettings } from '../store/types';
import { Conversation } from './conversation.svelte';

interface Call {
  path: string;
  body: Record<string, unknown>;
}

/** What the page asked of the server, and what that says. */
let calls: Call[];
let answers: ((body: Record<string, unknown>, signal: AbortSignal) => Response)[];
let asks: Asked[];

const refuse = (code: string) => () => Response.json({ error: { message: code, code } }, { status: code === 'private' ? 403 : 409 });
const say = (text: string) => () =>
  new Response(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`);

beforeEach(() => {
  [calls, answers, asks] = [[], [], []];
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => Number(setTimeout(draw)));
  vi.stubGlobal('cancelAnimationFrame', (frame: number) => clearTimeout(frame));
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    const path = String(url);
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) : {};
    if (path.endsWith('/v1/chat/completions')) {
      calls.push({ path, body });
      return (answers.shift() ?? refuse('none'))(body, init?.signal ?? new AbortController().signal);
    }
    if (path.endsWith('/cloud/plan')) {
      calls.push({ path, body });
      return Response.json({ target: 'big', asks, preview: [], hidden: [], shown: [] });
    }
    // What the page looks up beside that is not there.
    return refuse('none')();
  });
});
afterEach(() => vi.unstubAllGlobals());

const open = (change: Partial<ChatSettings> = {}) => {
  const settings = { ...DEFAULT_SETTINGS, model: 'cloud/big', ...change };
  return new Conversation({ chat: newChat(settings, 1), version: 0 }, [], new MemoryStorage(), () => {}, true);
};

describe('a plan', () => {
  it('is made from the request that is answered', async () => {
    const sampling = { ...DEFAULT_SETTINGS.sampling, max_tokens: 7, temperature: 0.5, top_p: 0.25, seed: 3 };
    const conversation = open({ sampling, think: true });
    answers = [refuse('unanswered')];
    await conversation.send('Hello');
    const [request, plan] = calls.map(({ body }) => body);
    const { stream, stream_options, hob, ...asked } = request ?? {};
    expect([stream, stream_options, hob]).not.toContain(undefined);
    expect(asked).toMatchObject({ max_tokens: 7, temperature: 0.5, top_p: 0.25, seed: 3, reasoning_effort: 'medium' });
    expect(plan).toEqual({ ...asked, target: 'big', answers: {}, private: false });
    expect(conversation.questionWith('Hello')).toMatchObject({ max_tokens: 7, temperature: 0.5, top_p: 0.25 });
  });
});

describe('the word that a question stays here', () => {
  const asked = (id: string): Asked => ({ id, kind: 'EMAIL', value: id, answer: null });

  it('is about the values of that question', () => {
    expect(keepsHere([asked('one')], { one: 'refuse' })).toBe(true);
    expect(keepsHere([asked('two')], { one: 'refuse', two: 'show' })).toBe(false);
  });

  it('keeps a question with such a value here', async () => {
    const conversation = open();
    await conversation.say({ one: 'refuse' });
    [answers, asks] = [[refuse('private'), say('Here.')], [asked('one')]];
    await conversation.send('About one');
    expect(calls.at(-1)?.body).toMatchObject({ hob: { stay: true } });
    expect(conversation.path.at(-1)).toMatchObject({ text: 'Here.', state: 'done' });
  });

  it('says nothing about a question that is refused for something else', async () => {
    const conversation = open();
    await conversation.say({ one: 'refuse' });
    [answers, asks] = [[refuse('private'), say('Here.')], [asked('two')]];
    await conversation.send('About a number that is blocked');
    expect(conversation.path.at(-1)).toMatchObject({ state: 'failed', error: { message: 'private' } });
    expect(calls.filter(({ path }) => path.endsWith('completions')).length).toBe(1);
  });
});

describe('an answer of which places are written anew', () => {
  const data = (chunk: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: null }], ...chunk })}\n\n`;
  const draft = data({ choices: [{ index: 0, delta: { content: 'In Rome.' }, finish_reason: null }] });
  const asking = data({ hob: { asking: { by: 'big', places: 1 } } });
  const places = [{ start: 3, end: 8, before: 'Rome' }];
  const hob = { route: 'local', sent_bytes: 5, hidden: {}, dollars: 0, ledger_entry: 3, repaired: { by: 'big', asked: 1, changed: 1, text: 'In Paris.', places } };
  const end = data({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }], timings: { predicted_n: 3 }, hob });

  it('is kept as it reads then, with what stood there', async () => {
    const conversation = open({ model: 'ember' });
    answers = [() => new Response(`${draft}${asking}${end}data: [DONE]\n\n`), say(' It rains.')];
    await conversation.send('Where?');
    expect(calls[0]?.body).toMatchObject({ hob: { repairs: true } });
    const last = () => conversation.path.at(-1) ?? expect.fail('no answer');
    expect(last()).toMatchObject({ text: 'In Paris.', state: 'done', stats: { repaired: { asked: 1, places, left: { target: 'big' } } } });
    // What is said next goes on from that.
    await conversation.goOn(last());
    expect(calls.at(-1)?.body.messages).toContainEqual({ role: 'assistant', content: 'In Paris.' });
    expect(last()).toMatchObject({ text: 'In Paris. It rains.', state: 'done' });
  });

  it('is whole as it is for whoever does not want to wait', async () => {
    const conversation = open({ model: 'ember' });
    const start = (signal: AbortSignal) => (to: ReadableStreamDefaultController) => {
      to.enqueue(new TextEncoder().encode(draft + asking));
      signal.addEventListener('abort', () => to.error(signal.reason));
    };
    answers = [(_, signal) => new Response(new ReadableStream({ start: start(signal) }))];
    const sent = conversation.send('Where?');
    await vi.waitFor(() => expect(conversation.live?.asking).toEqual({ by: 'big', places: 1 }));
    expect(conversation.live?.text).toBe('In Rome.');
    conversation.stop();
    await sent;
    expect(conversation.path.at(-1)).toMatchObject({ text: 'In Rome.', state: 'done', error: null, stats: null });
  });
});
