//! What a model's own metadata says of it. Weights are not read.

use crate::{Details, disk};
use hob_format::{HfModel, Metadata, ModelFiles, TensorTable};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Longest `config.json` read.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// Reads the details of the model that opens at `path`.
///
/// # Errors
/// What the reader of its format finds wrong.
pub(crate) fn read(path: &Path) -> Result<Details, hob_format::Error> {
    let files = hob_format::open(path)?;
    let mut details = match &files {
        ModelFiles::Gguf(gguf) => of_gguf(&gguf.metadata),
        ModelFiles::Hf(model) => of_config(path, model),
    };
    let tensors = files.tensors();
    details.parameters = Some(tensors.iter().map(|t| t.elements() as u64).sum());
    if details.quantization.is_none() {
        details.quantization = main_type(tensors);
    }
    Ok(details)
}

fn of_gguf(metadata: &Metadata) -> Details {
    let text = |key: &str| metadata.str(key).ok().flatten().map(str::to_owned);
    let architecture = text("general.architecture");
    let number = |key: &str| {
        let key = format!("{}.{key}", architecture.as_deref()?);
        metadata.usize(&key).ok().flatten().map(|n| n as u64)
    };
    Details {
        format: Some("gguf".into()),
        context: number("context_length"),
        embedding: number("embedding_length"),
        quantization: metadata
            .usize("general.file_type")
            .ok()
            .flatten()
            .and_then(file_type)
            .map(str::to_owned),
        license: text("general.license"),
        parameters: None,
        architecture,
    }
}

/// What `general.file_type` calls the mix of types.
fn file_type(number: usize) -> Option<&'static str> {
    Some(match number {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        25 => "IQ4_NL",
        30 => "IQ4_XS",
        32 => "BF16",
        36 => "TQ1_0",
        37 => "TQ2_0",
        38 => "MXFP4_MOE",
        _ => return None,
    })
}

fn of_config(path: &Path, _model: &HfModel) -> Details {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let config = disk::read_small(&folder.join("config.json"), CONFIG_BYTES_MAX)
        .ok()
        .flatten()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .unwrap_or_default();
    // Models with several senses keep the language model's settings apart.
    let number = |key: &str| config[key].as_u64().or_else(|| config["text_config"][key].as_u64());
    Details {
        format: Some("safetensors".into()),
        architecture: config["model_type"].as_str().map(str::to_owned),
        context: number("max_position_embeddings"),
        embedding: number("hidden_size"),
        ..Details::default()
    }
}

/// The type that most bytes have.
fn main_type(tensors: &TensorTable) -> Option<String> {
    let mut bytes = BTreeMap::<String, u64>::new();
    for tensor in tensors.iter() {
        *bytes.entry(tensor.dtype.to_string()).or_default() += tensor.bytes.len() as u64;
    }
    bytes.into_iter().max_by_key(|(_, n)| *n).map(|(name, _)| name)
}
