//! The repository as data: texts, `layers.toml` and cargo's view of the workspace.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{
    mask::{Masked, mask},
    metadata::Metadata,
};
use crate::shell::{cargo, output};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 8] =
    [".git", "target", "node_modules", "dist", "corpus", "artifacts", "coverage", "fixtures"];

/// File endings that are read.
const TEXTS: [&str; 7] = ["rs", "toml", "md", "sh", "py", "ts", "svelte"];

/// A text file of the repository.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the root, with `/`.
    pub path: String,
    /// Its bytes as text.
    pub text: String,
    /// For Rust files, the text with comments and literals told apart.
    pub masked: Option<Masked>,
}

impl SourceFile {
    /// Wraps a text; Rust is recognised by the ending.
    pub fn new(path: &str, text: &str) -> Self {
        let masked = path.ends_with(".rs").then(|| mask(text));
        Self { path: path.to_owned(), text: text.to_owned(), masked }
    }
}

/// `layers.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Layer name (`L0`, `L1`, ..., `dev`) to the crates in it.
    pub layers: BTreeMap<String, Vec<String>>,
    /// Edges between crates of one layer that were decided on.
    #[serde(default)]
    pub sideways: Vec<Sideways>,
    /// Files that may contain `unsafe`.
    #[serde(default)]
    pub islands: Vec<Island>,
}

/// A permitted edge inside a layer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sideways {
    /// The depending crate.
    pub from: String,
    /// The crate it may use.
    pub to: String,
    /// The decision's reason, or the ADR that holds it.
    pub why: String,
}

/// A file that may contain `unsafe`; `*` as last path segment stands for the files of one folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Island {
    /// Relative to the root.
    pub path: String,
    /// What the unsafe code is for.
    pub why: String,
}

/// Everything the rules look at.
#[derive(Debug, Default)]
pub struct Repo {
    /// All texts, sorted by path.
    pub files: Vec<SourceFile>,
    /// The declared architecture.
    pub layers: Layers,
    /// Cargo's view.
    pub metadata: Metadata,
}

impl Repo {
    /// Reads the repository at `root`.
    pub fn load(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let path = root.join("layers.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let layers = toml::from_str(&text).context("layers.toml does not have the expected form")?;
        let json = output(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata =
            serde_json::from_str(&json).context("`cargo metadata` printed something unexpected")?;
        Ok(Self { files, layers, metadata })
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The Rust files with their masked forms.
    pub fn rust_files(&self) -> impl Iterator<Item = (&SourceFile, &Masked)> {
        self.files.iter().filter_map(|file| file.masked.as_ref().map(|masked| (file, masked)))
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                collect(root, &path, files)?;
            }
        } else if is_text(&path) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(SourceFile::new(&relative(root, &path), &text));
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    match path.extension().and_then(|ext| ext.to_str()) {
        Some(ext) => TEXTS.contains(&ext),
        None => path.ends_with(".ci/run"),
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(root).unwrap_or(path).components().collect();
    inside.to_string_lossy().replace('\\', "/")
}
