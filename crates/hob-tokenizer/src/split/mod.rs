//! Cutting text into the pieces that a model encodes one by one.
//!
//! A [`Split`] finds matches and says what becomes of them and of the text between. Several run one after another,
//! each on the pieces the last one left.

mod preset;
mod words;

use std::ops::Range;

pub(crate) use preset::{preset, preset_of};
pub(crate) use words::Words;

use crate::Error;
use crate::unicode::{self, PUNCTUATION};
use crate::vocab::Vocab;

/// What becomes of a match; the names are those of `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// What is looked for.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// The word patterns of published models, scanned by hand.
    Words(Words),
    /// Runs of `\p{N}`, at most so long.
    Numbers(usize),
    /// One character of a class.
    Char(fn(char) -> bool),
    Literal(String),
    Pattern(Box<fancy_regex::Regex>),
    /// Runs of line feeds.
    LineFeeds,
    /// A run of `▁` with what follows up to the next one.
    MarkedWords,
}

/// Steps one search may take back; past it the rest of the text stays one piece.
const BACKTRACKS_MAX: usize = 10_000_000;

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(a), Self::Words(b)) => a == b,
            (Self::Numbers(a), Self::Numbers(b)) => a == b,
            (Self::Char(a), Self::Char(b)) => std::ptr::fn_addr_eq(*a, *b),
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            (Self::LineFeeds, Self::LineFeeds) | (Self::MarkedWords, Self::MarkedWords) => true,
            _ => false,
        }
    }
}

impl Matcher {
    /// A regular expression, or the scanner for it when it is one that published models use.
    pub(crate) fn pattern(pattern: &str) -> Result<Self, Error> {
        if let Some(words) = Words::for_pattern(pattern) {
            return Ok(Self::Words(words));
        }
        let regex = fancy_regex::RegexBuilder::new(pattern)
            .backtrack_limit(BACKTRACKS_MAX)
            .delegate_size_limit(8 << 20)
            .build()
            .map_err(|e| Error::Pattern {
                pattern: pattern.chars().take(200).collect(),
                reason: e.to_string().chars().take(300).collect(),
            })?;
        Ok(Self::Pattern(Box::new(regex)))
    }

    /// The first match at or after `from`, never empty.
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        match self {
            Self::Words(words) => (from < text.len()).then(|| from..words.end(text, from)),
            Self::Numbers(longest) => {
                let start = from + text[from..].find(char::is_numeric)?;
                let run = text[start..].char_indices().take(*longest).take_while(|(_, c)| c.is_numeric());
                run.last().map(|(at, c)| start..start + at + c.len_utf8())
            }
            Self::Char(is_match) => {
                let start = from + text[from..].find(*is_match)?;
                unicode::char_at(text, start).map(|(_, len)| start..start + len)
            }
            Self::Literal(literal) => {
                let start = from + text[from..].find(literal.as_str())?;
                Some(start..start + literal.len())
            }
            Self::Pattern(regex) => find_pattern(regex, text, from),
            Self::MarkedWords => {
                let rest = text.get(from..).filter(|rest| !rest.is_empty())?;
                let word = rest.find(|c| c != SPACE_MARK).unwrap_or(rest.len());
                let end = rest[word..].find(SPACE_MARK).map_or(rest.len(), |at| word + at);
                Some(from..from + end)
            }
            Self::LineFeeds => {
                let start = from + text[from..].find('\n')?;
                let len = text[start..].find(|c| c != '\n').unwrap_or(text.len() - start);
                Some(start..start + len)
            }
        }
    }
}

fn find_pattern(regex: &fancy_regex::Regex, text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while at < text.len() {
        // A search that exceeds the limit counts as "no match": encoding has no way to fail.
        let found = regex.find_from_pos(text, at).ok().flatten()?;
        if !found.range().is_empty() {
            return Some(found.range());
        }
        at = found.end() + unicode::char_at(text, found.end()).map_or(1, |(_, len)| len);
    }
    None
}

/// One step of pre-tokenisation.
#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub matcher: Matcher,
    pub behavior: Behavior,
    /// Swaps matches and the text between them.
    pub invert: bool,
}

impl Split {
    pub(crate) fn isolated(matcher: Matcher) -> Self {
        Self { matcher, behavior: Behavior::Isolated, invert: false }
    }

    pub(crate) fn removed(matcher: Matcher) -> Self {
        Self { matcher, behavior: Behavior::Removed, invert: false }
    }

