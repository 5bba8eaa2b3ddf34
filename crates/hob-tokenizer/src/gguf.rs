//! Building a tokenizer from the vocabulary inside a GGUF file.
//!
//! Source of the keys and their meaning: the GGUF specification and the converter that writes them (llama.cpp).

use crate::added::{AddedTokens, Rules};
use crate::alphabet;
use crate::decode::{DecodeRules, Joiner};
use crate::error::Error;
use crate::hash::PairTable;
use crate::model::bpe::{Bpe, Scored};
use crate::model::merge_list::MergeReader;
use crate::model::wordpiece::WordPiece;
use crate::model::{Fallback, Model};
use crate::normalize::{Accents, Bert, Step};
use crate::special::{self, SpecialTokens};
use crate::split::{self, Matcher, Split};
use crate::tokenizer::Tokenizer;
use crate::vocab::{Kind, Vocab};

/// The `tokenizer.ggml.*` keys of a GGUF file, as they stand there.
#[derive(Debug, Clone, Default)]
pub struct GgufVocab<'a> {
    /// `general.name`: some vocabularies follow rules that only their model's name tells (Phi-3).
    pub name: Option<&'a str>,
    /// `.model`: `llama`, `gpt2`, `bert` or `gemma4`.
    pub model: &'a str,
    /// `.pre`, which decides how `gpt2` vocabularies cut text; absent means `default`.
    pub pre: Option<&'a str>,
    /// `.tokens`, as bytes: files exist whose tokens are not UTF-8.
    pub tokens: Vec<&'a [u8]>,
    /// `.scores`, one per token.
    pub scores: Option<Vec<f32>>,
    /// `.token_type`, one per token.
    pub token_types: Option<Vec<i32>>,
    /// `.merges`, each `left right`.
    pub merges: Option<Vec<&'a [u8]>>,
    /// `.bos_token_id`
    pub bos: Option<u32>,
    /// `.eos_token_id`
    pub eos: Option<u32>,
    /// `.eot_token_id`
    pub eot: Option<u32>,
    /// `.eom_token_id`
    pub eom: Option<u32>,
    /// `.unknown_token_id`
    pub unk: Option<u32>,
    /// `.seperator_token_id` (the key is spelled like this)
    pub sep: Option<u32>,
    /// `.padding_token_id`
    pub pad: Option<u32>,
    /// `.cls_token_id`
    pub cls: Option<u32>,
    /// `.mask_token_id`
    pub mask: Option<u32>,
    /// `.add_bos_token`
    pub add_bos: Option<bool>,
    /// `.add_eos_token`
    pub add_eos: Option<bool>,
    /// `.add_space_prefix`
    pub add_space_prefix: Option<bool>,
    /// `.remove_extra_whitespaces`
    pub remove_extra_whitespaces: Option<bool>,
    /// `.normalizer.lowercase` (`bert`)
    pub lowercase: Option<bool>,
}

const MODELS: &str = "bert, gemma4, gpt2, llama";

/// SentencePiece's stand-in for a space.
pub(crate) const SPACE_MARK: &str = "▁";

impl Tokenizer {
    /// Builds the tokenizer of a GGUF file.
    ///
    /// # Errors
    /// An unknown model or pre-tokenizer name, arrays of different lengths, ids outside of the vocabulary, merges of
    /// texts that are no tokens.
    pub fn from_gguf(file: GgufVocab<'_>) -> Result<Self, Error> {
        file.check()?;
        match file.model {
            "llama" => file.build_llama(),
            "gpt2" => file.build_gpt2(),
            "gemma4" => file.build_gemma4(),
            "bert" => file.build_bert(),
            other => {
                Err(Error::UnsupportedModel { found: other.chars().take(100).collect(), supported: MODELS })
            }
        }
    }
}

