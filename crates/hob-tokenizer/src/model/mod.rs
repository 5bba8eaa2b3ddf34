//! The models: from one piece of text to token ids.

pub(crate) mod bpe;
pub(crate) mod merge;
pub(crate) mod merge_list;
pub(crate) mod unigram;
pub(crate) mod wordpiece;

use crate::vocab::{NONE, Vocab};
use merge::Scratch;

/// One of the four kinds of model that published tokenizers use.
#[derive(Debug)]
pub(crate) enum Model {
    /// Merge rules in order of priority.
    Bpe(bpe::Bpe),
    /// SentencePiece's BPE: any two neighbours that form a token merge, best score first.
    Scored(bpe::Scored),
    /// Longest match first.
    WordPiece(wordpiece::WordPiece),
    /// The most probable segmentation.
    Unigram(unigram::Unigram),
}

/// Longest stretch that is encoded in one go: positions inside it are 32-bit. Only input of more than a GiB
/// without a boundary is ever cut here.
const STRETCH_BYTES_MAX: usize = 1 << 30;

impl Model {
    /// Appends the ids of one piece to `ids`.
    pub(crate) fn encode(&self, vocab: &Vocab, piece: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let mut rest = piece;
        while rest.len() > STRETCH_BYTES_MAX {
            let cut = rest.floor_char_boundary(STRETCH_BYTES_MAX);
            self.encode_stretch(vocab, &rest[..cut], scratch, ids);
            rest = &rest[cut..];
        }
        self.encode_stretch(vocab, rest, scratch, ids);
    }

    fn encode_stretch(&self, vocab: &Vocab, piece: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        match self {
            Self::Bpe(bpe) => bpe.encode(vocab, piece, scratch, ids),
            Self::Scored(scored) => scored.encode(vocab, piece, scratch, ids),
            Self::WordPiece(wordpiece) => wordpiece.encode(vocab, piece, ids),
            Self::Unigram(unigram) => unigram.encode(vocab, piece, ids),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Bpe(bpe) => bpe.merges.memory_bytes(),
            Self::Scored(scored) => scored.scores.capacity() * size_of::<f32>(),
            Self::WordPiece(_) => 0,
            Self::Unigram(unigram) => unigram.memory_bytes(),
        }
    }
}

/// What becomes of text that no token spells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fallback {
    /// Spell it with the tokens for single bytes, where all of them exist.
    pub bytes: bool,
    /// Otherwise this token; without one the text is dropped.
    pub unk: Option<u32>,
    /// One unknown token for a run of unknown characters.
    pub fuse: bool,
}

impl Fallback {
    /// Appends the ids for one unknown character. `was_unknown`: the one before it was unknown, too.
    pub(crate) fn spell(
        &self,
        vocab: &Vocab,
        text: &[u8],
        was_unknown: &mut bool,
        mut push: impl FnMut(u32, usize),
    ) {
        if self.bytes && text.iter().all(|byte| vocab.byte_id(*byte).is_some()) {
            for byte in text {
                push(vocab.byte_id(*byte).unwrap_or(NONE), 1);
            }
            *was_unknown = false;
            return;
        }
        if let (Some(unk), false) = (self.unk, self.fuse && *was_unknown) {
            push(unk, text.len());
        }
        *was_unknown = true;
    }
}
