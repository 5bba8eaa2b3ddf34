// The official client of Anthropic.

import Anthropic from '@anthropic-ai/sdk';
import { CITY, LONG, MODEL, QUESTION, WEATHER, YES, all, equal, ok, refused } from './common.mjs';

const TOOL = { name: 'get_weather', description: 'Weather in a city', input_schema: CITY };
const TIME = { ...TOOL, name: 'get_time' };

const client = (address, more = {}) => new Anthropic({ baseURL: address, apiKey: 'none', maxRetries: 0, ...more });
// Newer clients know no temperature; the interface does.
const body = (more) => ({ model: MODEL, max_tokens: 40, messages: QUESTION, temperature: 0, ...more });
const create = (address, more = {}) => client(address).messages.create(body(more));
const call = (address, more = {}) => create(address, { messages: WEATHER, tools: [TOOL], tool_choice: { type: 'any' }, max_tokens: 80, ...more });
const total = (usage) => usage.input_tokens + usage.cache_read_input_tokens;

export async function testMessage(address) {
  const message = await create(address);
  equal([message.type, message.role, message.stop_reason, message.stop_sequence], ['message', 'assistant', 'end_turn', null]);
  ok(message.id.startsWith('msg_') && message.content[0].text.includes('Ember') && message.usage.output_tokens > 0);
}

export async function testSystem(address) {
  const text = await create(address, { system: 'Be kind.' });
  const blocks = await create(address, { system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }] });
  equal(text.content, blocks.content);
}

export async function testEmptySystem(address) {
  equal((await create(address, { system: '' })).content, (await create(address)).content);
}

export async function testBlocks(address) {
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'Who are you?' }] }];
  equal((await create(address, { messages })).content, (await create(address)).content);
}

export async function testRawStream(address) {
  const events = (await all(create(address, { stream: true }))).map((event) => event.type);
  equal([events[0], ...events.slice(-2)], ['message_start', 'message_delta', 'message_stop']);
}

export async function testStreamHelper(address) {
  const stream = client(address).messages.stream(body({}));
  let heard = '';
  stream.on('text', (text) => (heard += text));
  equal(await stream.finalText(), heard);
  equal(heard, (await create(address)).content[0].text);
}

export async function testStreamUsage(address) {
  const events = await all(create(address, { stream: true, max_tokens: 3 }));
  const delta = events.find((event) => event.type === 'message_delta');
  equal([delta.delta.stop_reason, delta.usage.output_tokens], ['max_tokens', 3]);
}

export async function testStreamBlocksInOrder(address) {
  const events = await all(create(address, { stream: true }));
  const starts = events.filter((event) => event.type === 'content_block_start').map((event) => event.index);
  const stops = events.filter((event) => event.type === 'content_block_stop').map((event) => event.index);
  equal(starts, stops);
}

export async function testAbort(address) {
  const stream = await create(address, { stream: true, max_tokens: 400 });
  for await (const event of stream) {
    ok(event.type);
    stream.controller.abort();
    break;
  }
  ok((await create(address)).content.length > 0);
}

export async function testMaxTokens(address) {
  equal((await create(address, { max_tokens: 2 })).stop_reason, 'max_tokens');
}

export async function testStopSequence(address) {
  const message = await create(address, { stop_sequences: ['zzz', 'small'] });
  equal([message.stop_reason, message.stop_sequence], ['stop_sequence', 'small']);
}

export async function testStopSequenceStream(address) {
  const final = await client(address).messages.stream(body({ stop_sequences: ['small'] })).finalMessage();
  equal(final.stop_sequence, 'small');
}

export async function testPrefill(address) {
  const messages = [...QUESTION, { role: 'assistant', content: 'I am Ember, the small' }];
  ok((await create(address, { messages })).content[0].text.startsWith(' model'));
}

export async function testGoesOn(address) {
  const first = await create(address);
  const messages = [...QUESTION, { role: 'assistant', content: first.content }, { role: 'user', content: 'Thanks.' }];
  ok(total((await create(address, { messages })).usage) > total(first.usage));
}

export async function testCachedTokens(address) {
  await create(address, { system: 'Be kind and short.' });
  ok((await create(address, { system: 'Be kind and short.' })).usage.cache_read_input_tokens > 0);
}

export async function testSampling(address) {
  ok((await create(address, { temperature: 0.7, top_k: 5, top_p: 0.9, metadata: { user_id: 'someone' } })).content);
}

export async function testToolAny(address) {
  const message = await call(address);
  equal(message.stop_reason, 'tool_use');
  ok('city' in message.content.at(-1).input);
}

export async function testToolAuto(address) {
  equal((await call(address, { tool_choice: { type: 'auto' } })).content.at(-1).type, 'tool_use');
}

export async function testToolNone(address) {
  const message = await call(address, { tool_choice: { type: 'none' } });
  ok(message.content.every((block) => block.type === 'text'));
}

export async function testToolNamed(address) {
  const message = await call(address, { tools: [TOOL, TIME], tool_choice: { type: 'tool', name: 'get_time' } });
  equal(message.content.at(-1).name, 'get_time');
}

