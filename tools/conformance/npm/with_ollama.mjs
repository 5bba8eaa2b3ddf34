// The official client of Ollama.

import { Ollama } from 'ollama';
import { CITY, LONG, MODEL, QUESTION, WEATHER, YES, all, equal, ok, refused } from './common.mjs';

const STILL = { temperature: 0, num_predict: 40 };
const CALLING = { temperature: 0, num_predict: 80 };
const TOOL = { type: 'function', function: { name: 'get_weather', description: 'Weather in a city', parameters: CITY } };

const client = (address) => new Ollama({ host: address });
const chat = (address, more = {}) => client(address).chat({ model: MODEL, messages: QUESTION, options: STILL, ...more });
const generate = (address, more = {}) => client(address).generate({ model: MODEL, prompt: 'Who are you?', options: STILL, ...more });
const embed = (address, more = {}) => client(address).embed({ model: MODEL, input: 'a cat', ...more });

async function status(number, call) {
  equal((await refused(call)).status_code, number);
}

export async function testVersion(address) {
  ok(/^\d+\.\d+\.\d+/.test((await client(address).version()).version));
}

export async function testList(address) {
  const found = (await client(address).list()).models.find((model) => model.model === MODEL);
  equal(found.details.format, 'gguf');
  ok(found.size > 0 && found.digest && found.modified_at);
}

export async function testShow(address) {
  const shown = await client(address).show({ model: MODEL });
  ok(shown.capabilities.includes('tools') && shown.template && shown.details.parameter_size);
}

export async function testShowMissing(address) {
  await status(404, () => client(address).show({ model: 'none' }));
}

export async function testPs(address) {
  await generate(address, { prompt: '', keep_alive: '5m' });
  const [loaded] = (await client(address).ps()).models;
  equal([loaded.model, loaded.context_length], [MODEL, 1024]);
  ok(loaded.expires_at);
}

export async function testChat(address) {
  const answer = await chat(address);
  ok(answer.message.content.includes('Ember') && answer.done && answer.eval_count > 0);
  equal([answer.message.role, answer.done_reason, answer.model], ['assistant', 'stop', MODEL]);
}

export async function testChatTimes(address) {
  const answer = await chat(address);
  ok(answer.total_duration > 0 && answer.eval_duration > 0 && answer.prompt_eval_count > 0 && answer.load_duration >= 0);
}

export async function testChatStream(address) {
  const parts = await all(chat(address, { stream: true }));
  equal(parts.map((part) => part.message.content).join(''), (await chat(address)).message.content);
  equal(parts.map((part) => part.done).indexOf(true), parts.length - 1);
}

export async function testStreamEnds(address) {
  const last = (await all(chat(address, { stream: true }))).at(-1);
  ok(last.eval_count > 0 && last.done_reason === 'stop');
}

export async function testAbort(address) {
  const stream = await chat(address, { stream: true, options: { num_predict: 400 } });
  const ended = (async () => {
    for await (const part of stream) {
      ok(part.model);
      stream.abort();
    }
  })();
  await refused(() => ended);
  ok((await chat(address)).message.content);
}

export async function testSystem(address) {
  const answer = await chat(address, { messages: [{ role: 'system', content: 'Be kind.' }, ...QUESTION] });
  ok(answer.prompt_eval_count > (await chat(address)).prompt_eval_count);
}

export async function testGoesOn(address) {
  const first = await chat(address);
  const second = await chat(address, { messages: [...QUESTION, first.message, { role: 'user', content: 'Thanks.' }] });
  ok(second.prompt_eval_count > first.prompt_eval_count);
}

export async function testSeed(address) {
  const options = { seed: 7, temperature: 1.5, num_predict: 20 };
  equal((await chat(address, { options })).message.content, (await chat(address, { options })).message.content);
}

export async function testLength(address) {
  const answer = await chat(address, { options: { num_predict: 2 } });
  equal([answer.eval_count, answer.done_reason], [2, 'length']);
}

export async function testStop(address) {
  ok((await chat(address, { options: { temperature: 0, stop: ['small'] } })).message.content.endsWith('the '));
}

export async function testStopStream(address) {
  const parts = await all(chat(address, { options: { temperature: 0, stop: ['small'] }, stream: true }));
  ok(parts.map((part) => part.message.content).join('').endsWith('the '));
}

export async function testOptions(address) {
  const options = { num_keep: 4, top_k: 20, top_p: 0.9, min_p: 0.01, typical_p: 0.7, repeat_last_n: 33, repeat_penalty: 1.2, num_ctx: 512, num_gpu: 1, num_thread: 4, num_predict: 3 };
  ok((await chat(address, { options })).eval_count <= 3);
}

export async function testOptionsWrong(address) {
  for (const options of [{ temperature: 'hot' }, { top_p: 3 }, { num_ctx: 'x' }]) await status(400, () => chat(address, { options }));
}

export async function testGenerate(address) {
  ok((await generate(address)).response.includes('Ember'));
}

