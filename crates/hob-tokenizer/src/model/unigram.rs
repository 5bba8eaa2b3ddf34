//! Unigram: the segmentation whose tokens have the highest sum of log probabilities.
//!
//! Source: Kudo, arXiv:1804.10959; found with Viterbi's algorithm over the characters of the piece.

use super::Fallback;
use crate::vocab::{NONE, Vocab};

/// Penalty below the worst score for a character that is no token, as in SentencePiece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Longer tokens are never found: the search costs their length at every position.
const TOKEN_BYTES_MAX: usize = 512;

/// The most probable segmentation.
#[derive(Debug)]
pub(crate) struct Unigram {
    scores: Vec<f32>,
    unknown_score: f32,
    fallback: Fallback,
    token_bytes_max: usize,
}

impl Unigram {
    /// `scores`: one per token of `vocab`, none NaN.
    pub(crate) fn new(vocab: &Vocab, scores: Vec<f32>, fallback: Fallback) -> Self {
        let worst = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let longest = (0..vocab.len() as u32).map(|id| vocab.text(id).len()).max().unwrap_or(0);
        let token_bytes_max = longest.min(TOKEN_BYTES_MAX);
        Self { scores, unknown_score: worst - UNKNOWN_PENALTY, fallback, token_bytes_max }
    }

    pub(crate) fn encode(&self, vocab: &Vocab, piece: &str, ids: &mut Vec<u32>) {
        // For each byte position: the best score of a segmentation that ends there, its last token, where that begins.
        let mut best: Vec<(f64, u32, u32)> = vec![(f64::NEG_INFINITY, NONE, 0); piece.len() + 1];
        best[0].0 = 0.0;
        for (at, c) in piece.char_indices() {
            let score_here = best[at].0;
            let char_end = at + c.len_utf8();
            let mut char_known = false;
            let longest = piece.len().min(at + self.token_bytes_max);
            for (end, slot) in best.iter_mut().enumerate().take(longest + 1).skip(char_end) {
                let Some(id) = vocab.find(&piece.as_bytes()[at..end]) else { continue };
                char_known |= end == char_end;
                offer(slot, score_here + f64::from(self.scores[id as usize]), id, at);
            }
            if !char_known {
                offer(&mut best[char_end], score_here + f64::from(self.unknown_score), NONE, at);
            }
        }
        self.read_back(vocab, piece, &best, ids);
    }

    fn read_back(&self, vocab: &Vocab, piece: &str, best: &[(f64, u32, u32)], ids: &mut Vec<u32>) {
        let mut path = Vec::new();
        let mut end = piece.len();
        while end > 0 {
            let (_, id, start) = best[end];
            path.push((id, start as usize, end));
            end = start as usize;
        }
        let mut was_unknown = false;
        for (id, start, end) in path.into_iter().rev() {
            if id == NONE {
                let text = &piece.as_bytes()[start..end];
                self.fallback.spell(vocab, text, &mut was_unknown, |id, _| ids.push(id));
            } else {
                ids.push(id);
                was_unknown = false;
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.scores.capacity() * size_of::<f32>()
    }
}

fn offer(slot: &mut (f64, u32, u32), score: f64, id: u32, start: usize) {
    if score > slot.0 {
        *slot = (score, id, start as u32);
    }
}
