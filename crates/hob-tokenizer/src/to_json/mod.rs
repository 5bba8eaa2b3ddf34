//! A tokenizer as `tokenizer.json` and `tokenizer_config.json`, checked by reading them back.
//!
//! Source of the components: the file format of the tokenizers library.

mod model;
mod parts;

use crate::added::Rules;
use crate::vocab::Kind;
use crate::{Error, Tokenizer};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The files in which a Hugging Face directory keeps its tokenizer.
#[derive(Clone, Debug)]
pub struct TokenizerFiles {
    /// `tokenizer.json`
    pub tokenizer: String,
    /// `tokenizer_config.json`, without a chat template.
    pub config: Value,
    /// `special_tokens_map.json`
    pub special_tokens_map: Value,
}

impl Tokenizer {
    /// This tokenizer as a Hugging Face directory holds it: BPE on bytes or on characters, by merges or by scores.
    ///
    /// All tokens stand in the model's vocabulary, the added ones too, so that each keeps its id whatever reads the file.
    ///
    /// # Errors
    /// [`Error::NotInJson`] for a tokenizer that would read some text differently from such files.
    pub fn to_json(&self) -> Result<TokenizerFiles, Error> {
        let spelled = self.spelled()?;
        let special_tokens_map = self.roles(&spelled);
        let file = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added_entries(&spelled),
            "normalizer": parts::normalizer(&self.normalizer)?,
            "pre_tokenizer": parts::pre_tokenizer(&self.splits, self.byte_level)?,
            "post_processor": self.post_processor(&spelled),
            "decoder": parts::decoder(&self.decode, self.byte_level)?,
            "model": self.model_entry(&spelled)?,
        });
        let mut config = Map::new();
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        config.extend(special_tokens_map.clone());
        let files = TokenizerFiles {
            tokenizer: file.to_string(),
            config: config.into(),
            special_tokens_map: special_tokens_map.into(),
        };
        self.check_same(&files)?;
        Ok(files)
    }

    fn check_same(&self, files: &TokenizerFiles) -> Result<(), Error> {
        let read = Tokenizer::from_hf(files.tokenizer.as_bytes(), Some(&files.config))?;
        let id = (0..self.vocab.len() as u32).find(|&id| {
            let ours = self.token_bytes(id).filter(|bytes| !bytes.is_empty());
            ours != read.token_bytes(id).filter(|bytes| !bytes.is_empty())
                || self.is_special(id) != read.is_special(id)
        });
        if let Some(id) = id {
            return Err(refused(format!("token {id} would become another one")));
        }
        // The ends of a turn and of a message have no names there; generation settings list them.
        let named = |of: &Tokenizer| {
            let s = of.special;
            [s.bos, s.eos, s.unk, s.sep, s.pad, s.cls, s.mask]
        };
        if named(self) != named(&read) {
            return Err(refused("a token that begins, ends or pads texts has no name there"));
        }
        match self.difference(&read) {
            Some(what) => Err(refused(what)),
            None => Ok(()),
        }
    }

    /// Names of the tokens with a role.
    fn roles(&self, spelled: &[Option<String>]) -> Map<String, Value> {
        let s = &self.special;
        let roles = [
            ("bos_token", s.bos),
            ("eos_token", s.eos),
            ("unk_token", s.unk),
            ("sep_token", s.sep),
            ("pad_token", s.pad),
            ("cls_token", s.cls),
            ("mask_token", s.mask),
        ];
        let name = |id: u32| spelled.get(id as usize)?.as_deref();
        let named = |(role, id): (&str, Option<u32>)| Some((role.to_owned(), name(id?)?.into()));
        roles.into_iter().filter_map(named).collect()
    }

    fn added_entries(&self, spelled: &[Option<String>]) -> Value {
        let is_added =
            |id: u32| matches!(self.vocab.kind(id), Kind::Control | Kind::Unknown | Kind::UserDefined);
        let normalized: HashSet<u32> = self.added_normalized.rules().map(|(id, _)| id).collect();
        let rules: HashMap<u32, Rules> = self.added.rules().chain(self.added_normalized.rules()).collect();
        let entry = |(id, content): (u32, &String)| {
            let rules = rules.get(&id).copied().unwrap_or_default();
            json!({
                "id": id,
                "content": content,
                "single_word": rules.single_word,
                "lstrip": rules.lstrip,
                "rstrip": rules.rstrip,
                "normalized": normalized.contains(&id),
                "special": self.is_special(id),
            })
        };
        let ids = (0u32..).zip(spelled).filter_map(|(id, text)| Some((id, text.as_ref()?)));
        ids.filter(|(id, _)| is_added(*id)).map(entry).collect()
    }

    /// What stands around a text, and around each of two.
    fn post_processor(&self, spelled: &[Option<String>]) -> Value {
        if self.prefix.is_empty() && self.suffix.is_empty() {
            let offsets = json!({
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true,
            });
            return if self.byte_level { offsets } else { Value::Null };
        }
        let name = |id: u32| spelled.get(id as usize).and_then(Option::as_deref).unwrap_or_default();
        let token = |id: u32, of: u8| json!({"SpecialToken": {"id": name(id), "type_id": of}});
        let around = |sequence: &str, of: u8| -> Vec<Value> {
            let before = self.prefix.iter().map(|&id| token(id, of));
            let text = json!({"Sequence": {"id": sequence, "type_id": of}});
            before.chain([text]).chain(self.suffix.iter().map(|&id| token(id, of))).collect()
        };
        let listed = self
            .prefix
            .iter()
            .chain(&self.suffix)
            .map(|&id| (name(id).to_owned(), json!({"id": name(id), "ids": [id], "tokens": [name(id)]})));
        let pair = [around("A", 0), around("B", 1)].concat();
        json!({
            "type": "TemplateProcessing",
            "single": around("A", 0),
            "pair": pair,
            "special_tokens": listed.collect::<Map<_, _>>(),
        })
    }
}

fn refused(what: impl Into<String>) -> Error {
    Error::NotInJson { what: what.into() }
}
