import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../store/types';
import { bodyOf, Reading, type Part } from './chat';
import { Problem, problemOf } from './problem';

const chunk = (delta: unknown, more: object = {}, finish: string | null = null) =>
  JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }], ...more });

describe('an answer', () => {
  it('is text, thoughts and what it took', () => {
    let time = 100;
    const reading = new Reading(100, () => time);
    const parts: Part[] = [];
    const read = (data: string) => parts.push(...reading.event(data));
    read(chunk({ role: 'assistant', content: '' }));
    time = 350;
    read(chunk({ reasoning_content: 'hm' }));
    time = 900;
    read(chunk({ content: 'Yes' }));
    read(chunk({}, { timings: { cache_n: 6, prompt_n: 4, predicted_n: 2, predicted_per_second: 20, queue_ms: 1 } }, 'stop'));
    read(JSON.stringify({ choices: [], usage: { dropped_tokens: 3 } }));
    read('[DONE]');
    expect(parts).toEqual([
      { kind: 'thought', text: 'hm' },
      { kind: 'text', text: 'Yes' },
    ]);
    expect(reading.end()).toEqual({
      kind: 'end',
      finish: 'stop',
      stats: {
        prompt_tokens: 10,
        cached_tokens: 6,
        answer_tokens: 2,
        dropped_tokens: 3,
        per_second: 20,
        first_token_ms: 250,
        queue_ms: 1,
      },
    });
  });

  it('says what it took in energy, here and elsewhere', () => {
    const took = { method: 'measured', scope: 'processor', joules_low: 3, joules_high: 3, about: 'RAPL' };
    const assumed = { method: 'assumed', scope: 'prompt', joules_low: 216, joules_high: 1224, about: 'published' };
    const end = (hob: object) => {
      const reading = new Reading(0, () => 0);
      [...reading.event(chunk({}, { timings: { predicted_n: 2 }, hob }, 'stop'))];
      const last = reading.end();
      return last.kind === 'end' ? last.stats : null;
    };
    const here = end({ route: 'local', energy: took });
    expect([here?.energy, here?.elsewhere]).toEqual([took, undefined]);
    const there = end({ route: 'big', sent_bytes: 5, hidden: {}, dollars: 0.1, energy: null, energy_elsewhere: assumed });
    expect([there?.energy, there?.elsewhere?.energy]).toEqual([undefined, assumed]);
  });

  it('says of an answer with several models in it what all of them took', () => {
    const reading = new Reading(0, () => 0);
    const timings = { prompt_n: 4, predicted_n: 2, predicted_per_second: 20 };
    [...reading.event(chunk({}, { timings, hob: { route: 'big' } }, 'stop'))];
    [...reading.event(JSON.stringify({ choices: [], usage: { prompt_tokens: 30, completion_tokens: 40 } }))];
    const last = reading.end();
    expect(last.kind === 'end' ? last.stats : null).toMatchObject({ prompt_tokens: 30, answer_tokens: 40 });
  });

  it('has its places repaired by whoever was asked, and told of this machine what is its own', () => {
    const reading = new Reading(0, () => 0);
    const parts: Part[] = [...reading.event(chunk({ content: 'In Rome.' }))];
    parts.push(...reading.event(chunk({}, { hob: { asking: { by: 'big', places: 2 } } })));
    const places = [{ start: 3, end: 8, before: 'Rome' }];
    const repaired = { by: 'big', asked: 2, changed: 1, text: 'In Paris.', places };
    const tokens = { here: { prompt: 9, answer: 4 }, elsewhere: { prompt: 70, answer: 20 } };
    const hob = { route: 'local', why: 'repair', sent_bytes: 5, hidden: { PERSON: 2 }, dollars: 0.1, ledger_entry: 3, note: 'n', tokens, repaired };
    parts.push(...reading.event(chunk({}, { timings: { predicted_n: 4 }, hob }, 'stop')));
    [...reading.event(JSON.stringify({ choices: [], usage: { prompt_tokens: 79, completion_tokens: 24 } }))];
    expect(parts).toEqual([
      { kind: 'text', text: 'In Rome.' },
      { kind: 'asking', by: 'big', places: 2 },
      { kind: 'repaired', text: 'In Paris.' },
    ]);
    const left = { target: 'big', sent_bytes: 5, hidden: 2, dollars: 0.1, ledger_entry: 3, note: 'n' };
    const stats = { prompt_tokens: 9, answer_tokens: 4, repaired: { left, asked: 2, places } };
    expect(reading.end()).toMatchObject({ kind: 'end', finish: 'stop', stats });
  });

  it('says what left where nothing could be used of what came back', () => {
    const reading = new Reading(0, () => 0);
    [...reading.event(chunk({}, { hob: { asking: { by: 'big', places: 1 } } }))];
    const hob = { route: 'local', why: 'fallback', reason: 'no edits', sent_bytes: 5, hidden: {}, dollars: 0, ledger_entry: 3, note: null, repaired: null };
    expect([...reading.event(chunk({}, { timings: { predicted_n: 4 }, hob }, 'stop'))]).toEqual([]);
    const left = { target: 'big', sent_bytes: 5, note: 'no edits' };
    expect(reading.end()).toMatchObject({ stats: { repaired: { left, asked: 1, places: [] } } });
  });

  it('has no rate where it came from elsewhere in one piece', () => {
    const rate = (route: string, pieces: string[]) => {
      const reading = new Reading(0, () => 0);
      for (const content of pieces) [...reading.event(chunk({ content }))];
      [...reading.event(chunk({}, { timings: { predicted_n: 9, predicted_per_second: 300 }, hob: { route } }, 'stop'))];
      const last = reading.end();
      return last.kind === 'end' ? last.stats?.per_second : null;
    };
    expect([rate('big', ['All of it']), rate('big', ['In ', 'two']), rate('local', ['All of it'])]).toEqual([0, 300, 300]);
  });

  it('may call functions, whose arguments come in pieces', () => {
    const reading = new Reading(0, () => 0);
    const read = (calls: unknown) => [...reading.event(chunk({ tool_calls: calls }))][0];
    const [one, two] = [{ id: 'c1', name: 'add', result: null }, { id: 'c2', name: 'now', result: null }];
    read([{ index: 0, id: 'c1', type: 'function', function: { name: 'add', arguments: '' } }]);
    const first = read([{ index: 0, function: { arguments: '{"a":' } }]);
    read([{ index: 0, function: { arguments: '1}' } }]);
    const all = read([{ index: 1, id: 'c2', function: { name: 'now', arguments: '{}' } }]);
    expect(all).toEqual({ kind: 'calls', calls: [{ ...one, arguments: '{"a":1}' }, { ...two, arguments: '{}' }] });
    // What was handed out before does not change.
    expect(first).toEqual({ kind: 'calls', calls: [{ ...one, arguments: '{"a":' }] });
  });

  it('that breaks off is a problem, not an answer', () => {
    const reading = new Reading(0, () => 0);
    expect([...reading.event(chunk({ content: 'half' }))]).toHaveLength(1);
    expect(() => reading.end()).toThrow(Problem);
  });

  it('may fail in the middle, with the reason', () => {
    const reading = new Reading(0, () => 0);
    const fail = () => [...reading.event('{"error":{"message":"full","code":"context_length_exceeded"}}')];
    expect(fail).toThrow(/longer than the model/);
  });

  it('passes over what is no JSON', () => {
    expect([...new Reading(0, () => 0).event('{"choices":')]).toEqual([]);
  });
});

