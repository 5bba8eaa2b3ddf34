//! `tokenizer.json` as it stands, read without building a tree: vocabularies have hundreds of thousands of entries.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::Value;

use crate::Error;
use crate::added::Rules;

/// The whole file.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub normalizer: Value,
    #[serde(default)]
    pub pre_tokenizer: Value,
    pub model: Model,
    #[serde(default)]
    pub post_processor: Value,
    #[serde(default)]
    pub decoder: Value,
}

/// One entry of `added_tokens`, and of `added_tokens_decoder` in the configuration.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AddedToken {
    #[serde(default)]
    pub id: u64,
    pub content: String,
    #[serde(default)]
    pub single_word: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    #[serde(default)]
    pub normalized: bool,
    #[serde(default)]
    pub special: bool,
}

impl AddedToken {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            lstrip: self.lstrip,
            rstrip: self.rstrip,
            single_word: self.single_word,
            special: self.special,
        }
    }
}

/// The model, with the fields of all kinds.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub vocab: Entries,
    pub merges: Option<Merges>,
    pub unk_token: Option<String>,
    pub unk_id: Option<u64>,
    #[serde(default)]
    pub byte_fallback: bool,
    #[serde(default)]
    pub fuse_unk: bool,
    #[serde(default)]
    pub ignore_merges: bool,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub max_input_chars_per_word: Option<usize>,
}

pub(super) fn parse(json: &[u8]) -> Result<File, Error> {
    serde_json::from_slice(json).map_err(|e| Error::Json { what: "tokenizer.json", reason: e.to_string() })
}

/// Strings in one block.
#[derive(Debug, Default)]
pub(super) struct Strings {
    bytes: String,
    ends: Vec<usize>,
}

impl Strings {
    fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// The vocabulary: `{text: id}` or, for Unigram, `[[text, score]]` in order of ids.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub texts: Strings,
    pub ids: Vec<u64>,
    /// Empty where the file gives ids.
    pub scores: Vec<f32>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from token to id or a list of tokens with scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(Text(text)) = map.next_key()? {
                    entries.texts.push(&text);
                    entries.ids.push(map.next_value()?);
                }
                Ok(entries)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some((Text(text), score)) = seq.next_element()? {
                    entries.ids.push(entries.texts.len() as u64);
                    entries.texts.push(&text);
                    entries.scores.push(score);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_any(EntriesVisitor)
    }
}

/// A string that borrows from the input where it has no escapes.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// The merges, left and right alternating; the file has `"left right"` or `["left", "right"]`.
#[derive(Debug, Default)]
pub(super) struct Merges(pub Strings);

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergesVisitor;
        impl<'de> Visitor<'de> for MergesVisitor {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merges, A::Error> {
                let mut merges = Strings::default();
                while seq.next_element_seed(OneMerge(&mut merges))?.is_some() {}
                Ok(Merges(merges))
            }
        }
        deserializer.deserialize_seq(MergesVisitor)
    }
}

/// Reads one merge into the list.
struct OneMerge<'a>(&'a mut Strings);

impl<'de> DeserializeSeed<'de> for OneMerge<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneMerge<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a merge of two tokens")
    }

    fn visit_str<E: serde::de::Error>(self, both: &str) -> Result<(), E> {
        let pair = both.split_once(' ').filter(|(_, right)| !right.contains(' '));
        let (left, right) = pair.ok_or_else(|| E::invalid_value(Unexpected::Str(both), &self))?;
        self.0.push(left);
        self.0.push(right);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for part in 0..2 {
            let Text(text) = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(part, &self))?;
            self.0.push(&text);
        }
        match seq.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::invalid_length(3, &self)),
            None => Ok(()),
        }
    }
}
