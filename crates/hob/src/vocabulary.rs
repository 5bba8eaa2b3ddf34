//! From a model's files to its tokenizer, template and recommended sampling.

use crate::Error;
use hob_engine::sampling::SamplerConfig;
use hob_format::{Gguf, HfModel, Metadata, ModelFiles, Value};
use hob_tokenizer::{GgufVocab, SpecialTokens, Tokenizer};
use serde_json::Value as Json;

/// Tokens a vocabulary may have; published ones stay under 300,000.
const TOKENS_MAX: usize = 1 << 22;

pub(crate) fn tokenizer(files: &ModelFiles) -> Result<Tokenizer, Error> {
    match files {
        ModelFiles::Gguf(gguf) => from_gguf(gguf),
        ModelFiles::Hf(model) => from_directory(model),
    }
}

fn from_directory(model: &HfModel) -> Result<Tokenizer, Error> {
    let config = model.tokenizer_config.as_ref();
    if let Some(json) = &model.tokenizer_json {
        return Ok(Tokenizer::from_hf(json, config)?);
    }
    match &model.tokenizer_model {
        Some(sentencepiece) => Ok(Tokenizer::from_sentencepiece(sentencepiece, config)?),
        None => Err(Error::NoTokenizer { expected: "tokenizer.json or tokenizer.model in the directory" }),
    }
}

fn from_gguf(gguf: &Gguf) -> Result<Tokenizer, Error> {
    let m = &gguf.metadata;
    let Some(model) = m.str("tokenizer.ggml.model")? else {
        return Err(Error::NoTokenizer { expected: "tokenizer.ggml.model in the file's metadata" });
    };
    let strings =
        |key: &str| -> Result<Option<Vec<&[u8]>>, Error> { Ok(m.strings(key)?.map(Iterator::collect)) };
    let id = |role: &str| -> Result<Option<u32>, Error> {
        let id = m.usize(&format!("tokenizer.ggml.{role}_token_id"))?;
        // An id that does not fit cannot be in the vocabulary either; the tokenizer says so.
        Ok(id.map(|id| u32::try_from(id).unwrap_or(u32::MAX)))
    };
    let flag = |name: &str| m.bool(&format!("tokenizer.ggml.{name}"));
    Ok(Tokenizer::from_gguf(GgufVocab {
        name: m.str("general.name")?,
        model,
        pre: m.str("tokenizer.ggml.pre")?,
        tokens: strings("tokenizer.ggml.tokens")?.unwrap_or_default(),
        scores: m.f32s("tokenizer.ggml.scores", TOKENS_MAX)?,
        token_types: token_types(m)?,
        merges: strings("tokenizer.ggml.merges")?,
        bos: id("bos")?,
        eos: id("eos")?,
        eot: id("eot")?,
        eom: id("eom")?,
        unk: id("unknown")?,
        sep: id("seperator")?,
        pad: id("padding")?,
        cls: id("cls")?,
        mask: id("mask")?,
        add_bos: flag("add_bos_token")?,
        add_eos: flag("add_eos_token")?,
        add_space_prefix: flag("add_space_prefix")?,
        remove_extra_whitespaces: flag("remove_extra_whitespaces")?,
        lowercase: flag("normalizer.lowercase")?,
    })?)
}

fn token_types(m: &Metadata) -> Result<Option<Vec<i32>>, Error> {
    let types = m.usizes("tokenizer.ggml.token_type", TOKENS_MAX)?;
    Ok(types.map(|list| list.into_iter().map(|t| i32::try_from(t).unwrap_or(i32::MAX)).collect()))
}

/// The vocabulary of a directory as the keys of a GGUF file for a model called `name`, whose embedding has `rows`.
pub(crate) fn gguf_keys(
    model: &HfModel,
    name: &str,
    rows: usize,
    by_merges: bool,
) -> Result<Metadata, Error> {
    let mut m = Metadata::new("converted");
    m.set("general.name", name);
    let tokenizer = to_convert(model, by_merges)?;
    let keys = tokenizer.to_gguf(name, rows, by_merges)?;
    let mut set = |key: &str, value: Value| m.set(&format!("tokenizer.ggml.{key}"), value);
    set("model", keys.model.into());
    set("pre", keys.pre.into());
    set("tokens", Value::Array(keys.tokens.iter().collect()));
    set("token_type", Value::Array(keys.token_types.as_slice().into()));
    let scores = keys.scores.as_deref().map(|scores| Value::Array(scores.into()));
    let merges = keys.merges.as_ref().map(|merges| Value::Array(merges.iter().collect()));
    let (space, spaces) = (keys.add_space_prefix, keys.remove_extra_whitespaces);
    let s = with_listed_roles(keys.special, &tokenizer, model);
    let ids = [
        ("bos", s.bos),
        ("eos", s.eos),
        ("eot", s.eot),
        ("eom", s.eom),
        ("unknown", s.unk),
        ("seperator", s.sep),
        ("padding", s.pad),
        ("cls", s.cls),
        ("mask", s.mask),
    ];
    let optional = [
        ("scores", scores),
        ("merges", merges),
        ("add_bos_token", Some(keys.add_bos.into())),
        ("add_eos_token", Some(keys.add_eos.into())),
        ("add_space_prefix", space.map(Value::from)),
        ("remove_extra_whitespaces", spaces.map(Value::from)),
    ];
    optional.into_iter().for_each(|(key, value)| value.into_iter().for_each(|value| set(key, value)));
    for (role, id) in ids {
        id.into_iter().for_each(|id| set(&format!("{role}_token_id"), id.into()));
    }
    if let Some(template) = &model.chat_template {
        m.set("tokenizer.chat_template", template.as_str());
    }
    for (hf, gguf) in SAMPLING {
        let number = model.generation_config.as_ref().and_then(|config| config.get(hf)?.as_f64());
        let key = format!("general.sampling.{gguf}");
        match number {
            Some(k) if gguf == "top_k" && k >= 0.0 => m.set(&key, k as i32),
            Some(number) if gguf != "top_k" => m.set(&key, number as f32),
            _ => {}
        }
    }
    Ok(m)
}

