/**
 * Markdown as a tree of tokens. Components make elements of them one by one, and nothing of the text ever becomes
 * markup: HTML in it is shown as the letters it is made of, so that there is nothing to sanitise.
 */
import { Marked, type Token } from 'marked';
import { blockMath, inlineMath } from './math';
import { inlinePlace, withMarks } from './places';
import { closeFence } from './unfinished';
import type { Range } from '../text/places';

/** Text beyond this is shown as it is: reading it again with every token would take too long. */
const LETTERS_MAX = 200_000;

const marked = new Marked({ gfm: true, breaks: true }, { extensions: [blockMath, inlineMath] });

/** The same, which knows signs around places. Those that a model writes are text. */
const marking = new Marked({ gfm: true, breaks: true }, { extensions: [blockMath, inlineMath, inlinePlace] });

/** The blocks of a text. A text that cannot be read as Markdown is one block of plain text. */
export function blocks(text: string, isGrowing = false): Token[] {
  return read(marked, text, isGrowing);
}

function read(by: Marked, text: string, isGrowing: boolean): Token[] {
  const plain: Token[] = [{ type: 'plain', raw: text, text }];
  if (text.length > LETTERS_MAX) return plain;
  try {
    const tokens = by.lexer(isGrowing ? closeFence(text) : text);
    return tokens.filter((token) => token.type !== 'space' && token.type !== 'def');
  } catch {
    // Thousands of nested lists or quotes are deeper than the parser's recursion.
    return plain;
  }
}

/** The same with places marked. */
export const markedBlocks = (text: string, ranges: Range[]): Token[] =>
  withMarks(text, blocks(text), ranges, (signed) => read(marking, signed, false));

/** The new blocks, with the old objects where nothing changed: what is the same is not drawn again. */
export function reuse(old: Token[], next: Token[]): Token[] {
  return next.map((token, index) => {
    const before = old[index];
    return before && before.type === token.type && before.raw === token.raw ? before : token;
  });
}
