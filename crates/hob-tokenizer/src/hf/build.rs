//! From the parts of `tokenizer.json` to the pipeline.

use std::collections::HashSet;

use serde_json::Value;

use super::components::Parts;
use super::config::Config;
use super::file::{AddedToken, Entries, File, Merges, Model as FileModel};
use crate::added::AddedTokens;
use crate::alphabet;
use crate::decode::Joiner;
use crate::gguf::check_scores;
use crate::hash::PairTable;
use crate::model::bpe::Bpe;
use crate::model::merge_list::MergeReader;
use crate::model::unigram::Unigram;
use crate::model::wordpiece::WordPiece;
use crate::model::{Fallback, Model};
use crate::normalize;
use crate::split;
use crate::vocab::{Kind, NONE, Vocab, byte_token};
use crate::{Error, Tokenizer};

const MODELS: &str = "BPE, WordPiece, Unigram";

pub(super) fn build(file: File, config: &Config) -> Result<Tokenizer, Error> {
    let mut parts = Parts::default();
    parts.normalizer(&file.normalizer, 0)?;
    parts.pre_tokenizer(&file.pre_tokenizer, 0)?;
    parts.post_processor(&file.post_processor, 0)?;
    parts.decoder(&file.decoder, 0)?;
    if file.decoder == Value::Null {
        parts.decode.joiner = Joiner::Space;
    }
    let mut listed = file.added_tokens;
    let known: HashSet<u64> = listed.iter().map(|token| token.id).collect();
    listed.extend(config.added.iter().filter(|token| !known.contains(&token.id)).cloned());
    let vocab = vocab(&file.model, &listed, parts.byte_level)?;
    let id_of = |name: &str| {
        let listed = listed.iter().find(|token| token.content == name).map(|token| token.id as u32);
        listed.or_else(|| vocab.find(name.as_bytes()))
    };
    let mut special = config.special(id_of);
    special.unk = special.unk.or_else(|| id_of(file.model.unk_token.as_deref()?));
    let (added, added_normalized) = added(&listed, &parts);
    let model = model(&file.model, &vocab, &added, &parts, special.unk)?;
    check_frame(&parts, vocab.len())?;
    if matches!(&model, Model::Bpe(bpe) if !bpe.byte_level) {
        parts.splits.extend(split::between_words(&vocab));
    }
    let mut tokenizer = Tokenizer {
        vocab,
        byte_level: parts.byte_level,
        added,
        added_normalized,
        normalizer: parts.normalizer,
        splits: parts.splits,
        model,
        prefix: parts.prefix,
        suffix: parts.suffix,
        decode: parts.decode,
        special,
        end_ids: Vec::new(),
    };
    if config.flags_rule {
        frame_by_flags(&mut tokenizer, config);
    }
    Ok(tokenizer.finish())
}

/// Classes such as `LlamaTokenizer` rebuild the frame from two flags of the configuration.
fn frame_by_flags(tokenizer: &mut Tokenizer, config: &Config) {
    if let Some(add_bos) = config.add_bos {
        tokenizer.prefix = tokenizer.special.bos.filter(|_| add_bos).into_iter().collect();
    }
    if let Some(add_eos) = config.add_eos {
        tokenizer.suffix = tokenizer.special.eos.filter(|_| add_eos).into_iter().collect();
    }
}

fn check_frame(parts: &Parts, count: usize) -> Result<(), Error> {
    match parts.prefix.iter().chain(&parts.suffix).find(|id| **id as usize >= count) {
        Some(id) => {
            let role = "post_processor".to_owned();
            Err(Error::IdOutOfRange { role, id: u64::from(*id), limit: count as u64 })
        }
        None => Ok(()),
    }
}

/// Where the text of an id comes from.
#[derive(Clone, Copy)]
enum Source {
    Hole,
    Model(u32),
    Added(u32),
}

fn vocab(model: &FileModel, listed: &[AddedToken], byte_level: bool) -> Result<Vocab, Error> {
    let sources = sources(&model.vocab, listed)?;
    let texts = &model.vocab.texts;
    let mut vocab = Vocab::with_capacity(sources.len(), texts.text_bytes());
    for source in sources {
        match source {
            Source::Hole => vocab.push(Kind::Unused, |_| {})?,
            Source::Added(at) => {
                let token = &listed[at as usize];
                let kind = if token.special { Kind::Control } else { Kind::UserDefined };
                vocab.push(kind, |out| out.extend_from_slice(token.content.as_bytes()))?;
            }
            Source::Model(at) => {
                let text = texts.get(at as usize).as_bytes();
                let is_byte = model.byte_fallback && byte_token(text).is_some();
                vocab.push(if is_byte { Kind::Byte } else { Kind::Normal }, |out| {
                    if !byte_level || !alphabet::decode_into(text, out) {
                        out.extend_from_slice(text);
                    }
                })?;
            }
        }
    }
    vocab.build_index(byte_level)?;
    Ok(vocab)
}

