import { describe, expect, it } from 'vitest';
import { rangesOf, repairedBy } from './places';

const place = (start: number, end: number) => ({ start, end, before: 'x' });
const said = (text: string, places: { start: number; end: number; before: string }[]) =>
  rangesOf(text, places).map(({ from, to }) => text.slice(from, to));

describe('places of a text', () => {
  it('are counted in characters, however long those are', () => {
    expect(said('🔥 Ä 漢字 👍🏽 end', [place(0, 1), place(2, 3), place(4, 6), place(10, 13)])).toEqual(['🔥', 'Ä', '漢字', 'end']);
  });

  it('may be empty, and are left out where they are nowhere', () => {
    expect(said('abc', [place(1, 1), place(1, 3)])).toEqual(['', 'bc']);
    expect(said('abc', [place(2, 3), place(1, 2), place(3, 9)])).toEqual(['c']);
    expect(said('abc', [place(-1, 2), place(0.5, 1), place(2, 1), place(0, Number.NaN)])).toEqual([]);
    expect(said('', [place(0, 1)])).toEqual([]);
  });

  it('are told with who wrote them', () => {
    const left = { target: 'big', sent_bytes: 1, hidden: 0, dollars: 0, ledger_entry: 1, note: null };
    const by = (count: number) => repairedBy({ left, asked: 3, places: Array.from({ length: count }, () => place(0, 1)) });
    expect([by(1), by(2), by(0)]).toEqual(['1 place by big', '2 places by big', 'nothing changed by big in 3 places']);
  });
});
