//! A tokenizer as the `tokenizer.ggml.*` keys of a GGUF file, checked by reading it back.

use crate::gguf::GgufVocab;
use crate::model::Model;
use crate::model::bpe::Bpe;
use crate::normalize::Step;
use crate::special::SpecialTokens;
use crate::split;
use crate::vocab::Kind;
use crate::{Error, Tokenizer, alphabet};

/// The score of tokens that no merge makes: after all others.
const NEVER_MERGED: f32 = -1e9;

/// A vocabulary as a GGUF file holds it; the fields are those of [`GgufVocab`].
#[derive(Clone, Debug)]
pub struct GgufKeys {
    /// `.model`
    pub model: &'static str,
    /// `.pre`
    pub pre: &'static str,
    /// `.tokens`
    pub tokens: Vec<Vec<u8>>,
    /// `.scores`
    pub scores: Option<Vec<f32>>,
    /// `.token_type`
    pub token_types: Vec<i32>,
    /// `.merges`
    pub merges: Option<Vec<Vec<u8>>>,
    /// The tokens with a role.
    pub special: SpecialTokens,
    /// `.add_bos_token`
    pub add_bos: bool,
    /// `.add_eos_token`
    pub add_eos: bool,
    /// `.add_space_prefix`
    pub add_space_prefix: Option<bool>,
    /// `.remove_extra_whitespaces`
    pub remove_extra_whitespaces: Option<bool>,
}

impl Tokenizer {
    /// This tokenizer as a GGUF file holds it, with as many tokens as the model's embedding has rows.
    ///
    /// `name` is the model's, which some vocabularies' rules hang on (see [`GgufVocab::name`]). With `by_merges`, a
    /// SentencePiece vocabulary keeps its list of merges, as Gemma 4's files do; all others get scores.
    ///
    /// # Errors
    /// [`Error::NotInGguf`] for a tokenizer that would read some text differently from such a file. Rules about the
    /// white space around special tokens are lost without an error, as every converter loses them.
    pub fn to_gguf(&self, name: &str, rows: usize, by_merges: bool) -> Result<GgufKeys, Error> {
        let mut keys = match &self.model {
            Model::Bpe(bpe) if bpe.byte_level => self.byte_level_keys(bpe)?,
            Model::Bpe(bpe) if by_merges => self.sentencepiece_keys("gemma4", None, Some(self.merges(bpe))),
            Model::Bpe(bpe) => self.sentencepiece_keys("llama", Some(self.scores_of_merges(bpe)), None),
            Model::Scored(scored) => self.sentencepiece_keys("llama", Some(scored.scores.clone()), None),
            Model::WordPiece(_) => return Err(refused("WordPiece vocabularies are of models that embed")),
            Model::Unigram(_) => return Err(refused("Unigram vocabularies have no place there")),
        };
        self.set_frame(&mut keys)?;
        for id in keys.tokens.len()..rows {
            keys.tokens.push(format!("[PAD{id}]").into_bytes());
            keys.token_types.push(Kind::Unused as i32);
            keys.scores.iter_mut().for_each(|scores| scores.push(NEVER_MERGED));
        }
        match self.difference(&Tokenizer::from_gguf(keys.as_vocab(name))?) {
            Some(what) => Err(refused(&what)),
            None => Ok(keys),
        }
    }

    fn keys(&self, model: &'static str) -> GgufKeys {
        let ids = 0..self.vocab.len() as u32;
        let spelled = |id: u32| {
            let (text, kind) = (self.vocab.text(id), self.vocab.kind(id));
            match kind {
                Kind::Unused if text.is_empty() => format!("[PAD{id}]").into_bytes(),
                Kind::Normal | Kind::Unused if self.byte_level => alphabet::encode(text).into_bytes(),
                _ => text.to_vec(),
            }
        };
        GgufKeys {
            model,
            pre: "default",
            tokens: ids.clone().map(spelled).collect(),
            scores: None,
            token_types: ids.map(|id| self.vocab.kind(id) as i32).collect(),
            merges: None,
            special: self.special,
            add_bos: false,
            add_eos: false,
            add_space_prefix: None,
            remove_extra_whitespaces: None,
        }
    }

