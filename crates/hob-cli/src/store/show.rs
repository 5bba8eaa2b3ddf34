//! Models of the store in words and in JSON.

use hob_base::Count;
use hob_store::{Model, Source};
use serde_json::{Value, json};

/// Everything about a model, for programs.
pub fn json(model: &Model) -> Value {
    let details = &model.manifest.details;
    json!({
        "name": model.name.to_string(),
        "path": model.path,
        "bytes": model.bytes,
        "sha256": model.digest.map(|d| d.to_string()),
        "format": details.format,
        "architecture": details.architecture,
        "quantization": details.quantization,
        "parameters": details.parameters,
        "context": details.context,
        "license": details.license,
        "source": model.manifest.source,
        "is_reference": model.is_outside(),
        "added_at": model.manifest.added_at,
        "settings": model.manifest.settings,
        "files": model.manifest.files.iter().map(|f| json!({
            "path": f.path, "bytes": f.bytes, "sha256": f.sha256.map(|d| d.to_string()), "verified": f.is_verified,
        })).collect::<Vec<_>>(),
    })
}

/// Where it came from, in a few words.
pub fn source(model: &Model) -> String {
    match &model.manifest.source {
        Source::HuggingFace { repo, .. } => repo.clone(),
        Source::Ollama { model } => format!("ollama {model}"),
        Source::Adopted { program: Some(program), .. } => program.clone(),
        Source::Adopted { path, .. } => path.display().to_string(),
        Source::Found => "this folder".into(),
    }
}

/// A number of parameters, if it is known.
pub fn parameters(model: &Model) -> String {
    model.manifest.details.parameters.map_or_else(|| "?".into(), |n| Count(n).to_string())
}
