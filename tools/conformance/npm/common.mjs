// What the suites ask about, and what they demand.

import assert from 'node:assert/strict';

export const MODEL = 'ember';
export const QUESTION = [{ role: 'user', content: 'Who are you?' }];
export const WEATHER = [{ role: 'user', content: 'What is the weather in Oslo?' }];
export const CITY = {
  type: 'object',
  properties: { city: { type: 'string', maxLength: 20 } },
  required: ['city'],
  additionalProperties: false,
};
export const YES = {
  type: 'object',
  properties: { yes: { type: 'boolean' } },
  required: ['yes'],
  additionalProperties: false,
};
export const LONG = [{ role: 'user', content: 'word '.repeat(3000) }];

/** The error that a call ends with; one of the class, if one is named. */
export async function refused(call, kind) {
  let value;
  try {
    value = await call();
  } catch (error) {
    if (kind && !(error instanceof kind)) throw error;
    return error;
  }
  assert.fail(`expected an error, found ${JSON.stringify(value).slice(0, 300)}`);
}

/** All items of a stream. */
export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

export const equal = assert.deepEqual;
export const ok = assert.ok;
