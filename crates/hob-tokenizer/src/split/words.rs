//! The word patterns of byte-level models, scanned by hand.
//!
//! Published models use a handful of regular expressions that differ in few places: how letters may be prefixed, how
//! many digits go together, what may follow punctuation. Compiling one of them costs more than reading a
//! whole vocabulary, and its backtracking is the slowest part of encoding, so the family is written out once, with the
//! differences as fields. The tests hold it to the compiled expression.

use crate::unicode::{LETTER, LOWER, MARK, NUMBER, OTHER_LETTER, SPACE, UPPER, char_at, flags};

/// `'s`, `'t` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contractions {
    Never,
    /// Before everything else, lower case only.
    Lower,
    /// Before everything else, either case.
    AnyCase,
    /// At the end of a word, either case.
    Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// ` ?\p{L}+`
    AfterSpace,
    /// `[^\r\n\p{L}\p{N}]?\p{L}+`
    AfterAny,
    /// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`
    WithMarks,
    /// Upper case, then lower case, as two alternatives.
    Cased,
}

/// One member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    contractions: Contractions,
    letters: Letters,
    /// `\p{N}{1,n}`, or ` ?\p{N}+` where 0.
    digits: usize,
    /// Characters that may follow punctuation.
    tail: &'static str,
    /// `\s*[\r\n]+` before the general white space.
    line_ends: bool,
}

const GPT2: Words = Words {
    contractions: Contractions::Lower,
    letters: Letters::AfterSpace,
    digits: 0,
    tail: "",
    line_ends: false,
};
const LLAMA3: Words = Words {
    contractions: Contractions::AnyCase,
    letters: Letters::AfterAny,
    digits: 3,
    tail: "\r\n",
    line_ends: true,
};
const QWEN2: Words = Words { digits: 1, ..LLAMA3 };
const QWEN35: Words = Words { letters: Letters::WithMarks, ..QWEN2 };
const O200K: Words = Words {
    contractions: Contractions::Suffix,
    letters: Letters::Cased,
    digits: 3,
    tail: "\r\n/",
    line_ends: true,
};
const TEKKEN: Words = Words { contractions: Contractions::Never, digits: 1, ..O200K };

/// The expressions as `tokenizer.json` files spell them.
const PATTERNS: [(&str, Words); 8] = [
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", GPT2),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        LLAMA3,
    ),
    (
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        LLAMA3,
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        QWEN2,
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        QWEN35,
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        O200K,
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        TEKKEN,
    ),
    (
        r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Words { contractions: Contractions::Never, ..QWEN2 },
    ),
];

impl Words {
    /// GPT-2 and its followers.
    pub(crate) const fn gpt2() -> Self {
        GPT2
    }

    /// The scanner for a regular expression, if it is of the family.
    pub(crate) fn for_pattern(pattern: &str) -> Option<Self> {
        PATTERNS.iter().find(|(known, _)| *known == pattern).map(|(_, words)| *words)
    }

    /// The regular expression that it scans for.
    pub(crate) fn pattern(&self) -> Option<&'static str> {
        PATTERNS.iter().find(|(_, words)| words == self).map(|(pattern, _)| *pattern)
    }

    /// Where the piece that begins at `at` ends; every character belongs to some piece.
    pub(crate) fn end(&self, text: &str, at: usize) -> usize {
        let leading = matches!(self.contractions, Contractions::Lower | Contractions::AnyCase);
        if leading && let Some(end) = self.contraction(text, at) {
            return end;
        }
        let Some((c, len)) = char_at(text, at) else { return text.len() };
        self.letters(text, at, c, len)
            .or_else(|| self.digits(text, at, c))
            .or_else(|| self.punctuation(text, at, c))
            .unwrap_or_else(|| self.white_space(text, at))
    }

    fn contraction(&self, text: &str, at: usize) -> Option<usize> {
        let rest = text[at..].strip_prefix('\'')?;
        let any_case = self.contractions != Contractions::Lower;
        let is = |c: char, letter: char| {
            // U+017F, the long s, folds to `s` in case-insensitive matching.
            c == letter || (any_case && (c.to_ascii_lowercase() == letter || (letter == 's' && c == 'ſ')))
        };
        let mut chars = rest.chars();
        let (first, second) = (chars.next()?, chars.next().unwrap_or(' '));
        if "stmd".chars().any(|letter| is(first, letter)) {
            return Some(at + 1 + first.len_utf8());
        }
        let pairs = [('r', 'e'), ('v', 'e'), ('l', 'l')];
        pairs.iter().any(|(a, b)| is(first, *a) && is(second, *b)).then_some(at + 3)
    }

    fn letters(&self, text: &str, at: usize, c: char, len: usize) -> Option<usize> {
        let mask = match self.letters {
            Letters::AfterSpace => {
                let start = if c == ' ' { at + 1 } else { at };
                return run(text, start, LETTER);
            }
            Letters::AfterAny => LETTER,
            Letters::WithMarks => LETTER | MARK,
            Letters::Cased => return self.cased(text, at, c, len),
        };
        let prefix = may_prefix(c).then(|| run(text, at + len, mask)).flatten();
        prefix.or_else(|| run(text, at, mask))
    }

    /// Words that end where a capital begins: `[Upper]*[lower]+`, else `[Upper]+[lower]*`.
    fn cased(&self, text: &str, at: usize, c: char, len: usize) -> Option<usize> {
        let after_prefix = may_prefix(c).then_some(at + len);
        let starts = || after_prefix.into_iter().chain([at]);
        let end = starts()
            .find_map(|start| lower_end(text, start))
            .or_else(|| starts().find_map(|start| run(text, start, UPPER | OTHER_LETTER | MARK)))?;
        match self.contractions {
            Contractions::Suffix => Some(self.contraction(text, end).unwrap_or(end)),
            _ => Some(end),
        }
    }

    fn digits(&self, text: &str, at: usize, c: char) -> Option<usize> {
        if self.digits == 0 {
            return run(text, if c == ' ' { at + 1 } else { at }, NUMBER);
        }
        let numbers =
            text[at..].char_indices().take(self.digits).take_while(|(_, c)| flags(*c) & NUMBER != 0);
        numbers.last().map(|(offset, c)| at + offset + c.len_utf8())
    }

    fn punctuation(&self, text: &str, at: usize, c: char) -> Option<usize> {
        let start = if c == ' ' { at + 1 } else { at };
        let marks = if self.letters == Letters::WithMarks { MARK } else { 0 };
        let end = run_without(text, start, SPACE | LETTER | NUMBER | marks)?;
        let tail = text[end..].find(|c| !self.tail.contains(c)).unwrap_or(text.len() - end);
        Some(end + tail)
    }

    /// `\s*[\r\n]+`, then `\s+(?!\S)`, then `\s+`.
    fn white_space(&self, text: &str, at: usize) -> usize {
        let end = run(text, at, SPACE).unwrap_or(at);
        let space = &text[at..end];
        if self.line_ends
            && let Some(last) = space.rfind(['\r', '\n'])
        {
            return at + last + 1;
        }
        let last = space.chars().next_back().map_or(1, char::len_utf8);
        if end < text.len() && space.len() > last { end - last } else { at + last.max(space.len()) }
    }
}

