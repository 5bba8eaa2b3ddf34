/** The character references that appear in Markdown; the parser leaves them as they are. */
const NAMES: Record<string, string> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', hellip: '…',
  mdash: '—', ndash: '–', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', bull: '•', middot: '·', times: '×',
  divide: '÷', deg: '°', plusmn: '±', le: '≤', ge: '≥', ne: '≠', asymp: '≈', infin: '∞', larr: '←', rarr: '→',
  uarr: '↑', darr: '↓', harr: '↔', euro: '€', pound: '£', yen: '¥', cent: '¢', sect: '§', para: '¶', micro: 'µ',
  half: '½', frac12: '½', frac14: '¼', frac34: '¾', alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', pi: 'π',
  sigma: 'σ', omega: 'ω', lambda: 'λ', mu: 'μ', theta: 'θ', laquo: '«', raquo: '»', iexcl: '¡', iquest: '¿',
};

/** The text with references replaced; what is none stays. The result is text, never markup. */
export function decode(text: string): string {
  return text.includes('&') ? text.replace(/&(#x?[0-9a-f]{1,7}|[a-z][a-z0-9]{1,10});/gi, one) : text;
}

function one(whole: string, name: string): string {
  if (!name.startsWith('#')) return Object.hasOwn(NAMES, name) ? (NAMES[name] as string) : whole;
  const isHex = name[1] === 'x' || name[1] === 'X';
  const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : '\ufffd';
}
