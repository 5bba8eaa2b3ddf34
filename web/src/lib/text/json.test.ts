import { describe, expect, it } from 'vitest';
import { answerAsJson, pretty } from './json';

describe('JSON for people', () => {
  it('is laid out as JSON.stringify does it', () => {
    for (const value of [{}, [], { a: [1, 'x,y:{"z"}', null, true], b: {}, c: [[]], 'ü\\"': -1.5e3 }, [{ a: 1 }, { b: [] }], 'text', 7]) {
      expect(pretty(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
      expect(pretty(JSON.stringify(value, null, '\t'))).toBe(JSON.stringify(value, null, 2));
    }
  });

  it('keeps digits and order', () => {
    expect(pretty('{"2":12345678901234567890,"1":1.00}')).toBe('{\n  "2": 12345678901234567890,\n  "1": 1.00\n}');
  });

  it('shows what is cut off as far as it goes', () => {
    expect(pretty('{"a":[1,')).toBe('{\n  "a": [\n    1,\n    ');
  });

  it('is an answer only as a whole', () => {
    expect(answerAsJson(' {"a":1}\n')).toBe('{\n  "a": 1\n}');
    for (const text of ['Here: {"a":1}', '{"a":1} is it', '{"a":', '7', '"text"', '', 'true']) expect(answerAsJson(text)).toBeNull();
  });
});
