// The AI SDK, with its provider for servers that answer as OpenAI does.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import { CITY, LONG, MODEL, YES, all, equal, ok, refused } from './common.mjs';

const provider = (address) =>
  createOpenAICompatible({ name: 'hob', baseURL: `${address}/v1`, apiKey: 'none', supportsStructuredOutputs: true, includeUsage: true });
const ask = (address, more = {}) => ({ model: provider(address)(MODEL), prompt: 'Who are you?', temperature: 0, maxOutputTokens: 40, maxRetries: 0, ...more });
const weather = (execute) => ({ get_weather: tool({ description: 'Weather in a city', inputSchema: jsonSchema(CITY), ...(execute && { execute }) }) });
const calling = { prompt: 'What is the weather in Oslo?', maxOutputTokens: 80, toolChoice: 'required' };

export async function testText(address) {
  const answer = await generateText(ask(address));
  ok(answer.text.includes('Ember'));
  equal(answer.finishReason, 'stop');
}

export async function testUsage(address) {
  const { usage } = await generateText(ask(address));
  ok(usage.inputTokens > 0 && usage.outputTokens > 0);
}

export async function testStream(address) {
  const stream = streamText(ask(address));
  equal((await all(stream.textStream)).join(''), (await generateText(ask(address))).text);
  equal(await stream.finishReason, 'stop');
}

export async function testStreamUsage(address) {
  const stream = streamText(ask(address));
  await all(stream.textStream);
  ok((await stream.usage).outputTokens > 0);
}

export async function testMessages(address) {
  const messages = [{ role: 'user', content: 'Who are you?' }, { role: 'assistant', content: 'I am Ember.' }, { role: 'user', content: 'Thanks.' }];
  ok((await generateText(ask(address, { prompt: undefined, messages }))).usage.inputTokens > 15);
}

export async function testLength(address) {
  equal((await generateText(ask(address, { maxOutputTokens: 2 }))).finishReason, 'length');
}

export async function testStop(address) {
  ok((await generateText(ask(address, { stopSequences: ['small'] }))).text.endsWith('the '));
}

export async function testSeed(address) {
  const hot = ask(address, { seed: 7, temperature: 1.5, maxOutputTokens: 20 });
  equal((await generateText(hot)).text, (await generateText(hot)).text);
}

export async function testObject(address) {
  const answer = await generateText(ask(address, { output: Output.object({ schema: jsonSchema(YES) }) }));
  equal(typeof answer.output.yes, 'boolean');
}

export async function testObjectStream(address) {
  const stream = streamText(ask(address, { output: Output.object({ schema: jsonSchema(YES) }) }));
  equal(typeof (await all(stream.partialOutputStream)).at(-1).yes, 'boolean');
}

export async function testTools(address) {
  const answer = await generateText(ask(address, { ...calling, tools: weather() }));
  equal([answer.finishReason, answer.toolCalls[0].toolName], ['tool-calls', 'get_weather']);
  ok('city' in answer.toolCalls[0].input);
}

export async function testToolsStream(address) {
  const stream = streamText(ask(address, { ...calling, tools: weather() }));
  await all(stream.textStream);
  ok('city' in (await stream.toolCalls)[0].input);
}

export async function testToolLoop(address) {
  const asked = [];
  const tools = weather(async (input) => (asked.push(input), 'rain'));
  await generateText(ask(address, { ...calling, toolChoice: 'auto', tools, stopWhen: stepCountIs(2) }));
  ok(asked.length > 0);
}

export async function testToolNamed(address) {
  const tools = { ...weather(), get_time: tool({ description: 'Time', inputSchema: jsonSchema(CITY) }) };
  const answer = await generateText(ask(address, { ...calling, tools, toolChoice: { type: 'tool', toolName: 'get_time' } }));
  equal(answer.toolCalls[0].toolName, 'get_time');
}

export async function testEmbed(address) {
  const model = provider(address).embeddingModel(MODEL);
  const one = await embed({ model, value: 'a cat' });
  const many = await embedMany({ model, values: ['a cat', 'a dog'] });
  equal([many.embeddings.length, one.embedding.length], [2, many.embeddings[0].length]);
}

export async function testErrors(address) {
  const missing = await refused(() => generateText(ask(address, { model: provider(address)('none') })));
  equal(missing.statusCode, 404);
  equal((await refused(() => generateText(ask(address, { prompt: LONG[0].content })))).statusCode, 400);
}

export async function testAbort(address) {
  const stop = new AbortController();
  const stream = streamText(ask(address, { maxOutputTokens: 400, abortSignal: stop.signal, onError: () => {} }));
  for await (const part of stream.textStream) {
    ok(typeof part === 'string');
    stop.abort();
  }
  ok((await generateText(ask(address))).text);
}
