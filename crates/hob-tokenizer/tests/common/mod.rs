//! Finding the shared fixtures and reading the tokenizer keys of GGUF files.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read fixtures and may panic, and not every suite uses every helper"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use hob_tokenizer::{Error, GgufVocab, Tokenizer};

/// `../shared/SUB`, or `None` with a loud note where it is absent.
pub fn shared(sub: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(sub);
    if !path.is_dir() {
        eprintln!("SKIPPED: {} is not here", path.display());
        return None;
    }
    Some(path)
}

pub fn read(path: impl AsRef<std::path::Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn json(path: impl AsRef<std::path::Path>) -> serde_json::Value {
    serde_json::from_slice(&read(path)).unwrap()
}

/// All files of a folder whose name ends so, sorted.
pub fn files(folder: &std::path::Path, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    found.sort();
    found
}

pub fn ids(value: &serde_json::Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

enum Value {
    Number(f64),
    Text(Vec<u8>),
    List(Vec<Value>),
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, tail) = self.0.split_at(N);
        self.0 = tail;
        head.try_into().unwrap()
    }
    fn count(&mut self) -> usize {
        u64::from_le_bytes(self.take()) as usize
    }
    fn text(&mut self) -> Vec<u8> {
        let len = self.count();
        let (head, tail) = self.0.split_at(len);
        self.0 = tail;
        head.to_vec()
    }
    fn kind(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    fn value(&mut self, kind: u32) -> Value {
        Value::Number(match kind {
            0 => self.take::<1>()[0].into(),
            1 => f64::from(self.take::<1>()[0] as i8),
            2 => u16::from_le_bytes(self.take()).into(),
            3 => i16::from_le_bytes(self.take()).into(),
            4 => u32::from_le_bytes(self.take()).into(),
            5 => i32::from_le_bytes(self.take()).into(),
            6 => f32::from_le_bytes(self.take()).into(),
            7 => self.take::<1>()[0].into(),
            8 => return Value::Text(self.text()),
            9 => {
                let kind = self.kind();
                return Value::List((0..self.count()).map(|_| self.value(kind)).collect());
            }
            10 => u64::from_le_bytes(self.take()) as f64,
            11 => i64::from_le_bytes(self.take()) as f64,
            12 => f64::from_le_bytes(self.take()),
            other => panic!("value type {other}"),
        })
    }
}

/// The metadata of a well-formed GGUF file.
pub struct Metadata(HashMap<String, Value>);

impl Metadata {
    pub fn read(bytes: &[u8]) -> Self {
        let mut reader = Reader(bytes.strip_prefix(b"GGUF").expect("a GGUF file"));
        reader.kind();
        reader.count();
        let pairs = (0..reader.count()).map(|_| {
            let key = String::from_utf8(reader.text()).unwrap();
            let kind = reader.kind();
            (key, reader.value(kind))
        });
        Self(pairs.collect())
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(&format!("tokenizer.ggml.{key}"))? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn texts(&self, key: &str) -> Option<Vec<&[u8]>> {
        let Value::List(list) = self.0.get(&format!("tokenizer.ggml.{key}"))? else { return None };
        list.iter().map(|value| if let Value::Text(text) = value { Some(&text[..]) } else { None }).collect()
    }

    fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let Value::List(list) = self.0.get(&format!("tokenizer.ggml.{key}"))? else { return None };
        list.iter()
            .map(|value| if let Value::Number(number) = value { Some(*number) } else { None })
            .collect()
    }

    pub fn vocab(&self) -> GgufVocab<'_> {
        let id = |key: &str| self.number(key).map(|id| id as u32);
        let flag = |key: &str| self.number(key).map(|flag| flag != 0.0);
        GgufVocab {
            name: self.text("general.name"),
            model: self.text("tokenizer.ggml.model").unwrap_or_default(),
            pre: self.text("tokenizer.ggml.pre"),
            tokens: self.texts("tokens").unwrap_or_default(),
            scores: self.numbers("scores").map(|v| v.into_iter().map(|s| s as f32).collect()),
            token_types: self.numbers("token_type").map(|v| v.into_iter().map(|t| t as i32).collect()),
            merges: self.texts("merges"),
            bos: id("bos_token_id"),
            eos: id("eos_token_id"),
            eot: id("eot_token_id"),
            eom: id("eom_token_id"),
            unk: id("unknown_token_id"),
            sep: id("seperator_token_id"),
            pad: id("padding_token_id"),
            cls: id("cls_token_id"),
            mask: id("mask_token_id"),
            add_bos: flag("add_bos_token"),
            add_eos: flag("add_eos_token"),
            add_space_prefix: flag("add_space_prefix"),
            remove_extra_whitespaces: flag("remove_extra_whitespaces"),
            lowercase: flag("normalizer.lowercase"),
        }
    }
}

pub fn gguf_tokenizer(path: impl AsRef<std::path::Path>) -> Result<Tokenizer, Error> {
    Tokenizer::from_gguf(Metadata::read(&read(path)).vocab())
}
