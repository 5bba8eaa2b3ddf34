//! Tokens that were added by hand and are found in the text before anything else happens to it.

use std::ops::Range;

use crate::unicode::{LETTER, MARK, NUMBER, flags};

/// How an added token is matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Takes the white space on its left with it.
    pub lstrip: bool,
    /// Takes the white space on its right with it.
    pub rstrip: bool,
    /// Only between characters that belong to no word.
    pub single_word: bool,
    /// Structure rather than text: found only where the caller asks for special tokens.
    pub special: bool,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    id: u32,
    rules: Rules,
}

/// A set of added tokens, searched for the leftmost and then longest match.
#[derive(Debug)]
pub(crate) struct AddedTokens {
    /// Sorted by text, so that a common beginning is a range.
    entries: Vec<Entry>,
    /// For each first byte, where its range begins; one more for the end.
    by_first_byte: Box<[u32; 257]>,
}

/// A stretch of text, or a token found in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Text(Range<usize>),
    Token(u32),
}

impl AddedTokens {
    /// Empty texts are left out; of equal texts the first stays.
    pub(crate) fn new(tokens: impl IntoIterator<Item = (Vec<u8>, u32, Rules)>) -> Self {
        let mut entries: Vec<Entry> = tokens
            .into_iter()
            .filter(|(text, ..)| !text.is_empty())
            .map(|(text, id, rules)| Entry { text: text.into(), id, rules })
            .collect();
        entries.sort_by(|a, b| a.text.cmp(&b.text));
        entries.dedup_by(|later, earlier| later.text == earlier.text);
        let mut by_first_byte = Box::new([0; 257]);
        for (byte, start) in by_first_byte.iter_mut().enumerate() {
            *start = entries.partition_point(|e| usize::from(e.text[0]) < byte) as u32;
        }
        Self { entries, by_first_byte }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The token with exactly this text.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        let at = self.entries.binary_search_by(|e| (*e.text).cmp(text)).ok()?;
        Some(self.entries[at].id)
    }

    /// The ids and how each is matched.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (u32, Rules)> {
        self.entries.iter().map(|e| (e.id, e.rules))
    }

    /// Cuts `text` at the added tokens in it and hands the parts to `each`, in order.
    pub(crate) fn split(&self, text: &str, parse_special: bool, mut each: impl FnMut(Segment)) {
        let bytes = text.as_bytes();
        let (mut done, mut at) = (0, 0);
        while at < bytes.len() {
            let Some(entry) = self.longest_at(bytes, at, parse_special) else {
                at += 1;
                continue;
            };
            let end = at + entry.text.len();
            if entry.rules.single_word && !stands_alone(text, at, end) {
                at += 1;
                continue;
            }
            let start = if entry.rules.lstrip { done + text[done..at].trim_end().len() } else { at };
            if start > done {
                each(Segment::Text(done..start));
            }
            each(Segment::Token(entry.id));
            done = if entry.rules.rstrip { text.len() - text[end..].trim_start().len() } else { end };
            at = done;
        }
        if done < bytes.len() {
            each(Segment::Text(done..bytes.len()));
        }
    }

    fn longest_at(&self, bytes: &[u8], at: usize, parse_special: bool) -> Option<&Entry> {
        let first = usize::from(bytes[at]);
        let mut start = self.by_first_byte[first] as usize;
        let mut end = self.by_first_byte[first + 1] as usize;
        let mut best = None;
        let mut depth = 1;
        while start < end {
            let candidate = &self.entries[start];
            if candidate.text.len() == depth {
                if parse_special || !candidate.rules.special {
                    best = Some(candidate);
                }
                start += 1;
            }
            let Some(byte) = bytes.get(at + depth) else { break };
            let range = &self.entries[start..end];
            let skipped = range.partition_point(|e| e.text[depth] < *byte);
            end = start + range.partition_point(|e| e.text[depth] <= *byte);
            start += skipped;
            depth += 1;
        }
        best
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let texts: usize = self.entries.iter().map(|e| e.text.len()).sum();
        texts + self.entries.capacity() * size_of::<Entry>() + size_of_val(&*self.by_first_byte)
    }
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let is_word = |c: char| c == '_' || flags(c) & (LETTER | NUMBER | MARK) != 0;
    !text[..start].chars().next_back().is_some_and(is_word)
        && !text[end..].chars().next().is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(tokens: &[(&str, Rules)], text: &str, parse_special: bool) -> Vec<String> {
        let added = AddedTokens::new(
            tokens
                .iter()
                .enumerate()
                .map(|(id, (text, rules))| (text.as_bytes().to_vec(), id as u32, *rules)),
        );
        let mut out = Vec::new();
        added.split(text, parse_special, |segment| {
            out.push(match segment {
                Segment::Text(range) => text[range].to_owned(),
                Segment::Token(id) => format!("#{id}"),
            });
        });
        out
    }

    #[test]
    fn the_longest_of_the_leftmost_wins() {
        let plain = Rules::default();
        let tokens = [("<a", plain), ("<a>", plain), ("a>b", plain), ("é", plain)];
        assert_eq!(cut(&tokens, "x<a>b<a é", true), ["x", "#1", "b", "#0", " ", "#3"]);
        assert_eq!(cut(&tokens, "", true), [""; 0]);
    }

    #[test]
    fn special_tokens_are_text_unless_asked_for() {
        let special = Rules { special: true, ..Rules::default() };
        let tokens = [("<s>", special), ("<s", Rules::default())];
        assert_eq!(cut(&tokens, "<s>", true), ["#0"]);
        assert_eq!(cut(&tokens, "<s>", false), ["#1", ">"]);
    }

    #[test]
    fn stripping_and_single_words() {
        let tokens = [
            ("[R]", Rules { rstrip: true, ..Rules::default() }),
            ("[L]", Rules { lstrip: true, ..Rules::default() }),
            ("ab", Rules { single_word: true, ..Rules::default() }),
        ];
        assert_eq!(cut(&tokens, "x [R] \n y", true), ["x ", "#0", "y"]);
        assert_eq!(cut(&tokens, "x \u{A0}[L] y", true), ["x", "#1", " y"]);
        assert_eq!(cut(&tokens, "[R] [L]", true), ["#0", "#1"]);
        assert_eq!(cut(&tokens, "cab ab abc", true), ["cab ", "#2", " abc"]);
    }
}
