//! Ollama's models on disk: `manifests/HOST/NAMESPACE/MODEL/TAG` name layers, `blobs/sha256-HEX` hold them.

use super::{Candidate, CandidateFile};
use crate::hub::ollama::{Manifest, note};
use crate::{Digest, Error, FilePath, ModelName, Settings, disk};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest manifest read.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Longest template, system prompt or licence read.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Host, namespace, model, tag.
const DEPTH: usize = 4;
const ENTRIES_MAX: usize = 10_000;

/// Whether Ollama keeps models in `folder`.
pub(crate) fn is_store(folder: &Path) -> bool {
    folder.join("manifests").is_dir() && folder.join("blobs").is_dir()
}

/// The models that Ollama keeps in `folder`. Those that are not whole, or not in GGUF, are left out.
pub(crate) fn models(folder: &Path) -> Result<Vec<Candidate>, Error> {
    let mut manifests = Vec::new();
    walk(&folder.join("manifests"), &mut Vec::new(), &mut manifests);
    manifests.sort();
    Ok(manifests.iter().filter_map(|(parts, path)| model(folder, parts, path)).collect())
}

fn walk(folder: &Path, parts: &mut Vec<String>, found: &mut Vec<(Vec<String>, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.take(ENTRIES_MAX).flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        parts.push(name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && parts.len() < DEPTH => walk(&entry.path(), parts, found),
            Ok(kind) if kind.is_file() && parts.len() == DEPTH => found.push((parts.clone(), entry.path())),
            _ => {}
        }
        parts.pop();
    }
}

fn model(folder: &Path, parts: &[String], path: &Path) -> Option<Candidate> {
    let [host, namespace, model, tag] = parts else { return None };
    let bytes = disk::read_small(path, MANIFEST_BYTES_MAX).ok()??;
    let manifest: Manifest = serde_json::from_slice(&bytes).ok()?;
    let blob = |digest: &Digest| folder.join("blobs").join(format!("sha256-{digest}"));
    let layers: Vec<_> = manifest.layers.iter().filter(|l| l.kind() == "model").collect();
    let [layer] = layers.as_slice() else { return None };
    let digest = Digest::parse(&layer.digest).ok()?;
    let file = FilePath::parse(&format!("{model}-{tag}.gguf")).ok()?;
    let file = CandidateFile { sha256: Some(digest), ..CandidateFile::new(&blob(&digest), file)? };
    if file.bytes != layer.size {
        return None;
    }
    let mut settings = Settings::default();
    for layer in manifest.layers.iter().filter(|l| l.kind() != "model") {
        let text = Digest::parse(&layer.digest)
            .ok()
            .and_then(|d| disk::read_small(&blob(&d), TEXT_BYTES_MAX).ok()?);
        if let Some(text) = text.and_then(|bytes| String::from_utf8(bytes).ok()) {
            note(&mut settings, layer.kind(), text);
        }
    }
    // As `hob pull` would call it.
    let name = match (host.as_str(), namespace.as_str()) {
        ("registry.ollama.ai", "library") => format!("ollama/{model}:{tag}"),
        ("registry.ollama.ai", namespace) => format!("ollama/{namespace}/{model}:{tag}"),
        (host, namespace) => format!("{host}/{namespace}/{model}:{tag}"),
    };
    let name = ModelName::parse(&name).ok()?;
    Some(Candidate { name, program: Some("Ollama"), place: path.to_path_buf(), files: vec![file], settings })
}
