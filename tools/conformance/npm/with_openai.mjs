// The official client of OpenAI.

import OpenAI, { toFile } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CITY, LONG, MODEL, QUESTION, WEATHER, YES, all, equal, ok, refused } from './common.mjs';

const TOOL = {
  type: 'function',
  function: { name: 'get_weather', description: 'Weather in a city', parameters: CITY, strict: true },
};
const TIME = { ...TOOL, function: { ...TOOL.function, name: 'get_time' } };
const FLAT = { type: 'function', name: 'get_weather', description: 'Weather in a city', parameters: CITY, strict: true };
const STRICT = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: YES } };

const client = (address) => new OpenAI({ baseURL: `${address}/v1`, apiKey: 'none', maxRetries: 0 });
const chat = (address, more = {}) =>
  client(address).chat.completions.create({ model: MODEL, messages: QUESTION, temperature: 0, max_tokens: 40, ...more });
const respond = (address, more = {}) =>
  client(address).responses.create({ model: MODEL, input: 'Who are you?', temperature: 0, max_output_tokens: 40, ...more });
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');

export async function testModels(address) {
  const models = await all(client(address).models.list());
  ok(models.some((model) => model.id === MODEL && model.object === 'model'));
  equal((await client(address).models.retrieve(MODEL)).owned_by, 'hob');
}

export async function testModelMissing(address) {
  await refused(() => client(address).models.retrieve('none'), OpenAI.NotFoundError);
}

export async function testChat(address) {
  const answer = await chat(address);
  ok(answer.choices[0].message.content.includes('Ember'));
  equal(answer.choices[0].finish_reason, 'stop');
  equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
}

export async function testParts(address) {
  const answer = await chat(address);
  equal(answer.object, 'chat.completion');
  ok(answer.id.startsWith('chatcmpl-') && answer.created > 1.6e9 && answer.system_fingerprint);
  equal(answer.choices[0].message.refusal, null);
}

export async function testStream(address) {
  const whole = (await chat(address)).choices[0].message.content;
  const chunks = await all(chat(address, { stream: true }));
  equal(textOf(chunks), whole);
  equal(chunks[0].choices[0].delta.role, 'assistant');
  equal(chunks.at(-1).choices[0].finish_reason, 'stop');
}

export async function testStreamUsage(address) {
  const chunks = await all(chat(address, { stream: true, stream_options: { include_usage: true } }));
  equal(chunks.at(-1).choices, []);
  ok(chunks.at(-1).usage.completion_tokens > 0);
}

export async function testStreamHelper(address) {
  const stream = client(address).chat.completions.stream({ model: MODEL, messages: QUESTION, temperature: 0, max_tokens: 40 });
  let heard = '';
  stream.on('content', (delta) => (heard += delta));
  equal(await stream.finalContent(), heard);
  ok((await stream.totalUsage()) !== undefined);
}

export async function testAbort(address) {
  const stream = await chat(address, { stream: true, max_tokens: 400 });
  for await (const chunk of stream) {
    ok(chunk.id);
    stream.controller.abort();
    break;
  }
  ok((await chat(address)).choices[0].message.content);
}

export async function testRoles(address) {
  for (const role of ['system', 'developer']) {
    const answer = await chat(address, { messages: [{ role, content: 'Be kind.' }, ...QUESTION] });
    ok(answer.usage.prompt_tokens > 5);
  }
}

export async function testContentParts(address) {
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'Who are you?' }] }];
  equal((await chat(address, { messages })).choices[0].message, (await chat(address)).choices[0].message);
}

export async function testCachedTokens(address) {
  await chat(address);
  ok((await chat(address)).usage.prompt_tokens_details.cached_tokens > 0);
}

export async function testStop(address) {
  const choice = (await chat(address, { stop: ['zzz', 'small'] })).choices[0];
  equal(choice.finish_reason, 'stop');
  ok(choice.message.content.endsWith('the '));
}

export async function testLength(address) {
  const answer = await chat(address, { max_tokens: undefined, max_completion_tokens: 2 });
  equal([answer.choices[0].finish_reason, answer.usage.completion_tokens], ['length', 2]);
}

export async function testChoicesAndSeed(address) {
  const ask = async () => (await chat(address, { n: 3, seed: 5, temperature: 1.5, max_tokens: 10 })).choices.map((c) => c.message.content);
  const first = await ask();
  equal(first.length, 3);
  equal(await ask(), first);
}

export async function testLogprobs(address) {
  const choice = (await chat(address, { logprobs: true, top_logprobs: 3, max_tokens: 5 })).choices[0];
  equal(choice.logprobs.content.map((entry) => entry.token).join(''), choice.message.content);
  ok(choice.logprobs.content.every((entry) => entry.top_logprobs.length === 3));
}