export async function testGenerateStream(address) {
  const parts = await all(generate(address, { stream: true }));
  equal(parts.map((part) => part.response).join(''), (await generate(address)).response);
}

export async function testGenerateRaw(address) {
  ok((await generate(address, { prompt: 'Once upon a time', raw: true })).response);
}

export async function testGenerateSystem(address) {
  ok((await generate(address, { system: 'Be kind.' })).prompt_eval_count > (await generate(address)).prompt_eval_count);
}

export async function testLoadAndUnload(address) {
  equal((await generate(address, { prompt: '', keep_alive: '1m' })).done_reason, 'load');
  equal((await generate(address, { prompt: '', keep_alive: 0 })).done_reason, 'unload');
  equal((await client(address).ps()).models, []);
}

export async function testChatLoads(address) {
  equal((await chat(address, { messages: [] })).done_reason, 'load');
}

export async function testKeepAliveForms(address) {
  for (const keep_alive of ['5m', 60, -1, '1h30m']) equal((await generate(address, { prompt: '', keep_alive })).done_reason, 'load');
  await status(400, () => generate(address, { prompt: '', keep_alive: 'five minutes' }));
}

export async function testFormatJson(address) {
  const answer = await chat(address, { format: 'json', options: { temperature: 0, num_predict: 200 } });
  if (answer.done_reason === 'stop') equal(typeof JSON.parse(answer.message.content), 'object');
}

export async function testFormatSchema(address) {
  equal(typeof JSON.parse((await chat(address, { format: YES })).message.content).yes, 'boolean');
}

export async function testFormatStream(address) {
  const parts = await all(chat(address, { format: YES, stream: true }));
  equal(typeof JSON.parse(parts.map((part) => part.message.content).join('')).yes, 'boolean');
}

export async function testFormatOfGenerate(address) {
  equal(typeof JSON.parse((await generate(address, { format: YES })).response).yes, 'boolean');
}

export async function testFormatWrong(address) {
  await status(400, () => chat(address, { format: { type: 'nonsense' } }));
}

export async function testTools(address) {
  const { message } = await chat(address, { messages: WEATHER, tools: [TOOL], options: CALLING });
  equal(message.tool_calls[0].function.name, 'get_weather');
  ok('city' in message.tool_calls[0].function.arguments);
}

export async function testToolsStream(address) {
  const parts = await all(chat(address, { messages: WEATHER, tools: [TOOL], options: CALLING, stream: true }));
  const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
  ok('city' in calls[0].function.arguments);
}

export async function testToolRound(address) {
  const first = await chat(address, { messages: WEATHER, tools: [TOOL], options: CALLING });
  const messages = [...WEATHER, first.message, { role: 'tool', tool_name: 'get_weather', content: 'rain' }];
  ok((await chat(address, { messages, tools: [TOOL] })).prompt_eval_count > first.prompt_eval_count);
}

export async function testToolWrong(address) {
  await status(400, () => chat(address, { tools: [{ type: 'function' }] }));
}

export async function testLogprobs(address) {
  const answer = await chat(address, { logprobs: true, top_logprobs: 2, options: { temperature: 0, num_predict: 3 } });
  equal(answer.logprobs.map((entry) => entry.token).join(''), answer.message.content);
}

export async function testThink(address) {
  equal((await chat(address, { think: false })).message.thinking, undefined);
  await status(400, () => chat(address, { think: true }));
}

export async function testEmbed(address) {
  const answer = await embed(address);
  equal([answer.embeddings.length, answer.model], [1, MODEL]);
  ok(answer.prompt_eval_count > 0 && answer.total_duration > 0);
}

export async function testEmbedMany(address) {
  equal((await embed(address, { input: ['a', 'b', 'c'] })).embeddings.length, 3);
}

export async function testEmbedDimensions(address) {
  equal((await embed(address, { dimensions: 8 })).embeddings[0].length, 8);
}

export async function testEmbedTooLong(address) {
  await status(400, () => embed(address, { input: LONG[0].content, truncate: false }));
  ok((await embed(address, { input: LONG[0].content, truncate: true })).embeddings[0].length > 0);
}

export async function testEmbedOld(address) {
  const one = await client(address).embeddings({ model: MODEL, prompt: 'a cat' });
  const [other] = (await embed(address)).embeddings;
  ok(one.embedding.every((x, at) => Math.abs(x - other[at]) < 1e-6));
}

export async function testModelMissing(address) {
  const error = await refused(() => chat(address, { model: 'none' }));
  equal(error.status_code, 404);
  ok(error.message.includes('none'));
  await status(404, () => embed(address, { model: 'none' }));
}

export async function testImagesAreRefused(address) {
  await status(400, () => generate(address, { images: ['AA=='] }));
}

export async function testContextTooLong(address) {
  await status(400, () => chat(address, { messages: LONG }));
}

export async function testErrorInsteadOfAStream(address) {
  await status(404, () => generate(address, { model: 'none', stream: true }));
}
