/** JSON as people read it. Nothing of it is read into values on the way: numbers keep all their digits, members their order. */
export function pretty(text: string): string {
  const parts = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs) ?? [];
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  parts.forEach((part, index) => {
    const isEmpty = /[}\]]/.test(parts[index + 1] ?? '') && /^[{[]$/.test(part);
    if (part === '{' || part === '[') {
      depth += 1;
      out += isEmpty ? part : part + line();
    } else if (part === '}' || part === ']') {
      depth -= 1;
      out += /^[{[]$/.test(parts[index - 1] ?? '') ? part : line() + part;
    } else if (part === ',') out += part + line();
    else out += part === ':' ? ': ' : part;
  });
  return out;
}

/** An answer that is one JSON object or list from its first letter to its last, laid out; null for any other text. */
export function answerAsJson(text: string): string | null {
  if (!/^\s*[{[]/.test(text)) return null;
  try {
    JSON.parse(text);
    return pretty(text);
  } catch {
    return null;
  }
}