export async function testLogprobsStream(address) {
  const chunks = await all(chat(address, { logprobs: true, top_logprobs: 1, max_tokens: 5, stream: true }));
  equal(chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? []).length, 5);
}

export async function testLogitBias(address) {
  ok((await chat(address, { logit_bias: { 65: -100 }, presence_penalty: 0.5, frequency_penalty: 0.5, top_p: 0.9 })).choices);
}

export async function testJsonObject(address) {
  const choice = (await chat(address, { response_format: { type: 'json_object' }, max_tokens: 100 })).choices[0];
  if (choice.finish_reason === 'stop') equal(typeof JSON.parse(choice.message.content), 'object');
}

export async function testSchema(address) {
  const choice = (await chat(address, { response_format: STRICT })).choices[0];
  equal(typeof JSON.parse(choice.message.content).yes, 'boolean');
}

export async function testSchemaStream(address) {
  const chunks = await all(chat(address, { response_format: STRICT, stream: true }));
  equal(typeof JSON.parse(textOf(chunks)).yes, 'boolean');
}

export async function testSchemaZod(address) {
  const format = zodResponseFormat(z.object({ yes: z.boolean(), kind: z.enum(['cat', 'dog']) }), 'answer');
  const answer = await client(address).chat.completions.parse({ model: MODEL, messages: QUESTION, response_format: format, max_tokens: 60 });
  ok(['cat', 'dog'].includes(answer.choices[0].message.parsed.kind));
}

export async function testSchemaRefused(address) {
  const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nonsense' } } };
  equal((await refused(() => chat(address, { response_format: format }), OpenAI.BadRequestError)).status, 400);
}

export async function testToolChoices(address) {
  for (const tool_choice of ['required', 'auto', { type: 'function', function: { name: 'get_weather' } }]) {
    const choice = (await chat(address, { messages: WEATHER, tools: [TOOL], tool_choice, max_tokens: 80 })).choices[0];
    equal(choice.finish_reason, 'tool_calls');
    ok('city' in JSON.parse(choice.message.tool_calls[0].function.arguments));
  }
}

export async function testToolsNone(address) {
  const choice = (await chat(address, { messages: WEATHER, tools: [TOOL], tool_choice: 'none' })).choices[0];
  equal(choice.message.tool_calls ?? [], []);
}

export async function testToolNamed(address) {
  const tool_choice = { type: 'function', function: { name: 'get_time' } };
  const choice = (await chat(address, { messages: WEATHER, tools: [TOOL, TIME], tool_choice, max_tokens: 80 })).choices[0];
  equal(choice.message.tool_calls[0].function.name, 'get_time');
}

export async function testToolsOneAtATime(address) {
  const more = { messages: WEATHER, tools: [TOOL, TIME], tool_choice: 'required', parallel_tool_calls: false, max_tokens: 100 };
  equal((await chat(address, more)).choices[0].message.tool_calls.length, 1);
}

export async function testToolStream(address) {
  const chunks = await all(chat(address, { messages: WEATHER, tools: [TOOL], tool_choice: 'required', max_tokens: 80, stream: true }));
  const calls = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  equal(calls[0].function.name, 'get_weather');
  ok('city' in JSON.parse(calls.map((call) => call.function.arguments ?? '').join('')));
}

export async function testToolRunner(address) {
  const asked = [];
  const run = (args) => (asked.push(args), 'rain');
  const tool = { type: 'function', function: { ...TOOL.function, function: run, parse: JSON.parse } };
  const runner = client(address).chat.completions.runTools({ model: MODEL, messages: WEATHER, tools: [tool], temperature: 0, max_tokens: 80 }, { maxChatCompletions: 2 });
  await runner.done().catch(() => {});
  ok(asked.length > 0 && 'city' in asked[0]);
}

export async function testToolRound(address) {
  const first = await chat(address, { messages: WEATHER, tools: [TOOL], tool_choice: 'required', max_tokens: 80 });
  const message = first.choices[0].message;
  const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'rain' };
  const second = await chat(address, { messages: [...WEATHER, message, result], tools: [TOOL] });
  ok(second.usage.prompt_tokens > first.usage.prompt_tokens);
}

export async function testCompletions(address) {
  const answer = await client(address).completions.create({ model: MODEL, prompt: 'Once upon a time', max_tokens: 8, temperature: 0, echo: true, logprobs: 2 });
  ok(answer.choices[0].text.startsWith('Once upon a time'));
  equal(answer.choices[0].logprobs.tokens.length, 8);
}

