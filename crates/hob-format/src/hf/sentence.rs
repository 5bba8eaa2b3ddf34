//! Sentence-transformers directories: the modules an embedding model applies after the transformer.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::shown;
use crate::{Error, SafeTensors, TensorTable, json};

/// Most modules; models in use have two to five.
const MODULES_MAX: usize = 16;

/// One entry of `modules.json`, such as `1_Pooling` or `2_Dense`.
#[derive(Clone, Debug)]
pub struct SentenceModule {
    /// Last part of the type's name: `Transformer`, `Pooling`, `Dense`, `Normalize`.
    pub kind: String,
    /// The module's directory within the model's; empty for the transformer itself.
    pub path: String,
    /// The directory's `config.json`; `None` for the transformer and for modules without one.
    pub config: Option<Value>,
    /// The directory's `model.safetensors`; `None` for the transformer and for modules without weights.
    pub tensors: Option<TensorTable>,
}

#[derive(Deserialize)]
struct RawModule {
    path: String,
    r#type: String,
}

/// The modules listed by `modules.json` in `dir`; none without that file.
pub(super) fn open_modules(dir: &Path) -> Result<Vec<SentenceModule>, Error> {
    let list = dir.join("modules.json");
    let expected = "a list of {\"path\", \"type\"}";
    let raw: Vec<RawModule> =
        json::read_optional(&list, json::CONFIG_BYTES_MAX, expected)?.unwrap_or_default();
    let file = list.display().to_string();
    if raw.len() > MODULES_MAX {
        let (found, limit) = (raw.len() as u64, MODULES_MAX as u64);
        return Err(Error::Limit { file, what: "modules", found, limit });
    }
    raw.into_iter().map(|module| open_module(dir, &file, module)).collect()
}

fn open_module(dir: &Path, file: &str, raw: RawModule) -> Result<SentenceModule, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !raw.path.chars().all(plain) {
        let expected = "a plain directory name of letters, digits, _ and -";
        return Err(Error::malformed(file, "path", expected, format!("\"{}\"", shown(&raw.path))));
    }
    let kind = raw.r#type.rsplit('.').next().unwrap_or_default().to_owned();
    let mut module = SentenceModule { kind, path: raw.path, config: None, tensors: None };
    // The transformer's own directory holds the model's configuration and weights, which are opened already.
    if !module.path.is_empty() && module.kind != "Transformer" {
        let dir = dir.join(&module.path);
        module.config = json::read_optional(&dir.join("config.json"), json::CONFIG_BYTES_MAX, "JSON")?;
        let weights = dir.join("model.safetensors");
        if weights.is_file() {
            module.tensors = Some(SafeTensors::open(&weights)?.tensors);
        }
    }
    Ok(module)
}
