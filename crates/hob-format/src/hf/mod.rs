//! Hugging Face model directories: configuration, weights and tokenizer files, found and checked but not interpreted.

mod sentence;
mod template;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hob_base::SharedBytes;
use serde_json::Value;

use crate::mapping::Mapping;
use crate::safetensors::{check_unused, open_sharded};
use crate::{Error, SafeTensors, TensorTable, json};

pub use sentence::SentenceModule;
pub use write::HfWriter;

/// Largest tokenizer file; those of 262,144 tokens have 34 MB.
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;

/// An opened Hugging Face directory.
#[derive(Clone, Debug)]
pub struct HfModel {
    /// The directory.
    pub dir: PathBuf,
    /// `config.json`, as written.
    pub config: Value,
    /// The tensors of `model.safetensors`, or of all shards.
    pub tensors: TensorTable,
    /// `tokenizer.json`, unparsed.
    pub tokenizer_json: Option<SharedBytes>,
    /// `tokenizer.model` (a SentencePiece model), unparsed.
    pub tokenizer_model: Option<SharedBytes>,
    /// `tokenizer_config.json`.
    pub tokenizer_config: Option<Value>,
    /// `generation_config.json`.
    pub generation_config: Option<Value>,
    /// `special_tokens_map.json`.
    pub special_tokens_map: Option<Value>,
    /// The chat template: `chat_template.jinja`, else `chat_template.json`, else the tokenizer configuration's.
    pub chat_template: Option<String>,
    /// Templates the tokenizer configuration gives by name (`tool_use`, `rag`), beside the default.
    pub named_chat_templates: BTreeMap<String, String>,
    /// What an embedding model does after the transformer, from `modules.json`; empty for other models.
    pub sentence_modules: Vec<SentenceModule>,
}

impl HfModel {
    /// A model of these settings and tensors that lies in no directory and has no tokenizer.
    pub fn from_parts(config: Value, tensors: TensorTable) -> Self {
        Self {
            dir: PathBuf::new(),
            config,
            tensors,
            tokenizer_json: None,
            tokenizer_model: None,
            tokenizer_config: None,
            generation_config: None,
            special_tokens_map: None,
            chat_template: None,
            named_chat_templates: BTreeMap::new(),
            sentence_modules: Vec::new(),
        }
    }

    /// Opens the directory `dir`. Weights and tokenizer files are mapped, not read; the JSON files are parsed.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without `config.json` or safetensors, else whatever is wrong with a file; see [`Error`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let config =
            |name: &str| json::read_optional::<Value>(&dir.join(name), json::CONFIG_BYTES_MAX, "JSON");
        let missing = || Error::Missing {
            dir: dir.to_owned(),
            wanted: "config.json".to_owned(),
            hint: "download the model's whole directory, or give the path of a GGUF file",
        };
        let model_config = config("config.json")?.ok_or_else(missing)?;
        if !model_config.is_object() {
            let file = dir.join("config.json").display().to_string();
            return Err(Error::malformed(&file, "configuration", "a JSON object", "another JSON value"));
        }
        let tokenizer_config = config("tokenizer_config.json")?;
        let templates = template::find(dir, tokenizer_config.as_ref())?;
        Ok(Self {
            config: model_config,
            tensors: open_weights(dir)?,
            tokenizer_json: map_optional(&dir.join("tokenizer.json"))?,
            tokenizer_model: map_optional(&dir.join("tokenizer.model"))?,
            tokenizer_config,
            generation_config: config("generation_config.json")?,
            special_tokens_map: config("special_tokens_map.json")?,
            chat_template: templates.default,
            named_chat_templates: templates.named,
            sentence_modules: sentence::open_modules(dir)?,
            dir: dir.to_owned(),
        })
    }
}

/// `model.safetensors`, else the shards of the index, as transformers looks for them.
fn open_weights(dir: &Path) -> Result<TensorTable, Error> {
    let single = dir.join("model.safetensors");
    let index = dir.join("model.safetensors.index.json");
    if single.is_file() {
        check_unused(&index)?;
        return Ok(SafeTensors::open(&single)?.tensors);
    }
    if index.is_file() {
        return open_sharded(&index);
    }
    let pickled =
        ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().any(|name| dir.join(name).is_file());
    let hint = if pickled {
        "pytorch_model.bin can run code when loaded and is never read here: save the model with safe_serialization"
    } else {
        "download the model's weights"
    };
    let wanted = "model.safetensors or model.safetensors.index.json".to_owned();
    Err(Error::Missing { dir: dir.to_owned(), wanted, hint })
}

fn map_optional(path: &Path) -> Result<Option<SharedBytes>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = Mapping::open(path)?.bytes();
    let found = bytes.len() as u64;
    if found > TOKENIZER_BYTES_MAX {
        let file = path.display().to_string();
        return Err(Error::Limit { file, what: "bytes of tokenizer", found, limit: TOKENIZER_BYTES_MAX });
    }
    Ok(Some(bytes))
}