impl GgufVocab<'_> {
    fn check(&self) -> Result<(), Error> {
        let count = self.tokens.len();
        if count == 0 {
            let found = "none".to_owned();
            return Err(Error::Field {
                field: "tokenizer.ggml.tokens",
                expected: "at least one token",
                found,
            });
        }
        let same_length = |field, found: Option<usize>| match found {
            Some(found) if found != count => Err(Error::Length { field, expected: count, found }),
            _ => Ok(()),
        };
        same_length("tokenizer.ggml.scores", self.scores.as_ref().map(Vec::len))?;
        same_length("tokenizer.ggml.token_type", self.token_types.as_ref().map(Vec::len))?;
        check_scores(self.scores.as_deref().unwrap_or_default())?;
        let roles = [
            ("bos", self.bos),
            ("eos", self.eos),
            ("eot", self.eot),
            ("eom", self.eom),
            ("unknown", self.unk),
            ("seperator", self.sep),
            ("padding", self.pad),
            ("cls", self.cls),
            ("mask", self.mask),
        ];
        for (role, id) in roles {
            if let Some(id) = id.filter(|id| *id as usize >= count) {
                let role = format!("tokenizer.ggml.{role}_token_id");
                return Err(Error::IdOutOfRange { role, id: id.into(), limit: count as u64 });
            }
        }
        Ok(())
    }

    fn kind(&self, id: usize) -> Kind {
        let kind = self.token_types.as_ref().map_or(Kind::Normal, |types| Kind::from_gguf(types[id]));
        // Files exist that list the end of a turn among the user's own tokens (Phi-3's `</s>`).
        if kind == Kind::UserDefined && special::ends_text(self.tokens[id]) { Kind::Control } else { kind }
    }

    /// `decoded`: texts are written in the byte alphabet.
    fn vocab(&self, decoded: bool) -> Result<Vocab, Error> {
        let bytes = self.tokens.iter().map(|text| text.len()).sum();
        let mut vocab = Vocab::with_capacity(self.tokens.len(), bytes);
        for (id, text) in self.tokens.iter().enumerate() {
            let kind = self.kind(id);
            vocab.push(kind, |out| {
                let plain = !decoded || matches!(kind, Kind::Control | Kind::Unknown | Kind::UserDefined);
                if plain || !alphabet::decode_into(text, out) {
                    out.extend_from_slice(text);
                }
            })?;
        }
        vocab.build_index(decoded)?;
        Ok(vocab)
    }

    fn added(&self) -> AddedTokens {
        // The files don't carry the stripping rules; Phi-3's are known from its tokenizer.json.
        let name = self.name.unwrap_or_default().to_lowercase();
        let phi3 = self.model == "llama" && (name.contains("phi-3") || name.contains("phi3"));
        AddedTokens::new(self.tokens.iter().enumerate().filter_map(|(id, text)| {
            let special = match self.kind(id) {
                Kind::Control | Kind::Unknown => true,
                Kind::UserDefined => false,
                _ => return None,
            };
            let rstrip = phi3 && !matches!(*text, b"<unk>" | b"<s>" | b"<|endoftext|>");
            Some((text.to_vec(), id as u32, Rules { special, rstrip, ..Rules::default() }))
        }))
    }

    fn special(&self) -> SpecialTokens {
        SpecialTokens {
            bos: self.bos,
            eos: self.eos,
            eot: self.eot,
            eom: self.eom,
            unk: self.unk,
            sep: self.sep,
            pad: self.pad,
            cls: self.cls,
            mask: self.mask,
        }
    }

    fn merges(&self, vocab: &Vocab, decoded: bool) -> Result<PairTable, Error> {
        let merges = self.merges.as_ref().ok_or_else(|| Error::Field {
            field: "tokenizer.ggml.merges",
            expected: "a list of merges",
            found: "nothing".to_owned(),
        })?;
        let added = self.added();
        let mut reader = MergeReader::new(vocab, &added, decoded, merges.len());
        for merge in merges {
            // A space may be the left token itself, so the separator is looked for behind the first byte.
            let at = merge.iter().skip(1).position(|b| *b == b' ').map(|at| at + 1);
            let Some(at) = at else {
                let token = String::from_utf8_lossy(merge).chars().take(100).collect();
                return Err(Error::UnknownMerge { index: reader.count(), token });
            };
            reader.add(&merge[..at], &merge[at + 1..])?;
        }
        reader.finish()
    }

    fn frame(&self, add_bos: bool, add_eos: bool) -> (Vec<u32>, Vec<u32>) {
        let prefix = self.bos.filter(|_| self.add_bos.unwrap_or(add_bos));
        let suffix = self.eos.filter(|_| self.add_eos.unwrap_or(add_eos));
        (prefix.into_iter().collect(), suffix.into_iter().collect())
    }

    fn tokenizer(
        &self,
        vocab: Vocab,
        byte_level: bool,
        model: Model,
        frame: (Vec<u32>, Vec<u32>),
    ) -> Tokenizer {
        Tokenizer {
            vocab,
            byte_level,
            added: self.added(),
            added_normalized: AddedTokens::new([]),
            normalizer: Vec::new(),
            splits: Vec::new(),
            model,
            prefix: frame.0,
            suffix: frame.1,
            decode: DecodeRules::default(),
            special: self.special(),
            end_ids: Vec::new(),
        }
    }

    fn build_gpt2(&self) -> Result<Tokenizer, Error> {
        let preset = split::preset(self.pre.unwrap_or("default"))?;
        let vocab = self.vocab(true)?;
        let model = Model::Bpe(Bpe {
            merges: self.merges(&vocab, true)?,
            byte_level: true,
            fallback: Fallback::default(),
            ignore_merges: preset.ignore_merges,
        });
        let mut tokenizer = self.tokenizer(vocab, true, model, self.frame(preset.add_bos, false));
        tokenizer.splits = preset.splits;
        Ok(tokenizer.finish())
    }

    fn build_gemma4(&self) -> Result<Tokenizer, Error> {
        let vocab = self.vocab(false)?;
        let model = Model::Bpe(Bpe {
            merges: self.merges(&vocab, false)?,
            byte_level: false,
            fallback: Fallback { bytes: true, unk: self.unk, fuse: true },
            ignore_merges: false,
        });
        // Gemma 4 is not usable without BOS, and early files say it needs none.
        let frame = (self.bos.into_iter().collect(), self.frame(true, false).1);
        let mut tokenizer = self.tokenizer(vocab, false, model, frame);
        tokenizer.normalizer = vec![Step::Replace { from: " ".to_owned(), to: SPACE_MARK.to_owned() }];
        tokenizer.splits = split::between_words(&tokenizer.vocab);
        tokenizer.decode = sentencepiece_decoding(false);
        Ok(tokenizer.finish())
    }

    fn build_llama(&self) -> Result<Tokenizer, Error> {
        let vocab = self.vocab(false)?;
        let scores = self.required_scores()?;
        let fallback = Fallback { bytes: true, unk: self.unk, fuse: true };
        let model = Model::Scored(Scored { scores, fallback });
        let mut tokenizer = self.tokenizer(vocab, false, model, self.frame(true, false));
        let space_prefix = self.add_space_prefix.unwrap_or(true);
        tokenizer.normalizer =
            sentencepiece_normalizer(space_prefix, self.remove_extra_whitespaces.unwrap_or(false))?;
        tokenizer.splits = split::between_words(&tokenizer.vocab);
        tokenizer.decode = sentencepiece_decoding(space_prefix);
        Ok(tokenizer.finish())
    }

    fn required_scores(&self) -> Result<Vec<f32>, Error> {
        self.scores.clone().ok_or_else(|| Error::Field {
            field: "tokenizer.ggml.scores",
            expected: "a score for each token",
            found: "nothing".to_owned(),
        })
    }

    fn build_bert(&self) -> Result<Tokenizer, Error> {
        let vocab = self.vocab(false)?;
        let role = |id: Option<u32>, name: &str| {
            id.or_else(|| (0..vocab.len() as u32).find(|id| vocab.text(*id) == name.as_bytes()))
        };
        let (cls, sep, unk) =
            (role(self.cls.or(self.bos), "[CLS]"), role(self.sep, "[SEP]"), role(self.unk, "[UNK]"));
        let unk = unk.ok_or_else(|| Error::Field {
            field: "tokenizer.ggml.unknown_token_id",
            expected: "the id of the unknown token",
            found: "nothing".to_owned(),
        })?;
        let model = Model::WordPiece(WordPiece {
            first_prefix: SPACE_MARK.to_owned(),
            rest_prefix: String::new(),
            unk,
            chars_max: 100,
            token_bytes_max: (0..vocab.len() as u32).map(|id| vocab.text(id).len()).max().unwrap_or(0),
        });
        let frame = (cls.into_iter().collect(), sep.into_iter().collect());
        let mut tokenizer = self.tokenizer(vocab, false, model, frame);
        let lowercase = self.lowercase.unwrap_or(true);
        let accents = if lowercase { Accents::StripAll } else { Accents::Keep };
        let bert = Bert { clean_text: true, space_ideographs: true, accents, lowercase };
        tokenizer.normalizer = vec![Step::Bert(bert)];
        tokenizer.splits = vec![
            Split::removed(Matcher::Char(split::is_space)),
            Split::isolated(Matcher::Char(split::is_bert_punctuation)),
        ];
        tokenizer.decode =
            DecodeRules { joiner: Joiner::MarkedWords { cleanup: true }, ..DecodeRules::default() };
        tokenizer.special = SpecialTokens { cls, sep, unk: Some(unk), ..tokenizer.special };
        Ok(tokenizer.finish())
    }
}