export async function testCompletionsStream(address) {
  const chunks = await all(client(address).completions.create({ model: MODEL, prompt: 'Once', max_tokens: 4, stream: true }));
  equal(chunks.at(-1).choices[0].finish_reason, 'length');
}

export async function testCompletionsMany(address) {
  const answer = await client(address).completions.create({ model: MODEL, prompt: ['One', 'Two'], max_tokens: 2, n: 2 });
  equal(answer.choices.map((choice) => choice.index), [0, 1, 2, 3]);
}

export async function testEmbeddings(address) {
  const create = (more) => client(address).embeddings.create({ model: MODEL, input: ['a cat', 'a dog'], ...more });
  const [coded, plain] = [await create({}), await create({ encoding_format: 'float' })];
  ok(coded.data[1].embedding.every((x, at) => Math.abs(x - plain.data[1].embedding[at]) < 1e-6));
}

export async function testEmbeddingDimensions(address) {
  const answer = await client(address).embeddings.create({ model: MODEL, input: 'a', dimensions: 8, encoding_format: 'float' });
  equal(answer.data[0].embedding.length, 8);
}

export async function testErrors(address) {
  const missing = await refused(() => chat(address, { model: 'none' }), OpenAI.NotFoundError);
  equal(missing.code, 'model_not_found');
  const hot = await refused(() => chat(address, { temperature: 9 }), OpenAI.BadRequestError);
  equal([hot.param, hot.type], ['temperature', 'invalid_request_error']);
  ok(hot.requestID);
}

export async function testContextTooLong(address) {
  equal((await refused(() => chat(address, { messages: LONG }), OpenAI.BadRequestError)).code, 'context_length_exceeded');
}

export async function testWrongFields(address) {
  for (const wrong of [{ messages: [] }, { n: 0 }, { max_tokens: -1 }, { tools: [{}] }, { stop: [1] }, { tool_choice: 'required' }]) {
    ok((await refused(() => chat(address, wrong), OpenAI.BadRequestError)).param, JSON.stringify(wrong));
  }
}

export async function testImagesAreRefused(address) {
  const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }];
  await refused(() => chat(address, { messages }), OpenAI.BadRequestError);
}

export async function testWhatIsNotThere(address) {
  await refused(async () => client(address).files.create({ file: await toFile(Buffer.from('x'), 'x.txt'), purpose: 'batch' }), OpenAI.NotFoundError);
}

export async function testResponses(address) {
  const answer = await respond(address, { instructions: 'Be kind.', metadata: { a: 'b' } });
  equal([answer.object, answer.status, answer.metadata], ['response', 'completed', { a: 'b' }]);
  ok(answer.output_text.length > 0 && answer.usage.total_tokens > 0);
}

export async function testResponsesGoOn(address) {
  const first = await respond(address);
  const second = await respond(address, { input: 'What can you do?', previous_response_id: first.id });
  ok(second.usage.input_tokens > first.usage.input_tokens);
  equal((await all(client(address).responses.inputItems.list(second.id))).length, 3);
}

export async function testResponsesKept(address) {
  const { id } = await respond(address);
  equal((await client(address).responses.retrieve(id)).id, id);
  await client(address).responses.delete(id);
  await refused(() => client(address).responses.retrieve(id), OpenAI.NotFoundError);
}

export async function testResponsesStream(address) {
  const events = await all(respond(address, { stream: true }));
  equal(events.map((event) => event.sequence_number), events.map((_, at) => at));
  const text = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
  const last = events.at(-1);
  equal([last.type, last.response.output[0].content[0].text], ['response.completed', text]);
}

export async function testResponsesStreamHelper(address) {
  const stream = client(address).responses.stream({ model: MODEL, input: 'Who are you?', temperature: 0, max_output_tokens: 40 });
  ok((await stream.finalResponse()).output_text.includes('Ember'));
}

export async function testResponsesTools(address) {
  const answer = await respond(address, { input: 'What is the weather in Oslo?', tools: [FLAT], tool_choice: 'required', max_output_tokens: 80 });
  equal(answer.output[0].type, 'function_call');
  ok('city' in JSON.parse(answer.output[0].arguments));
}

export async function testResponsesSchema(address) {
  const format = { type: 'json_schema', name: 'answer', strict: true, schema: YES };
  equal(typeof JSON.parse((await respond(address, { text: { format } })).output_text).yes, 'boolean');
}

export async function testResponsesErrors(address) {
  await refused(() => respond(address, { previous_response_id: 'resp_none' }), OpenAI.NotFoundError);
  await refused(() => respond(address, { background: true }), OpenAI.BadRequestError);
  equal((await respond(address, { max_output_tokens: 2 })).incomplete_details.reason, 'max_output_tokens');
}