/// Which entry each id belongs to. An added token overrules the model's entry of that id.
fn sources(entries: &Entries, listed: &[AddedToken]) -> Result<Vec<Source>, Error> {
    // Ids may leave holes, but an id far beyond the number of entries must not size the table.
    let limit = 2 * (entries.ids.len() + listed.len()) as u64 + 65_536;
    let mut sources: Vec<Source> = Vec::new();
    let ids = entries.ids.iter().copied().chain(listed.iter().map(|token| token.id));
    if let Some(id) = ids.clone().find(|id| *id >= limit) {
        return Err(Error::IdOutOfRange { role: "tokenizer.json".to_owned(), id, limit });
    }
    sources.resize(ids.max().map_or(0, |id| id as usize + 1), Source::Hole);
    for (at, id) in entries.ids.iter().enumerate() {
        let slot = &mut sources[*id as usize];
        if let Source::Model(first) = *slot {
            let short = |at: usize| entries.texts.get(at).chars().take(100).collect();
            return Err(Error::DuplicateId {
                id: *id as u32,
                first: short(first as usize),
                second: short(at),
            });
        }
        *slot = Source::Model(at as u32);
    }
    for (at, token) in listed.iter().enumerate() {
        let slot = &mut sources[token.id as usize];
        if let Source::Added(first) = *slot {
            let (first, second) = (listed[first as usize].content.clone(), token.content.clone());
            if first != second {
                return Err(Error::DuplicateId { id: token.id as u32, first, second });
            }
        }
        *slot = Source::Added(at as u32);
    }
    Ok(sources)
}

/// Added tokens to be found in the text as it comes, and in the normalised text.
fn added(listed: &[AddedToken], parts: &Parts) -> (AddedTokens, AddedTokens) {
    let entry = |token: &AddedToken, text: &str| (text.as_bytes().to_vec(), token.id as u32, token.rules());
    let raw = listed.iter().filter(|token| !token.normalized || parts.normalizer.is_empty());
    let normalized = listed.iter().filter(|token| token.normalized && !parts.normalizer.is_empty());
    (
        AddedTokens::new(raw.map(|token| entry(token, &token.content))),
        AddedTokens::new(
            normalized
                .map(|token| entry(token, &normalize::normalize(&parts.normalizer, &token.content, false))),
        ),
    )
}

fn model(
    file: &FileModel,
    vocab: &Vocab,
    added: &AddedTokens,
    parts: &Parts,
    unk: Option<u32>,
) -> Result<Model, Error> {
    let kind = file.kind.as_deref().unwrap_or(if file.merges.is_some() { "BPE" } else { "WordPiece" });
    match kind {
        "BPE" => bpe(file, vocab, added, parts, unk),
        "WordPiece" => Ok(Model::WordPiece(WordPiece {
            first_prefix: String::new(),
            rest_prefix: file.continuing_subword_prefix.clone().unwrap_or_else(|| "##".to_owned()),
            unk: unk.ok_or_else(|| Error::Field {
                field: "model.unk_token",
                expected: "a token of the vocabulary",
                found: "none".to_owned(),
            })?,
            chars_max: file.max_input_chars_per_word.unwrap_or(100),
            token_bytes_max: (0..vocab.len() as u32).map(|id| vocab.text(id).len()).max().unwrap_or(0),
        })),
        "Unigram" => unigram(file, vocab),
        other => Err(Error::UnsupportedModel { found: other.chars().take(100).collect(), supported: MODELS }),
    }
}

fn bpe(
    file: &FileModel,
    vocab: &Vocab,
    added: &AddedTokens,
    parts: &Parts,
    unk: Option<u32>,
) -> Result<Model, Error> {
    for (option, value) in [
        ("BPE with continuing_subword_prefix", &file.continuing_subword_prefix),
        ("BPE with end_of_word_suffix", &file.end_of_word_suffix),
    ] {
        if value.as_deref().is_some_and(|value| !value.is_empty()) {
            return Err(Error::UnsupportedComponent { part: "model", found: option.to_owned() });
        }
    }
    let unk = unk.filter(|_| file.unk_token.is_some());
    Ok(Model::Bpe(Bpe {
        merges: merges(file.merges.as_ref(), vocab, added, parts.byte_level)?,
        byte_level: parts.byte_level,
        fallback: Fallback { bytes: file.byte_fallback, unk, fuse: file.fuse_unk },
        ignore_merges: file.ignore_merges,
    }))
}

fn merges(
    merges: Option<&Merges>,
    vocab: &Vocab,
    added: &AddedTokens,
    byte_level: bool,
) -> Result<PairTable, Error> {
    let Some(Merges(texts)) = merges else { return Ok(PairTable::with_capacity(0)) };
    let count = texts.len() / 2;
    let mut reader = MergeReader::new(vocab, added, byte_level, count);
    for merge in 0..count {
        reader.add(texts.get(2 * merge).as_bytes(), texts.get(2 * merge + 1).as_bytes())?;
    }
    reader.finish()
}

fn unigram(file: &FileModel, vocab: &Vocab) -> Result<Model, Error> {
    if file.vocab.scores.is_empty() {
        let found = "a map".to_owned();
        return Err(Error::Field { field: "model.vocab", expected: "a list of tokens with scores", found });
    }
    check_scores(&file.vocab.scores)?;
    let mut scores = file.vocab.scores.clone();
    scores.resize(vocab.len(), 0.0);
    let unk = file.unk_id.and_then(|id| u32::try_from(id).ok());
    if let Some(id) = unk.filter(|id| *id == NONE || *id as usize >= vocab.len()) {
        let role = "model.unk_id".to_owned();
        return Err(Error::IdOutOfRange { role, id: id.into(), limit: vocab.len() as u64 });
    }
    let fallback = Fallback { bytes: file.byte_fallback, unk, fuse: true };
    Ok(Model::Unigram(Unigram::new(vocab, scores, fallback)))
}