    fn byte_level_keys(&self, bpe: &Bpe) -> Result<GgufKeys, Error> {
        if self.normalizer.iter().any(|step| !matches!(step, Step::Nfc)) {
            return Err(refused("its text is rewritten first"));
        }
        let pre = split::preset_of(&self.splits, bpe.ignore_merges)?
            .ok_or_else(|| refused("no tokenizer.ggml.pre cuts text as this one does"))?;
        let keys = self.keys("gpt2");
        let merges = Some(merges_in(&keys.tokens, bpe));
        Ok(GgufKeys { pre, merges, ..keys })
    }

    fn sentencepiece_keys(
        &self,
        model: &'static str,
        scores: Option<Vec<f32>>,
        merges: Option<Vec<Vec<u8>>>,
    ) -> GgufKeys {
        let has = |is_such: fn(&Step) -> bool| Some(self.normalizer.iter().any(is_such));
        GgufKeys {
            scores,
            merges,
            add_space_prefix: has(|step| matches!(step, Step::Prepend(_) | Step::Prefix { .. })),
            remove_extra_whitespaces: has(|step| matches!(step, Step::Strip { .. })),
            ..self.keys(model)
        }
    }

    fn merges(&self, bpe: &Bpe) -> Vec<Vec<u8>> {
        merges_in(&self.keys("").tokens, bpe)
    }

    /// Scores that merge as the list does, where it has every way to make a token, one token after the other.
    fn scores_of_merges(&self, bpe: &Bpe) -> Vec<f32> {
        let mut scores = vec![NEVER_MERGED; self.vocab.len()];
        let mut made = 0;
        for [_, _, merged] in bpe.merges.pairs() {
            let score = &mut scores[*merged as usize];
            if *score == NEVER_MERGED {
                *score = -(made as f32);
                made += 1;
            }
        }
        scores
    }

    /// What stands around a text.
    fn set_frame(&self, keys: &mut GgufKeys) -> Result<(), Error> {
        let one = |ids: &[u32]| match ids {
            [] => Ok(None),
            [id] => Ok(Some(*id)),
            _ => Err(refused("several tokens stand before or behind each text")),
        };
        let (first, last) = (one(&self.prefix)?, one(&self.suffix)?);
        keys.add_bos = first.is_some();
        keys.add_eos = last.is_some();
        keys.special.bos = first.or(keys.special.bos);
        keys.special.eos = last.or(keys.special.eos);
        Ok(())
    }
}

impl GgufKeys {
    /// These keys as a file's.
    pub fn as_vocab<'a>(&'a self, name: &'a str) -> GgufVocab<'a> {
        let s = &self.special;
        GgufVocab {
            name: Some(name),
            model: self.model,
            pre: Some(self.pre),
            tokens: self.tokens.iter().map(Vec::as_slice).collect(),
            scores: self.scores.clone(),
            token_types: Some(self.token_types.clone()),
            merges: self.merges.as_ref().map(|merges| merges.iter().map(Vec::as_slice).collect()),
            bos: s.bos,
            eos: s.eos,
            eot: s.eot,
            eom: s.eom,
            unk: s.unk,
            sep: s.sep,
            pad: s.pad,
            cls: s.cls,
            mask: s.mask,
            add_bos: Some(self.add_bos),
            add_eos: Some(self.add_eos),
            add_space_prefix: self.add_space_prefix,
            remove_extra_whitespaces: self.remove_extra_whitespaces,
            lowercase: None,
        }
    }
}

fn merges_in(tokens: &[Vec<u8>], bpe: &Bpe) -> Vec<Vec<u8>> {
    let text = |id: u32| tokens[id as usize].as_slice();
    bpe.merges.pairs().iter().map(|[left, right, _]| [text(*left), text(*right)].join(&b' ')).collect()
}

fn refused(what: &str) -> Error {
    Error::NotInGguf { what: what.to_owned() }
}
