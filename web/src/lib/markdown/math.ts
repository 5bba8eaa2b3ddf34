/** Formulas in Markdown: `$x$` and `\(x\)` within a line, `$$x$$` and `\[x\]` by themselves. */
import type { TokenizerExtension, Tokens } from 'marked';

/** A formula, as LaTeX. */
export interface Formula extends Tokens.Generic {
  type: 'math';
  text: string;
  isDisplay: boolean;
}

/** Dollars stand for money too: those of a formula touch it, and no digit follows the second. Lengths are bounded, so that a
 *  text full of beginnings is not searched to its end at each of them. */
const INLINE = [
  { form: /^\$\$(?!\$)([^$]{1,2000}?)\$\$(?!\$)/, isDisplay: true },
  { form: /^\$(?![\s$])((?:\\[^\n]|[^\\$\n]){1,2000}?)(?<!\s)\$(?![\d$])/, isDisplay: false },
  { form: /^\\\(((?:[^\\]|\\(?![()])){1,2000}?)\\\)/, isDisplay: false },
  { form: /^\\\[((?:[^\\]|\\(?![[\]])){1,2000}?)\\\]/, isDisplay: true },
];
const BLOCK = [/^ {0,3}\$\$(?!\$)([^$]{1,2000}?)\$\$[ \t]*(?:\n|$)/, /^ {0,3}\\\[((?:[^\\]|\\(?![[\]])){1,2000}?)\\\][ \t]*(?:\n|$)/];

const formula = (raw: string, text: string, isDisplay: boolean): Formula | undefined =>
  text.trim() === '' ? undefined : { type: 'math', raw, text: text.trim(), isDisplay };

export const inlineMath: TokenizerExtension = {
  name: 'math',
  level: 'inline',
  start: (text) => {
    const at = text.search(/\$|\\[([]/);
    return at < 0 ? undefined : at;
  },
  tokenizer(text) {
    for (const { form, isDisplay } of INLINE) {
      const found = form.exec(text);
      if (found) return formula(found[0], found[1] ?? '', isDisplay);
    }
    return undefined;
  },
};

export const blockMath: TokenizerExtension = {
  name: 'mathBlock',
  level: 'block',
  start: (text) => {
    const at = text.search(/^ {0,3}(?:\$\$|\\\[)/m);
    return at < 0 ? undefined : at;
  },
  tokenizer(text) {
    for (const form of BLOCK) {
      const found = form.exec(text);
      if (found) return formula(found[0], found[1] ?? '', true);
    }
    return undefined;
  },
};
