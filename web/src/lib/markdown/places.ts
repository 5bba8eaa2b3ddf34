/**
 * Marks around places of a text. Signs that no text has are put around them before it is read as Markdown, and become tokens. A
 * sign in the wrong spot would change how the text reads; such a place has no mark.
 */
import type { Token, TokenizerExtension, Tokens } from 'marked';
import type { Range } from '../text/places';

/** A marked place. */
export interface Marked extends Tokens.Generic {
  type: 'place';
  /** Its number among all places. */
  index: number;
  /** What stood there before. */
  before: string;
  tokens: Token[];
}

/** Of private use in Unicode: one for the beginning of each place, one for the ends of all. */
const [FIRST, CLOSE] = [0xe000, '\ue07f'];
/** Places that have marks; more are never asked about. */
const MARKS_MAX = 64;
const SIGNS = /[\ue000-\ue07f]/;
const FORM = /^([\ue000-\ue03f])([^\ue000-\ue07f]+)\ue07f/;

export const inlinePlace: TokenizerExtension = {
  name: 'place',
  level: 'inline',
  start: (text) => {
    const at = text.search(SIGNS);
    return at < 0 ? undefined : at;
  },
  tokenizer(text) {
    const found = FORM.exec(text);
    if (!found) return undefined;
    const [raw, sign = '', inner = ''] = found;
    return { type: 'place', raw, index: sign.charCodeAt(0) - FIRST, before: '', tokens: this.lexer.inlineTokens(inner) };
  },
};

/** The blocks of a text with its places marked, as far as that changes nothing else; `read` makes blocks of a text with signs. */
export function withMarks(text: string, blocks: Token[], ranges: Range[], read: (signed: string) => Token[]): Token[] {
  let tokens = blocks;
  if (ranges.length === 0 || ranges.length > MARKS_MAX || SIGNS.test(text)) return tokens;
  const expected = shape(tokens);
  let kept = ranges.map(() => null as [number, number] | null);
  for (const [index, range] of ranges.entries()) {
    for (const span of [[range.from, range.to] as [number, number], letters(text, range)]) {
      if (span[0] >= span[1]) continue;
      const wanted = kept.map((one, at) => (at === index ? span : one));
      const marked = read(signed(text, wanted));
      if (shape(marked) !== expected) continue;
      [kept, tokens] = [wanted, marked];
      break;
    }
  }
  sayBefore(tokens, ranges);
  return tokens;
}

/** A range without the signs of Markdown and blanks at its ends. */
function letters(text: string, { from, to }: Range): [number, number] {
  const inner = text.slice(from, to);
  const head = /^[^\p{L}\p{N}]*/u.exec(inner)?.[0].length ?? 0;
  return [from + head, from + inner.replace(/[^\p{L}\p{N}]+$/u, '').length];
}

function signed(text: string, spans: ([number, number] | null)[]): string {
  let [made, at] = ['', 0];
  for (const [index, span] of spans.entries()) {
    if (!span) continue;
    made += text.slice(at, span[0]) + String.fromCharCode(FIRST + index) + text.slice(span[0], span[1]) + CLOSE;
    at = span[1];
  }
  return made + text.slice(at);
}

/** The tokens below one: those of lists and tables have names of their own. */
function below(token: Token): Token[] | null {
  const { tokens, items, header, rows } = token as Tokens.Generic;
  if (header && rows) return [...header, ...rows.flat()];
  return items ?? tokens ?? null;
}

/** What a text reads like, whatever is marked in it: two texts with the same shape look the same. */
function shape(tokens: Token[]): string {
  return tokens.map(shapeOf).join('');
}

function shapeOf(token: Token): string {
  const inner = below(token);
  if (token.type === 'place' || (token.type === 'text' && inner)) return shape(inner ?? []);
  if (token.type === 'text') return token.text;
  const own = Object.entries(token).filter(
    ([key, value]) => key !== 'raw' && !(inner && key === 'text') && (typeof value !== 'object' || value === null),
  );
  return `\0${JSON.stringify(own)}(${inner ? shape(inner) : ''}\0)`;
}

/** Says in the marks what stood there before. */
function sayBefore(tokens: Token[], ranges: Range[]): void {
  for (const token of tokens) {
    if (token.type === 'place') token.before = ranges[token.index]?.before ?? '';
    sayBefore(below(token) ?? [], ranges);
  }
}