/// Roles that only the configuration gives to tokens, by their ids.
fn with_listed_roles(mut special: SpecialTokens, tokenizer: &Tokenizer, model: &HfModel) -> SpecialTokens {
    let inside = |id: &u32| (*id as usize) < tokenizer.vocab_size();
    let listed = |field: &str| model.config.get(field).and_then(id_of).filter(inside);
    special.bos = special.bos.or_else(|| listed("bos_token_id"));
    special.pad = special.pad.or_else(|| listed("pad_token_id"));
    let known = tokenizer.eog_ids_with(&[]);
    for id in listed_ends(model).into_iter().filter(|id| inside(id) && !known.contains(id)) {
        let free =
            [&mut special.eos, &mut special.eot, &mut special.eom].into_iter().find(|role| role.is_none());
        free.into_iter().for_each(|role| *role = Some(id));
    }
    special
}

/// SentencePiece's own file has the scores that GGUF files hold; `tokenizer.json` has merges in their place.
fn to_convert(model: &HfModel, by_merges: bool) -> Result<Tokenizer, Error> {
    let tokenizer = from_directory(model)?;
    match &model.tokenizer_model {
        Some(sentencepiece) if !by_merges && !tokenizer.is_byte_level() => {
            Ok(Tokenizer::from_sentencepiece(sentencepiece, model.tokenizer_config.as_ref())?)
        }
        _ => Ok(tokenizer),
    }
}

/// The chat template the files carry.
pub(crate) fn template(files: &ModelFiles) -> Result<Option<String>, Error> {
    Ok(match files {
        ModelFiles::Gguf(gguf) => gguf.metadata.str("tokenizer.chat_template")?.map(str::to_string),
        ModelFiles::Hf(model) => model.chat_template.clone(),
    })
}

/// End-of-generation ids that `generation_config.json` or `config.json` list beside the tokenizer's own.
pub(crate) fn listed_end_ids(files: &ModelFiles) -> Vec<u32> {
    match files {
        ModelFiles::Gguf(_) => Vec::new(),
        ModelFiles::Hf(model) => listed_ends(model),
    }
}

fn listed_ends(model: &HfModel) -> Vec<u32> {
    let configs = [model.generation_config.as_ref(), Some(&model.config), model.config.get("text_config")];
    let listed = configs.into_iter().flatten().find_map(|c| c.get("eos_token_id").filter(|v| !v.is_null()));
    match listed {
        Some(Json::Array(ids)) => ids.iter().filter_map(id_of).collect(),
        Some(single) => id_of(single).into_iter().collect(),
        None => Vec::new(),
    }
}

fn id_of(value: &Json) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// Names of recommendations: in `generation_config.json`, and behind `general.sampling.` in GGUF files.
const SAMPLING: [(&str, &str); 5] = [
    ("temperature", "temp"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("repetition_penalty", "penalty_repeat"),
];

/// The publisher's recommendation (`generation_config.json`, `general.sampling.*`), else temperature 0.7 with top-p 0.95.
pub(crate) fn recommended_sampling(files: &ModelFiles) -> SamplerConfig {
    let mut config = SamplerConfig::default();
    let number = |name: &str| -> Option<f64> {
        match files {
            ModelFiles::Gguf(file) => sampling_number(file, name),
            ModelFiles::Hf(model) => model.generation_config.as_ref()?.get(name)?.as_f64(),
        }
    };
    config.temperature = number("temperature").unwrap_or(0.7) as f32;
    if let Some(k) = number("top_k").filter(|k| *k >= 0.0) {
        config.top_k = k as u32;
    }
    config.top_p = number("top_p").unwrap_or(0.95) as f32;
    if let Some(p) = number("min_p") {
        config.min_p = p as f32;
    }
    if let Some(penalty) = number("repetition_penalty") {
        config.repeat_penalty = penalty as f32;
    }
    config
}

/// A GGUF file's recommendation that `generation_config.json` calls `name`.
fn sampling_number(file: &Gguf, name: &str) -> Option<f64> {
    let (_, gguf) = SAMPLING.into_iter().find(|(hf, _)| *hf == name)?;
    let key = format!("general.sampling.{gguf}");
    let whole = || file.metadata.usize(&key).ok().flatten().map(|n| n as f64);
    file.metadata.f32(&key).ok().flatten().map(f64::from).or_else(whole)
}

/// The recommendations of a GGUF file as `generation_config.json`.
pub(crate) fn generation_config(file: &Gguf) -> Json {
    let mut config = Json::Object(serde_json::Map::new());
    for (name, _) in SAMPLING {
        let Some(number) = sampling_number(file, name) else { continue };
        config[name] = match name {
            "top_k" => (number as u64).into(),
            _ => hob_model::json_number(number as f32),
        };
        config["do_sample"] = true.into();
    }
    config
}
