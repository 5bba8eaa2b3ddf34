//! The vocabulary and its merges as `tokenizer.json` has them.

use super::refused;
use crate::model::bpe::Scored;
use crate::model::{Fallback, Model};
use crate::vocab::Kind;
use crate::{Error, Tokenizer, alphabet};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::HashSet;

/// A merge of two tokens.
type Pair = [u32; 2];

impl Tokenizer {
    /// How the file writes each token; `None` for ids that are no token.
    pub(super) fn spelled(&self) -> Result<Vec<Option<String>>, Error> {
        let mut seen = HashSet::with_capacity(self.vocab.len());
        let spelled = |id: u32| {
            let text = self.vocab.text(id);
            if text.is_empty() {
                return Ok(None);
            }
            let by_alphabet =
                self.byte_level && matches!(self.vocab.kind(id), Kind::Normal | Kind::Unused | Kind::Byte);
            let text = if by_alphabet {
                alphabet::encode(text)
            } else {
                let text = std::str::from_utf8(text);
                text.map_err(|_| refused(format!("token {id} is no text")))?.to_owned()
            };
            if !seen.insert(text.clone()) {
                return Err(refused(format!("token {id} is spelled like another one, {text:.80?}")));
            }
            Ok(Some(text))
        };
        (0..self.vocab.len() as u32).map(spelled).collect()
    }

    pub(super) fn model_entry(&self, spelled: &[Option<String>]) -> Result<Value, Error> {
        let (merges, fallback, ignore_merges) = match &self.model {
            Model::Bpe(bpe) => {
                let pairs = bpe.merges.pairs().iter().map(|[left, right, _]| [*left, *right]);
                (pairs.collect(), bpe.fallback, bpe.ignore_merges)
            }
            Model::Scored(scored) => (self.merges_of_scores(scored), scored.fallback, false),
            Model::WordPiece(_) => return Err(refused("WordPiece vocabularies are not written")),
            Model::Unigram(_) => return Err(refused("Unigram vocabularies are not written")),
        };
        let Fallback { bytes, unk, fuse } = fallback;
        let vocab = (0u32..).zip(spelled).filter_map(|(id, text)| Some((text.clone()?, id.into())));
        Ok(json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": unk.and_then(|id| spelled.get(id as usize)?.as_deref()),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": fuse,
            "byte_fallback": bytes,
            "ignore_merges": ignore_merges,
            "vocab": vocab.collect::<Map<_, _>>(),
            "merges": merges_entry(&merges, spelled)?,
        }))
    }

    /// The merges that scores make: every way to put a token together of two, the best token first.
    fn merges_of_scores(&self, scored: &Scored) -> Vec<Pair> {
        let mut merges: Vec<(u32, Pair)> = Vec::new();
        for id in 0..self.vocab.len() as u32 {
            let text = self.vocab.text(id);
            if self.vocab.find(text) != Some(id) {
                continue;
            }
            let starts_character = |at: &usize| text[*at] & 0xC0 != 0x80;
            // The longer left parts first, as published converters have it.
            let cuts = (1..text.len()).rev().filter(starts_character);
            merges.extend(cuts.filter_map(|at| {
                let parts = [self.vocab.find(&text[..at])?, self.vocab.find(&text[at..])?];
                Some((id, parts))
            }));
        }
        let score = |id: u32| scored.scores[id as usize];
        // Stable, so that ids and cuts decide among equals.
        merges.sort_by(|(a, _), (b, _)| score(*b).partial_cmp(&score(*a)).unwrap_or(Ordering::Equal));
        merges.into_iter().map(|(_, parts)| parts).collect()
    }
}

/// Texts with a space between, which every version of the library reads, or lists where tokens have spaces themselves.
fn merges_entry(merges: &[Pair], spelled: &[Option<String>]) -> Result<Value, Error> {
    let text = |id: u32| {
        let text = spelled.get(id as usize).and_then(Option::as_deref);
        text.ok_or_else(|| refused(format!("a merge of token {id}, which has no text")))
    };
    let merges = merges.iter().map(|[left, right]| Ok([text(*left)?, text(*right)?]));
    let merges = merges.collect::<Result<Vec<_>, Error>>()?;
    let spaced = merges.iter().flatten().any(|part| part.contains(' '));
    let entry = |parts: &[&str; 2]| if spaced { json!(parts) } else { parts.join(" ").into() };
    Ok(merges.iter().map(entry).collect())
}
