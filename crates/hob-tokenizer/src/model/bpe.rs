//! Byte-pair encoding, by merge list and by score.
//!
//! Source: Sennrich et al., arXiv:1508.07909; SentencePiece's variant: Kudo and Richardson, arXiv:1808.06226.

use super::Fallback;
use super::merge::{Rules, Scratch, Symbol};
use crate::hash::PairTable;
use crate::vocab::{NONE, Vocab};

/// Merges by a list of rules.
#[derive(Debug)]
pub(crate) struct Bpe {
    pub merges: PairTable,
    /// Pieces are spelled in bytes to begin with; otherwise in characters.
    pub byte_level: bool,
    /// For characters that are no token; byte-level vocabularies need none.
    pub fallback: Fallback,
    /// A piece that is a token is taken whole, whatever the rules say.
    pub ignore_merges: bool,
}

impl Rules for PairTable {
    fn pair(&self, left: Symbol, right: Symbol) -> Option<(u32, u32)> {
        self.get(left.id, right.id)
    }
}

impl Bpe {
    pub(crate) fn encode(&self, vocab: &Vocab, piece: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        if self.ignore_merges
            && let Some(id) = vocab.find(piece.as_bytes())
        {
            ids.push(id);
            return;
        }
        let symbols = &mut scratch.symbols;
        symbols.clear();
        let mut push = |id, len: usize| symbols.push(Symbol { id, start: 0, len: len as u32 });
        if self.byte_level {
            piece.bytes().filter_map(|byte| vocab.byte_id(byte)).for_each(|id| push(id, 1));
        } else {
            let mut was_unknown = false;
            for (at, c) in piece.char_indices() {
                let text = &piece.as_bytes()[at..at + c.len_utf8()];
                match vocab.find(text) {
                    Some(id) => {
                        push(id, text.len());
                        was_unknown = false;
                    }
                    None => self.fallback.spell(vocab, text, &mut was_unknown, &mut push),
                }
            }
        }
        scratch.merge(&self.merges);
        ids.extend(scratch.symbols.iter().map(|symbol| symbol.id));
    }
}

/// Merges any two neighbours that form a token, best score first.
#[derive(Debug)]
pub(crate) struct Scored {
    /// One per token; none is NaN.
    pub scores: Vec<f32>,
    pub fallback: Fallback,
}

struct ScoredPiece<'a> {
    scores: &'a [f32],
    vocab: &'a Vocab,
    piece: &'a [u8],
}

impl Rules for ScoredPiece<'_> {
    fn pair(&self, left: Symbol, right: Symbol) -> Option<(u32, u32)> {
        let start = left.start as usize;
        let id = self.vocab.find(&self.piece[start..start + (left.len + right.len) as usize])?;
        Some((descending(self.scores[id as usize]), id))
    }
}

/// Maps numbers to integers in falling order, so that the best score has the lowest rank.
fn descending(score: f32) -> u32 {
    // Both zeros are one score.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    !ascending
}

impl Scored {
    pub(crate) fn encode(&self, vocab: &Vocab, piece: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let bytes = piece.as_bytes();
        scratch.symbols.clear();
        scratch.symbols.extend(piece.char_indices().map(|(at, c)| Symbol {
            id: NONE,
            start: at as u32,
            len: c.len_utf8() as u32,
        }));
        scratch.merge(&ScoredPiece { scores: &self.scores, vocab, piece: bytes });
        let mut was_unknown = false;
        for symbol in &scratch.symbols {
            let text = &bytes[symbol.start as usize..(symbol.start + symbol.len) as usize];
            let id = if symbol.id == NONE { vocab.find(text) } else { Some(symbol.id) };
            match id {
                Some(id) => {
                    ids.push(id);
                    was_unknown = false;
                }
                None => self.fallback.spell(vocab, text, &mut was_unknown, |id, _| ids.push(id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_scores_have_lower_ranks() {
        let falling = [f32::INFINITY, 3.0, 0.5, 0.0, -0.5, -3.0, -1e9, f32::NEG_INFINITY];
        assert!(falling.windows(2).all(|w| descending(w[0]) < descending(w[1])));
        assert_eq!(descending(0.0), descending(-0.0));
    }
}
