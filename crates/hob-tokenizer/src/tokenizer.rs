//! The pipeline that every tokenizer ends in, and its public face.

use std::borrow::Cow;

use crate::added::{AddedTokens, Segment};
use crate::alphabet;
use crate::decode::DecodeRules;
use crate::model::Model;
use crate::model::merge::Scratch;
use crate::normalize::{Step, normalize};
use crate::special::SpecialTokens;
use crate::split::Split;
use crate::stream::StreamDecoder;
use crate::vocab::{Kind, NONE, Vocab, byte_token};

/// What [`Tokenizer::encode`] does about special tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Puts the tokens around the text that the vocabulary asks for (BOS, EOS, CLS, SEP). Leave it off for text that a
    /// chat template rendered: the template writes them itself.
    pub add_special: bool,
    /// Recognises special tokens such as `<|im_end|>` in the text. Leave it off for text that is nobody's template.
    pub parse_special: bool,
}

/// Text to token ids and back, for one vocabulary.
///
/// Build it with [`from_gguf`](Self::from_gguf), [`from_hf`](Self::from_hf) or
/// [`from_sentencepiece`](Self::from_sentencepiece). It is immutable and can be shared between threads.
#[derive(Debug)]
pub struct Tokenizer {
    pub(crate) vocab: Vocab,
    /// Texts are stored as the bytes they stand for.
    pub(crate) byte_level: bool,
    /// Found in the text as it comes.
    pub(crate) added: AddedTokens,
    /// Found in the normalised text.
    pub(crate) added_normalized: AddedTokens,
    pub(crate) normalizer: Vec<Step>,
    pub(crate) splits: Vec<Split>,
    pub(crate) model: Model,
    /// Put before and after the text with `add_special`.
    pub(crate) prefix: Vec<u32>,
    pub(crate) suffix: Vec<u32>,
    pub(crate) decode: DecodeRules,
    pub(crate) special: SpecialTokens,
    pub(crate) end_ids: Vec<u32>,
}

impl Tokenizer {
    /// The ids of `text`.
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        if options.add_special {
            ids.extend_from_slice(&self.prefix);
        }
        let mut run =
            Run { tokenizer: self, options, scratch: Scratch::default(), pieces: [vec![], vec![]], ids };
        self.added.split(text, options.parse_special, |segment| match segment {
            Segment::Token(id) => run.ids.push(id),
            Segment::Text(range) => run.segment(&text[range.clone()], range.start == 0),
        });
        let mut ids = run.ids;
        if options.add_special {
            ids.extend_from_slice(&self.suffix);
        }
        ids
    }

    /// The text of `ids`, with U+FFFD where they spell no valid UTF-8. Ids outside of the vocabulary add nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        String::from_utf8(self.decode_bytes(ids, skip_special))
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    /// The bytes of `ids`, which may end inside a character.
    pub fn decode_bytes(&self, ids: &[u32], skip_special: bool) -> Vec<u8> {
        let mut stream = StreamDecoder::new(skip_special);
        ids.iter().for_each(|id| stream.take(self, *id));
        stream.into_bytes()
    }

    /// The bytes that a token adds in the middle of a text; `None` for an id outside of the vocabulary. Special
    /// tokens give their name.
    pub fn token_bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        self.contains(id).then(|| self.decode.token_bytes(&self.vocab, id))
    }

    /// The token that the vocabulary file writes as `text`: `<|im_end|>`, `Ġthe`, `▁the`, `<0x0A>`.
    pub fn id_of(&self, text: &str) -> Option<u32> {
        let listed = self.added.find(text.as_bytes()).or_else(|| self.added_normalized.find(text.as_bytes()));
        listed.or_else(|| {
            if !self.byte_level {
                let byte = || self.vocab.byte_id(byte_token(text.as_bytes())?);
                return self.vocab.find(text.as_bytes()).or_else(byte);
            }
            let mut bytes = Vec::with_capacity(text.len());
            if alphabet::decode_into(text.as_bytes(), &mut bytes) {
                self.vocab.find(&bytes)
            } else {
                self.vocab.find(text.as_bytes())
            }
        })
    }

    /// Whether tokens are made of bytes (GPT-2 and its heirs) rather than of characters.
    pub fn is_byte_level(&self) -> bool {
        self.byte_level
    }

    /// Number of ids, holes included: one more than the largest.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// Whether a token is structure rather than text.
    pub fn is_special(&self, id: u32) -> bool {
        self.contains(id) && matches!(self.vocab.kind(id), Kind::Control | Kind::Unknown)
    }

    /// The tokens with a role.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The ids after which a generation ends, ascending: end of text, of turn and of message, as far as the file names
    /// them or they bear the name of a published model.
    pub fn eog_ids(&self) -> &[u32] {
        &self.end_ids
    }

    /// [`eog_ids`](Self::eog_ids) and the ids a `generation_config.json` lists, ascending, without those outside of
    /// the vocabulary.
    pub fn eog_ids_with(&self, listed: &[u32]) -> Vec<u32> {
        let mut ids: Vec<u32> = self.end_ids.iter().chain(listed).copied().collect();
        ids.retain(|id| self.contains(*id));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The ids that `add_special` puts before and after a text.
    pub fn framing(&self) -> (&[u32], &[u32]) {
        (&self.prefix, &self.suffix)
    }

    /// Bytes of memory the tables occupy.
    pub fn memory_bytes(&self) -> usize {
        let added = self.added.memory_bytes() + self.added_normalized.memory_bytes();
        self.vocab.memory_bytes() + self.model.memory_bytes() + added + size_of::<Self>()
    }

    pub(crate) fn decode_rules(&self) -> &DecodeRules {
        &self.decode
    }

    fn contains(&self, id: u32) -> bool {
        id != NONE && (id as usize) < self.vocab.len()
    }

    /// Completes what follows from the parts: roles by name and the ids that end a generation.
    pub(crate) fn finish(mut self) -> Self {
        let mut special = self.special;
        special.complete_by_name(|name| self.id_of(name));
        self.special = special;
        self.end_ids = special.end_ids(&self.vocab, |name| self.id_of(name));
        self
    }
}

/// One call of `encode`.
struct Run<'t> {
    tokenizer: &'t Tokenizer,
    options: EncodeOptions,
    scratch: Scratch,
    /// Pieces before and after a split, as ranges of the normalised text.
    pieces: [Vec<std::ops::Range<usize>>; 2],
    ids: Vec<u32>,
}

impl Run<'_> {
    /// Encodes a stretch between two added tokens.
    fn segment(&mut self, text: &str, first: bool) {
        let tokenizer = self.tokenizer;
        let text = normalize(&tokenizer.normalizer, text, first);
        if tokenizer.added_normalized.is_empty() {
            return self.text(&text);
        }
        tokenizer.added_normalized.split(&text, self.options.parse_special, |segment| match segment {
            Segment::Token(id) => self.ids.push(id),
            Segment::Text(range) => self.text(&text[range]),
        });
    }

    fn text(&mut self, text: &str) {
        let [current, next] = &mut self.pieces;
        current.clear();
        current.push(0..text.len());
        for split in &self.tokenizer.splits {
            next.clear();
            for piece in current.drain(..) {
                split.run(text, piece, next);
            }
            std::mem::swap(current, next);
        }
        for piece in current.iter().filter(|piece| !piece.is_empty()) {
            let piece = &text[piece.clone()];
            self.tokenizer.model.encode(&self.tokenizer.vocab, piece, &mut self.scratch, &mut self.ids);
        }
    }
}