export async function testToolsOneAtATime(address) {
  const message = await call(address, { tools: [TOOL, TIME], tool_choice: { type: 'any', disable_parallel_tool_use: true }, max_tokens: 120 });
  equal(message.content.filter((block) => block.type === 'tool_use').length, 1);
}

export async function testToolIds(address) {
  const ids = (await call(address, { max_tokens: 160 })).content.filter((block) => block.type === 'tool_use').map((block) => block.id);
  equal(new Set(ids).size, ids.length);
  ok(ids.every((id) => id.startsWith('toolu_')));
}

export async function testToolStream(address) {
  const stream = client(address).messages.stream(body({ messages: WEATHER, tools: [TOOL], tool_choice: { type: 'any' }, max_tokens: 80 }));
  let heard = false;
  stream.on('inputJson', () => (heard = true));
  const final = await stream.finalMessage();
  ok(heard && 'city' in final.content.at(-1).input);
}

export async function testToolStreamByHand(address) {
  const events = await all(call(address, { stream: true }));
  const parts = events.filter((event) => event.delta?.type === 'input_json_delta').map((event) => event.delta.partial_json);
  ok('city' in JSON.parse(parts.join('')));
}

export async function testToolRound(address) {
  const first = await call(address);
  const result = { type: 'tool_result', tool_use_id: first.content.at(-1).id, content: 'rain' };
  const messages = [...WEATHER, { role: 'assistant', content: first.content }, { role: 'user', content: [result] }];
  ok(total((await create(address, { messages, tools: [TOOL] })).usage) > total(first.usage));
}

export async function testToolFailed(address) {
  const first = await call(address);
  const result = { type: 'tool_result', tool_use_id: first.content.at(-1).id, is_error: true, content: [{ type: 'text', text: 'no connection' }] };
  const messages = [...WEATHER, { role: 'assistant', content: first.content }, { role: 'user', content: [result] }];
  equal((await create(address, { messages, tools: [TOOL] })).role, 'assistant');
}

export async function testToolEnumeration(address) {
  const input_schema = { type: 'object', properties: { unit: { enum: ['C', 'F'] } }, required: ['unit'], additionalProperties: false };
  const message = await call(address, { tools: [{ name: 'set_unit', input_schema }] });
  ok(['C', 'F'].includes(message.content.at(-1).input.unit));
}

export async function testOutputFormat(address) {
  const message = await create(address, { output_config: { format: { type: 'json_schema', schema: YES } } });
  equal(typeof JSON.parse(message.content[0].text).yes, 'boolean');
}

export async function testOutputFormatStream(address) {
  const events = await all(create(address, { output_config: { format: { type: 'json_schema', schema: YES } }, stream: true }));
  equal(typeof JSON.parse(events.map((event) => event.delta?.text ?? '').join('')).yes, 'boolean');
}

export async function testThinkingDisabled(address) {
  equal((await create(address, { thinking: { type: 'disabled' } })).content[0].type, 'text');
}

export async function testCountTokens(address) {
  const counted = await client(address).messages.countTokens({ model: MODEL, messages: QUESTION });
  equal(counted.input_tokens, total((await create(address, { max_tokens: 1 })).usage));
}

export async function testCountTokensGrows(address) {
  const count = async (more) => (await client(address).messages.countTokens({ model: MODEL, messages: QUESTION, ...more })).input_tokens;
  const [bare, system, tools] = [await count({}), await count({ system: 'Be kind.' }), await count({ tools: [TOOL] })];
  ok(bare < system && system < tools);
}

export async function testModels(address) {
  ok((await all(client(address).models.list())).some((model) => model.id === MODEL));
}

export async function testBearer(address) {
  ok((await client(address, { apiKey: null, authToken: 'none' }).messages.create(body({}))).content);
}

export async function testBeta(address) {
  ok((await client(address).beta.messages.create({ ...body({}), betas: ['something-2025-01-01'] })).content);
}

export async function testModelMissing(address) {
  const error = await refused(() => create(address, { model: 'none' }), Anthropic.NotFoundError);
  equal([error.error.type, error.error.error.type], ['error', 'not_found_error']);
  ok(error.requestID);
}

export async function testContextTooLong(address) {
  await refused(() => create(address, { messages: LONG }), Anthropic.BadRequestError);
}

export async function testWrongFields(address) {
  const wrong = [{ messages: [] }, { max_tokens: 0 }, { temperature: 2 }, { tools: [{}] }, { tool_choice: { type: 'any' } }, { stop_sequences: [1] }, { system: 5 }];
  for (const fields of wrong) await refused(() => create(address, fields), Anthropic.BadRequestError);
}

export async function testToolsElsewhere(address) {
  await refused(() => create(address, { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }), Anthropic.BadRequestError);
}

export async function testImagesAreRefused(address) {
  const source = { type: 'base64', media_type: 'image/png', data: 'AA==' };
  await refused(() => create(address, { messages: [{ role: 'user', content: [{ type: 'image', source }] }] }), Anthropic.BadRequestError);
}

export async function testErrorInsteadOfAStream(address) {
  await refused(() => create(address, { model: 'none', stream: true }), Anthropic.NotFoundError);
}

export async function testManyAtOnce(address) {
  const messages = await Promise.all(Array.from({ length: 8 }, () => create(address)));
  equal(new Set(messages.map((message) => message.content[0].text)).size, 1);
}
