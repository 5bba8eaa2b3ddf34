import { describe, expect, it } from 'vitest';
import { Announcer } from './announcer';
import { textOf } from './files';
import { fitOf } from './fit';
import { age, bytes, count, duration, left, rateOf, speed, titleOf } from './format';
import { fileName } from './save';

describe('numbers for people', () => {
  it('have units', () => {
    expect([bytes(0), bytes(999), bytes(1536), bytes(5.5e9), bytes(2e8)]).toEqual([
      '0 bytes',
      '999 bytes',
      '1.5 kB',
      '5.5 GB',
      '200 MB',
    ]);
    expect([count(950), count(7e9), count(1.35e8)]).toEqual(['950', '7B', '135M']);
    expect([duration(20), duration(2400), duration(125_000)]).toEqual(['20 ms', '2.4 s', '2 min 5 s']);
  });

  it('are rounded where they are guesses', () => {
    expect([left(0.4), left(33), left(90), left(7000)]).toEqual([
      'about 1 second left',
      'about 35 seconds left',
      'about 2 minutes left',
      'about 2 hours left',
    ]);
    expect([speed(3.24), speed(41.6)]).toEqual(['about 3.2 tokens/s', 'about 42 tokens/s']);
  });

  it('are not told of a speed that nobody can have measured', () => {
    const there = { target: 'big', sent_bytes: 1, hidden: 0, dollars: 0, ledger_entry: 1, note: null };
    const rate = (answer_tokens: number, per_second: number, elsewhere?: typeof there | { ledger_entry: null }) =>
      rateOf({ answer_tokens, per_second, ...(elsewhere ? { elsewhere: { ...there, ...elsewhere } } : {}) });
    expect([rate(20, 8.04), rate(20, 41.6), rate(1, 3000)]).toEqual(['8.0 tokens/s', '42 tokens/s', '3000 tokens/s']);
    expect([rate(1, 0), rate(9, Infinity), rate(9, NaN)]).toEqual([null, null, null]);
    expect([rate(200, 80, there), rate(10, 3_052_503, there), rate(10, 1500, there)]).toEqual(['80 tokens/s', null, null]);
    expect(rate(200, 80, { ledger_entry: null })).toBeNull();
  });

  it('have an age', () => {
    const now = new Date(2026, 5, 15, 12).getTime();
    const day = 86_400_000;
    expect([0, 1, 3, 20, 60].map((days) => age(now - days * day, now))).toEqual([
      'Today',
      'Yesterday',
      'This week',
      'This month',
      'Older',
    ]);
  });
});

describe('titles', () => {
  it('are the first line, cut at a word', () => {
    expect(titleOf('  Hello  there \nmore')).toBe('Hello there');
    expect(titleOf('\n')).toBe('New chat');
    expect(titleOf('word '.repeat(30))).toMatch(/^(word )+word…$/);
    expect(titleOf('x'.repeat(100))).toHaveLength(61);
  });

  it('become names of files on every system', () => {
    expect(fileName('a/b\\c:d*?"<>|', 'md')).toBe('a b c d.md');
    expect(fileName('../..', 'md')).not.toContain('/');
    expect(fileName('\u0000', 'json')).toBe('chat.json');
  });
});

describe('the announcer', () => {
  it('tells sentences, seldom, and each once', () => {
    const said: string[] = [];
    let time = 0;
    const announcer = new Announcer((text) => said.push(text), () => time);
    const text = 'One. Two. **Three** is long';
    for (let end = 1; end <= text.length; end += 1) {
      time += 100;
      announcer.grow(text.slice(0, end));
    }
    announcer.end(text);
    expect(said.join(' ')).toBe('One. Two. Three is long');
    expect(said.length).toBeLessThan(4);
  });
});

describe('files', () => {
  const encode = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;

  it('are text or they are not', () => {
    expect(textOf(encode('a\r\nö'))).toBe('a\nö');
    expect(textOf(new Uint8Array([0xff, 0xfe, 0x61, 0]).buffer)).toBe('a');
    expect(textOf(new Uint8Array([0x89, 0x50, 0x4e, 0x47]).buffer)).toBeNull();
    expect(textOf(encode('a\0b'))).toBeNull();
  });
});

describe('fit', () => {
  it('goes by size until a model is loaded', () => {
    expect(fitOf({ bytes: 100, is_loaded: false }, 1000).level).toBe('good');
    expect(fitOf({ bytes: 900, is_loaded: false }, 1000).level).toBe('tight');
    expect(fitOf({ bytes: 1001, is_loaded: false }, 1000).level).toBe('large');
    expect(fitOf({ bytes: 1001, is_loaded: true }, 1000).level).toBe('good');
  });
});
