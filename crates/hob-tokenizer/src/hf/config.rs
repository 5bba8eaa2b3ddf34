//! The parts of `tokenizer_config.json` that matter here.

use serde_json::Value;

use super::file::AddedToken;
use crate::Error;
use crate::special::SpecialTokens;

/// Names of roles, and tokens that only this file lists.
#[derive(Debug, Default)]
pub(super) struct Config {
    names: [Option<String>; 7],
    /// Whether a text begins with BOS or ends with EOS, where the file decides it.
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    /// The tokenizer class lets `add_bos_token` and `add_eos_token` overrule the post-processor.
    pub flags_rule: bool,
    pub added: Vec<AddedToken>,
}

const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Config {
    pub(super) fn read(config: Option<&Value>) -> Result<Self, Error> {
        let Some(config) = config else { return Ok(Self::default()) };
        let name = |role: &str| match config.get(role) {
            Some(Value::String(name)) => Some(name.clone()),
            Some(Value::Object(token)) => token.get("content")?.as_str().map(str::to_owned),
            _ => None,
        };
        let class = config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            names: ROLES.map(name),
            add_bos: config.get("add_bos_token").and_then(Value::as_bool),
            add_eos: config.get("add_eos_token").and_then(Value::as_bool),
            flags_rule: class.starts_with("Llama")
                || class.starts_with("Gemma")
                || class.starts_with("CodeLlama"),
            added: added_tokens(config)?,
        })
    }

    /// The ids of the named tokens.
    pub(super) fn special(&self, id_of: impl Fn(&str) -> Option<u32>) -> SpecialTokens {
        let [bos, eos, unk, sep, pad, cls, mask] = [0, 1, 2, 3, 4, 5, 6].map(|role: usize| {
            let name = self.names[role].as_deref()?;
            id_of(name)
        });
        SpecialTokens { bos, eos, unk, sep, pad, cls, mask, ..SpecialTokens::default() }
    }
}

fn added_tokens(config: &Value) -> Result<Vec<AddedToken>, Error> {
    let Some(Value::Object(listed)) = config.get("added_tokens_decoder") else { return Ok(Vec::new()) };
    let wrong = |reason: String| Error::Json { what: "tokenizer_config.json, added_tokens_decoder", reason };
    let mut added = Vec::with_capacity(listed.len());
    for (id, token) in listed {
        let mut token: AddedToken =
            serde::Deserialize::deserialize(token).map_err(|e: serde_json::Error| wrong(e.to_string()))?;
        token.id = id.parse().map_err(|_| wrong(format!("expected a token id, found {id:?}")))?;
        added.push(token);
    }
    Ok(added)
}
