//! From token ids back to bytes.

use std::borrow::Cow;

use crate::normalize::replaced_bytes_max;
use crate::vocab::{Kind, Vocab, byte_token};

/// How a vocabulary's texts become text for people.
#[derive(Debug, Default)]
pub(crate) struct DecodeRules {
    /// Replacements inside each token, such as `▁` by a space.
    pub replace: Vec<(String, String)>,
    /// `<0xAB>` stands for a byte.
    pub byte_fallback: bool,
    /// So many of this character are taken from the start of the whole text.
    pub strip_start: Option<(char, usize)>,
    /// Put between the tokens where words are not marked otherwise.
    pub joiner: Joiner,
}

/// What stands between two tokens.
#[derive(Debug, Default)]
pub(crate) enum Joiner {
    #[default]
    Nothing,
    /// A space between all tokens (a `tokenizer.json` without a decoder).
    Space,
    /// WordPiece: a space unless the token begins with the prefix, which is dropped; `cleanup` pulls punctuation
    /// and contractions back to the word before.
    WordPiece { prefix: String, cleanup: bool },
    /// The GGUF form of WordPiece: `▁` marks the tokens that begin a word.
    MarkedWords { cleanup: bool },
}

impl DecodeRules {
    /// The bytes that a token stands for in the middle of a text.
    pub(crate) fn token_bytes<'v>(&self, vocab: &'v Vocab, id: u32) -> Cow<'v, [u8]> {
        let text = vocab.text(id);
        match vocab.kind(id) {
            Kind::Control | Kind::Unknown => return self.join(text),
            Kind::Byte => {
                if let (true, Some(byte)) = (self.byte_fallback, byte_token(text)) {
                    return Cow::Owned(vec![byte]);
                }
            }
            Kind::Normal | Kind::UserDefined | Kind::Unused => {}
        }
        let mut text = self.join(text);
        let bytes_max = replaced_bytes_max(text.len());
        for (from, to) in &self.replace {
            let room = bytes_max.saturating_sub(text.len());
            if let Some(replaced) = replace(&text, from.as_bytes(), to.as_bytes(), room) {
                text = Cow::Owned(replaced);
            }
        }
        text
    }

    fn join<'v>(&self, text: &'v [u8]) -> Cow<'v, [u8]> {
        match &self.joiner {
            Joiner::Nothing => Cow::Borrowed(text),
            Joiner::Space => Cow::Owned([b" ", text].concat()),
            Joiner::WordPiece { prefix, cleanup } => match text.strip_prefix(prefix.as_bytes()) {
                Some(rest) if !prefix.is_empty() => Cow::Borrowed(rest),
                _ if *cleanup && is_pulled_back(text) => Cow::Borrowed(text),
                _ => Cow::Owned([b" ", text].concat()),
            },
            Joiner::MarkedWords { cleanup } => match text.strip_prefix("▁".as_bytes()) {
                Some(word) if *cleanup && is_pulled_back(word) => Cow::Borrowed(word),
                Some(word) => Cow::Owned([b" ", word].concat()),
                // Tokens of structure stand apart, too.
                None if text.starts_with(b"[") && text.len() > 1 => Cow::Owned([b" ", text].concat()),
                None => Cow::Borrowed(text),
            },
        }
    }

    /// Whether the first token of a text loses the space that `join` gave it.
    pub(crate) fn joins(&self) -> bool {
        !matches!(self.joiner, Joiner::Nothing)
    }
}

/// The tokens that stand directly after the word before them, as the reference's clean-up has it.
fn is_pulled_back(token: &[u8]) -> bool {
    let starts: [&[u8]; 9] = [b".", b"?", b"!", b",", b"n't", b"'m", b"'s", b"'ve", b"'re"];
    starts.iter().any(|start| token.starts_with(start))
}

/// `text` with `to` for `from`, as often as `room` bytes of `to` allow; `None` where `from` doesn't occur.
fn replace(text: &[u8], from: &[u8], to: &[u8], room: usize) -> Option<Vec<u8>> {
    if from.is_empty() {
        return None;
    }
    let count_max = room / to.len().max(1);
    let mut count = 0;
    let find = |text: &[u8]| text.windows(from.len()).position(|w| w == from);
    let mut at = find(text)?;
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while count < count_max {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
        count += 1;
        match find(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_bytes() {
        let all = usize::MAX;
        assert_eq!(replace("▁▁a▁".as_bytes(), "▁".as_bytes(), b" ", all), Some(b"  a ".to_vec()));
        assert_eq!(replace(b"abc", b"x", b" ", all), None);
        assert_eq!(replace(b"abc", b"", b" ", all), None);
        assert_eq!(replace(b"aaaa", b"a", b"bb", 4), Some(b"bbbbaa".to_vec()));
    }
}
