/** What people write in the settings of a chat as JSON: the schema of answers, and tools. Errors are said in words. */
import type { Tool } from '../api/chat';

/** What a text came to: a value, or what is wrong with it. */
export type Read<T> = { value: T; error: null } | { value: null; error: string };

export interface Template<T> {
  name: string;
  value: T;
}

type Schema = Record<string, unknown>;

const ok = <T>(value: T): Read<T> => ({ value, error: null });
const wrong = (error: string) => ({ value: null, error });

/** The schema in a text; null where it is empty. */
export function readSchema(text: string): Read<Schema | null> {
  if (text.trim() === '') return ok(null);
  const read = parse(text);
  if (read.error !== null) return read;
  if (!isObject(read.value)) return wrong(`Expected an object such as {"type": "object"}, found ${kind(read.value)}.`);
  return ok(read.value);
}

const MEMBERS = ['name', 'description', 'parameters', 'strict'];

/** The tools in a text: a list of functions, or a single one; each alone or in OpenAI's wrapping. */
export function readTools(text: string): Read<Tool[]> {
  if (text.trim() === '') return ok([]);
  const read = parse(text);
  if (read.error !== null) return read;
  const list = Array.isArray(read.value) ? read.value : [read.value];
  const tools: Tool[] = [];
  for (const [index, entry] of list.entries()) {
    const found = tool(entry);
    if (found.error !== null) return wrong(`Tool ${index + 1}: ${found.error}`);
    if (tools.some(({ name }) => name === found.value.name)) return wrong(`Two tools are called ${found.value.name}.`);
    tools.push(found.value);
  }
  return ok(tools);
}

function tool(entry: unknown): Read<Tool> {
  const given = isObject(entry) && entry.type === 'function' && isObject(entry.function) ? entry.function : entry;
  if (!isObject(given)) return wrong(`expected an object with a name, found ${kind(given)}.`);
  const { name, description = '', parameters = {}, strict = false } = given;
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name)) {
    return wrong(`expected a name of at most 64 letters, digits, “_”, “-” and “.”, found ${name === undefined ? 'none' : JSON.stringify(name)}.`);
  }
  if (typeof description !== 'string') return wrong(`expected a text as description, found ${kind(description)}.`);
  if (!isObject(parameters)) return wrong(`expected a JSON schema as parameters, found ${kind(parameters)}.`);
  if (typeof strict !== 'boolean') return wrong(`expected true or false for strict, found ${kind(strict)}.`);
  const strange = Object.keys(given).find((member) => !MEMBERS.includes(member));
  if (strange !== undefined) return wrong(`expected ${MEMBERS.join(', ')}, found “${strange}”.`);
  return ok({ name, description, parameters, strict });
}

/** A schema as it stands in its field. */
export const writeSchema = (schema: Schema | null): string => (schema === null ? '' : JSON.stringify(schema, null, 2));

/** Tools as they stand in their field; what says nothing is left out. */
export const writeTools = (tools: Tool[]): string =>
  tools.length === 0
    ? ''
    : JSON.stringify(
        tools.map(({ strict, ...tool }) => (strict ? { ...tool, strict } : tool)),
        null,
        2,
      );

function parse(text: string): Read<unknown> {
  try {
    return ok(JSON.parse(text) as unknown);
  } catch (thrown) {
    const told = thrown instanceof Error ? thrown.message : String(thrown);
    return wrong(`This is not JSON yet: ${told.replace(/^JSON\.parse: /, '').replace(/\.?$/, '.')}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const kind = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : typeof value === 'string' ? 'a text' : `a ${typeof value}`;

const object = (properties: Schema): Schema => ({ type: 'object', properties, required: Object.keys(properties) });
const text = { type: 'string' };

/** Schemas to start from. A reason comes before what it is the reason for: a model writes in this order. */
export const SCHEMAS: Template<Schema>[] = [
  { name: 'List of items', value: object({ items: { type: 'array', items: text } }) },
  { name: 'Yes or no, with a reason', value: object({ reason: text, answer: { type: 'boolean' } }) },
  { name: 'One of some labels', value: object({ label: { enum: ['positive', 'neutral', 'negative'] } }) },
  {
    name: 'People in a text',
    value: object({ people: { type: 'array', items: object({ name: text, age: { type: ['integer', 'null'] } }) } }),
  },
];

/** Tools to start from. */
export const TOOLS: Template<Tool[]>[] = [
  {
    name: 'Weather in a city',
    value: [{ name: 'get_weather', description: 'Weather in a city', parameters: object({ city: text }), strict: false }],
  },
  {
    name: 'Search with a number of results',
    value: [
      {
        name: 'search',
        description: 'Searches documents',
        parameters: { ...object({ words: text, count: { type: 'integer', minimum: 1, maximum: 20 } }), required: ['words'] },
        strict: false,
      },
    ],
  },
];