/// `[^\r\n\p{L}\p{N}]`
fn may_prefix(c: char) -> bool {
    c != '\r' && c != '\n' && flags(c) & (LETTER | NUMBER) == 0
}

/// End of the run of characters with one of `mask`'s flags; `None` when there is none at `start`.
fn run(text: &str, start: usize, mask: u8) -> Option<usize> {
    let rest = text.get(start..)?;
    let len = rest.find(|c| flags(c) & mask == 0).unwrap_or(rest.len());
    (len > 0).then_some(start + len)
}

/// End of the run of characters with none of `mask`'s flags.
fn run_without(text: &str, start: usize, mask: u8) -> Option<usize> {
    let rest = text.get(start..)?;
    let len = rest.find(|c| flags(c) & mask != 0).unwrap_or(rest.len());
    (len > 0).then_some(start + len)
}

/// `[Upper]*[lower]+` where letters without case and marks count as both: the greedy first part gives back as
/// little as lets the second part match.
fn lower_end(text: &str, start: usize) -> Option<usize> {
    let upper_end = run(text, start, UPPER | OTHER_LETTER | MARK).unwrap_or(start);
    if let Some(end) = run(text, upper_end, LOWER | OTHER_LETTER | MARK) {
        return Some(end);
    }
    let upper = &text[start..upper_end];
    let (at, c) = upper.char_indices().rfind(|(_, c)| flags(*c) & (OTHER_LETTER | MARK) != 0)?;
    Some(start + at + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_scanner(words: &Words, text: &str) -> Vec<String> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = words.end(text, at);
            assert!(end > at, "no progress at {at} of {text:?}");
            pieces.push(text[at..end].to_owned());
            at = end;
        }
        pieces
    }

    /// Text that mixes everything the patterns distinguish, from a small generator.
    fn texts() -> Vec<String> {
        const PARTS: [&str; 34] = [
            " ", "  ", "\n", "\r\n", "\t", "a", "B", "é", "É", "ǅ", "ª", "日", "ʰ", "\u{301}", "1", "²", "٣",
            "'", "s", "LL", "ve", "ſ", ".", "/", "!?", "_", "😀", "\u{200D}", "\u{A0}", "\u{85}", "Ⅷ", "क",
            "\u{93F}", "$",
        ];
        let mut state = 1u64;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        (0..3000).map(|_| (0..1 + next(12)).map(|_| PARTS[next(PARTS.len())]).collect()).collect()
    }

    #[test]
    fn the_scanner_and_the_expression_cut_alike() {
        for (pattern, words) in &PATTERNS {
            let regex = fancy_regex::Regex::new(pattern).unwrap();
            for text in texts() {
                // The spelled-out contractions know no long s.
                if pattern.contains("'[sS]") && text.contains('ſ') {
                    continue;
                }
                let expected: Vec<String> =
                    regex.find_iter(&text).map(|m| m.unwrap().as_str().to_owned()).collect();
                assert_eq!(by_scanner(words, &text), expected, "{pattern} on {text:?}");
            }
        }
    }
}