describe('a request', () => {
  it('names only what was set', () => {
    const sampling = { ...DEFAULT_SETTINGS.sampling, temperature: 0, seed: 7 };
    const body = bodyOf({ model: 'ember', messages: [], sampling, think: null, may_drop: false });
    expect(body).toEqual({
      model: 'ember',
      messages: [],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
      seed: 7,
    });
    const other = bodyOf({ model: 'm', messages: [], sampling: DEFAULT_SETTINGS.sampling, think: false, may_drop: true });
    expect(other).toMatchObject({ reasoning_effort: 'none', truncate: true });
  });

  it('names its conversation and the folder of that, so that the server can look what they are marked as', () => {
    const base = { model: 'm', messages: [], sampling: DEFAULT_SETTINGS.sampling, think: null, may_drop: false };
    expect(bodyOf({ ...base, chat: 'abcd1234', folder: 'Doctor', is_private: true }).hob).toEqual({ private: true, chat: 'abcd1234', folder: 'Doctor' });
    expect(bodyOf({ ...base, chat: null, folder: null, is_private: false })).not.toHaveProperty('hob');
    expect(bodyOf({ ...base, repairs: true }).hob).toEqual({ repairs: true });
  });

  it('asks for a schema and offers tools', () => {
    const base = { model: 'm', messages: [], sampling: DEFAULT_SETTINGS.sampling, think: null, may_drop: false };
    const schema = { type: 'object' };
    const tool = { name: 'add', description: 'Adds', parameters: schema, strict: false };
    const body = bodyOf({ ...base, schema, tools: [tool], tool_choice: 'required' });
    expect(body).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
      tools: [{ type: 'function', function: tool }],
      tool_choice: 'required',
    });
    for (const nothing of [{ schema: null, tools: [] }, { tools: [tool], tool_choice: 'none' as const }]) {
      expect(Object.keys(bodyOf({ ...base, ...nothing }))).toEqual(['model', 'messages', 'stream', 'stream_options']);
    }
  });
});

describe('a refusal', () => {
  const refused = (message: string, param: string) => problemOf(400, { error: { message, param, code: 'unsupported_grammar' } });

  it('of a schema says where in words', () => {
    const problem = refused('JSON schema at #/properties/a~1b/contains: `contains` cannot be enforced', 'response_format');
    expect(problem).toMatchObject({ param: 'response_format', code: 'unsupported_grammar', kind: 'refused' });
    expect(problem.message).toBe('JSON schema at “properties › a/b › contains”: `contains` cannot be enforced');
    expect(problem.advice).toContain('Answers as JSON');
    expect(refused('JSON schema at #: allows nothing', 'response_format').message).toBe('JSON schema at the top: allows nothing');
  });

  it('of something else has no place in the settings', () => {
    expect(refused('temperature: expected a number', 'temperature').param).toBeNull();
  });
});
