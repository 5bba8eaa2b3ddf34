//! WordPiece: the longest token first, then the longest that continues it.
//!
//! Source: Devlin et al., arXiv:1810.04805, and the tokenizer of its release.

use crate::vocab::Vocab;

/// Splits whole words.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// Marks a token that begins a word (`▁` in GGUF files, nothing elsewhere).
    pub first_prefix: String,
    /// Marks a token that continues a word (`##`, nothing in GGUF files).
    pub rest_prefix: String,
    pub unk: u32,
    /// Longer words are unknown.
    pub chars_max: usize,
    /// Bytes of the longest token text; nothing longer needs to be looked for.
    pub token_bytes_max: usize,
}

impl WordPiece {
    pub(crate) fn encode(&self, vocab: &Vocab, word: &str, ids: &mut Vec<u32>) {
        let before = ids.len();
        if word.chars().nth(self.chars_max).is_some() || !self.encode_known(vocab, word, ids) {
            ids.truncate(before);
            ids.push(self.unk);
        }
    }

    fn encode_known(&self, vocab: &Vocab, word: &str, ids: &mut Vec<u32>) -> bool {
        let mut at = 0;
        let mut key = Vec::new();
        while at < word.len() {
            let prefix = if at == 0 { &self.first_prefix } else { &self.rest_prefix };
            let mut end = word.floor_char_boundary(word.len().min(at + self.token_bytes_max));
            let id = loop {
                if end <= at {
                    return false;
                }
                key.clear();
                key.extend_from_slice(prefix.as_bytes());
                key.extend_from_slice(&word.as_bytes()[at..end]);
                if let Some(id) = vocab.find(&key) {
                    break id;
                }
                end = word.floor_char_boundary(end - 1);
            };
            ids.push(id);
            at = end;
        }
        true
    }
}
