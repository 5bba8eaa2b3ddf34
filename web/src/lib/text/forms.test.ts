import { describe, expect, it } from 'vitest';
import { readSchema, readTools, SCHEMAS, TOOLS, writeSchema, writeTools } from './forms';

const errorOf = (text: string, read: (text: string) => { error: string | null }) => read(text).error ?? '';

describe('a schema', () => {
  it('is an object, or nothing', () => {
    expect(readSchema('{"type":"object"}')).toEqual({ value: { type: 'object' }, error: null });
    expect(readSchema(' \n')).toEqual({ value: null, error: null });
    expect(errorOf('[]', readSchema)).toMatch(/Expected an object .*, found a list\./);
    expect(errorOf('"x"', readSchema)).toContain('found a text');
    expect(errorOf('null', readSchema)).toContain('found null');
    expect(errorOf('{"type": }', readSchema)).toMatch(/^This is not JSON yet: .+\.$/);
  });

  it('is read as it was written', () => {
    for (const { value } of SCHEMAS) expect(readSchema(writeSchema(value)).value).toEqual(value);
    expect(writeSchema(null)).toBe('');
  });
});

describe('tools', () => {
  const add = { name: 'add', description: 'Adds', parameters: { type: 'object' }, strict: true };

  it('are functions, wrapped or not, alone or in a list', () => {
    const wrapped = { type: 'function', function: add };
    for (const text of [JSON.stringify(add), JSON.stringify([add]), JSON.stringify(wrapped), JSON.stringify([wrapped])]) {
      expect(readTools(text)).toEqual({ value: [add], error: null });
    }
    expect(readTools('{"name":"now"}').value).toEqual([{ name: 'now', description: '', parameters: {}, strict: false }]);
    expect(readTools('').value).toEqual([]);
  });

  it('are refused in words', () => {
    expect(errorOf('[{}]', readTools)).toMatch(/^Tool 1: expected a name .*found none\.$/);
    expect(errorOf('[{"name":"a"},{"name":"b c"}]', readTools)).toMatch(/^Tool 2: .*found "b c"\.$/);
    expect(errorOf('[{"name":"a"},{"name":"a"}]', readTools)).toBe('Two tools are called a.');
    expect(errorOf('[{"name":"a","parameters":[]}]', readTools)).toContain('a JSON schema as parameters, found a list');
    expect(errorOf('[{"name":"a","params":{}}]', readTools)).toContain('found “params”');
    expect(errorOf('[{"name":"a","description":1}]', readTools)).toContain('found a number');
    expect(errorOf('[7]', readTools)).toContain('found a number');
    expect(errorOf('[', readTools)).toContain('not JSON');
  });

  it('are read as they were written', () => {
    for (const { value } of [...TOOLS, { value: [add] }]) expect(readTools(writeTools(value)).value).toEqual(value);
  });
});