/// Refuses scores that have no order.
pub(crate) fn check_scores(scores: &[f32]) -> Result<(), Error> {
    match scores.iter().position(|score| score.is_nan()) {
        Some(at) => {
            Err(Error::Field { field: "scores", expected: "numbers", found: format!("NaN for token {at}") })
        }
        None => Ok(()),
    }
}

/// How SentencePiece models rewrite text.
pub(crate) fn sentencepiece_normalizer(
    space_prefix: bool,
    remove_extra_spaces: bool,
) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    if remove_extra_spaces {
        let runs = fancy_regex::Regex::new(" {2,}")
            .map_err(|e| Error::Pattern { pattern: " {2,}".to_owned(), reason: e.to_string() })?;
        steps.push(Step::Strip { left: true, right: true });
        steps.push(Step::ReplacePattern { from: Box::new(runs), to: " ".to_owned() });
    }
    if space_prefix {
        steps.push(Step::Prepend(SPACE_MARK.to_owned()));
    }
    steps.push(Step::Replace { from: " ".to_owned(), to: SPACE_MARK.to_owned() });
    Ok(steps)
}

/// How SentencePiece vocabularies become text again.
pub(crate) fn sentencepiece_decoding(space_prefix: bool) -> DecodeRules {
    DecodeRules {
        replace: vec![(SPACE_MARK.to_owned(), " ".to_owned())],
        byte_fallback: true,
        strip_start: space_prefix.then_some((' ', 1)),
        joiner: Joiner::Nothing,
    }
}
