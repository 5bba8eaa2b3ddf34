/** Colours of code, as spans of text with classes. Loaded when the first block of code is shown. */
import { common, createLowlight } from 'lowlight';

export interface Span {
  text: string;
  classes: string;
}

/** Code beyond this stays plain: colouring it would hold up the page. */
const LETTERS_MAX = 60_000;

const lowlight = createLowlight(common);

/** The code in pieces; `null` where its language is not known. */
export function highlight(code: string, language: string): Span[] | null {
  if (code.length > LETTERS_MAX || !lowlight.registered(language)) return null;
  try {
    const spans: Span[] = [];
    flatten(lowlight.highlight(language, code), '', spans);
    return spans;
  } catch {
    return null;
  }
}

interface Node {
  type: string;
  value?: string;
  properties?: { className?: unknown };
  children?: Node[];
}

function flatten(node: Node, outer: string, spans: Span[]): void {
  if (node.type === 'text') {
    if (node.value) spans.push({ text: node.value, classes: outer });
    return;
  }
  const own = node.properties?.className;
  const classes = Array.isArray(own) ? own.join(' ') : outer;
  node.children?.forEach((child) => flatten(child, classes, spans));
}