    /// Appends the parts of `text[piece]` to `out`.
    pub(crate) fn run(&self, text: &str, piece: Range<usize>, out: &mut Vec<Range<usize>>) {
        let part = &text[piece.clone()];
        let first = out.len();
        let mut joiner = Joiner { split: self, first, last_was_match: false, out };
        let mut at = 0;
        while let Some(found) = self.matcher.find(part, at) {
            if found.start > at {
                joiner.add(piece.start + at..piece.start + found.start, self.invert);
            }
            joiner.add(piece.start + found.start..piece.start + found.end, !self.invert);
            at = found.end;
        }
        if at < part.len() {
            joiner.add(piece.start + at..piece.end, self.invert);
        }
    }
}

/// Applies a behaviour to the alternating stretches of one piece.
struct Joiner<'a> {
    split: &'a Split,
    first: usize,
    last_was_match: bool,
    out: &'a mut Vec<Range<usize>>,
}

impl Joiner<'_> {
    fn add(&mut self, stretch: Range<usize>, is_match: bool) {
        let joins = match self.split.behavior {
            Behavior::Removed if is_match => return,
            Behavior::Removed | Behavior::Isolated => false,
            Behavior::MergedWithPrevious => is_match && !self.last_was_match,
            Behavior::MergedWithNext => !is_match && self.last_was_match,
            Behavior::Contiguous => is_match == self.last_was_match,
        };
        self.last_was_match = is_match;
        match self.out[self.first..].last_mut() {
            Some(last) if joins => last.end = stretch.end,
            _ => self.out.push(stretch),
        }
    }
}

/// SentencePiece's stand-in for a space.
const SPACE_MARK: char = '▁';

/// Splits for a vocabulary whose model runs over whole texts: where no token reaches over a boundary, cutting there
/// changes nothing but makes the pieces short.
pub(crate) fn between_words(vocab: &Vocab) -> Vec<Split> {
    let mark = "▁".as_bytes();
    let reaches_over = |text: &[u8]| {
        let mut after_word = false;
        let mut rest = text;
        while !rest.is_empty() {
            if rest.starts_with(mark) {
                if after_word {
                    return true;
                }
                rest = &rest[mark.len()..];
            } else {
                after_word = true;
                rest = &rest[1..];
            }
        }
        false
    };
    let mixes_line_feeds = |text: &[u8]| text.contains(&b'\n') && text.iter().any(|byte| *byte != b'\n');
    let mut splits = Vec::new();
    if !vocab.any_text(mixes_line_feeds) {
        splits.push(Split::isolated(Matcher::LineFeeds));
    }
    if !vocab.any_text(reaches_over) {
        splits.push(Split::isolated(Matcher::MarkedWords));
    }
    splits
}

/// White space, for [`Matcher::Char`].
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// Punctuation in the sense of BERT: every visible ASCII character that is no letter or digit, and `\p{P}`.
pub(crate) fn is_bert_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || unicode::flags(c) & PUNCTUATION != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(split: &Split, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        split.run(text, 0..text.len(), &mut out);
        out.into_iter().map(|r| text[r].to_owned()).collect()
    }

    fn dash(behavior: Behavior) -> Split {
        Split { matcher: Matcher::Literal("-".into()), behavior, invert: false }
    }

    #[test]
    fn behaviours_on_the_example_of_the_tokenizers_documentation() {
        let text = "the-final--countdown";
        for (behavior, expected) in [
            (Behavior::Removed, vec!["the", "final", "countdown"]),
            (Behavior::Isolated, vec!["the", "-", "final", "-", "-", "countdown"]),
            (Behavior::MergedWithPrevious, vec!["the-", "final-", "-", "countdown"]),
            (Behavior::MergedWithNext, vec!["the", "-final", "-", "-countdown"]),
            (Behavior::Contiguous, vec!["the", "-", "final", "--", "countdown"]),
        ] {
            assert_eq!(pieces(&dash(behavior), text), expected, "{behavior:?}");
        }
    }

    #[test]
    fn inverted_patterns_keep_what_matches() {
        let words =
            Split { matcher: Matcher::pattern(r"\w+").unwrap(), behavior: Behavior::Removed, invert: true };
        assert_eq!(pieces(&words, "ab, cd!"), ["ab", "cd"]);
    }

    #[test]
    fn numbers_in_groups() {
        assert_eq!(pieces(&Split::isolated(Matcher::Numbers(3)), "a12345b"), ["a", "123", "45", "b"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_much_ends() {
        let empty = Split::isolated(Matcher::pattern("x*").unwrap());
        assert_eq!(pieces(&empty, "éaxxb"), ["éa", "xx", "b"]);
        let hostile = Split::isolated(Matcher::pattern(r"(a|a)*(?!a)b").unwrap());
        assert_eq!(pieces(&hostile, &"a".repeat(200)).concat(), "a".repeat(200));
    }
}
