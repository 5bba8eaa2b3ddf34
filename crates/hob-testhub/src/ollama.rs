//! Models of a registry like Ollama's.

use crate::repo::quote;

/// A layer of a model.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The last word of its media type: `model`, `template`, `params`, `license`, `system`, ...
    pub kind: &'static str,
    /// Hexadecimal SHA-256.
    pub sha256: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The manifest of a model with these layers.
pub(crate) fn manifest(layers: &[Layer]) -> String {
    let entry = |l: &Layer| {
        format!(
            r#"{{"mediaType":{},"digest":"sha256:{}","size":{}}}"#,
            quote(&format!("application/vnd.ollama.image.{}", l.kind)),
            l.sha256,
            l.bytes.len()
        )
    };
    let layers: Vec<String> = layers.iter().map(entry).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:{}","size":2}},"layers":[{}]}}"#,
        "0".repeat(64),
        layers.join(",")
    )
}
