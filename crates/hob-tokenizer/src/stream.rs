//! Text from one token at a time, in whole characters.

use crate::Tokenizer;

/// Turns the ids of a growing text into the characters that are certain so far.
///
/// A token may end in the middle of a UTF-8 character; the bytes wait here until the next tokens complete it. What can
/// never become a character is replaced by U+FFFD, so that the pieces joined equal what [`Tokenizer::decode`] gives.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    skip_special: bool,
    /// Bytes of a character that is not complete yet: at most three.
    pending: Vec<u8>,
    /// How many of the tokenizer's leading spaces may still be dropped.
    strip: usize,
    started: bool,
}

impl StreamDecoder {
    /// For ids that begin a text, or an answer that stands by itself: where the vocabulary marks a text's start with
    /// a space, that space is dropped. With `skip_special`, tokens of structure leave no text.
    pub fn new(skip_special: bool) -> Self {
        Self { skip_special, pending: Vec::new(), strip: usize::MAX, started: false }
    }

    /// For ids that continue a text: nothing is dropped.
    pub fn continuing(skip_special: bool) -> Self {
        Self { skip_special, pending: Vec::new(), strip: 0, started: true }
    }

    /// Takes the next id and gives the characters that became complete, often none. An id outside of the
    /// vocabulary adds nothing.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        self.take(tokenizer, id);
        let mut out = String::new();
        let mut done = 0;
        loop {
            match std::str::from_utf8(&self.pending[done..]) {
                Ok(text) => {
                    out.push_str(text);
                    done = self.pending.len();
                    break;
                }
                Err(error) => {
                    let valid = &self.pending[done..done + error.valid_up_to()];
                    out.push_str(&String::from_utf8_lossy(valid));
                    done += error.valid_up_to();
                    let Some(len) = error.error_len() else { break };
                    out.push(char::REPLACEMENT_CHARACTER);
                    done += len;
                }
            }
        }
        self.pending.drain(..done);
        out
    }

    /// Ends the text: an incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }

    /// Appends the bytes of a token, less what the start of a text drops.
    pub(crate) fn take(&mut self, tokenizer: &Tokenizer, id: u32) {
        if self.skip_special && tokenizer.is_special(id) {
            return;
        }
        let Some(bytes) = tokenizer.token_bytes(id) else { return };
        let mut bytes = &*bytes;
        let rules = tokenizer.decode_rules();
        if !self.started && rules.joins() {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.started = true;
        if let (1.., Some((c, count))) = (self.strip, rules.strip_start) {
            self.strip = self.strip.min(count);
            let mut utf8 = [0; 4];
            let c = c.encode_utf8(&mut utf8).as_bytes();
            while self.strip > 0
                && let Some(rest) = bytes.strip_prefix(c)
            {
                bytes = rest;
                self.strip -= 1;
            }
            if !bytes.is_empty() {
                self.strip = 0;
            }
        }
        self.pending.extend_from_slice(bytes);
    }

    /// All bytes taken so far that [`push`](Self::push) has not handed out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.pending
    }
}
