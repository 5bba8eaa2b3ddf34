//! A model as training and shrinking need it: its description, its numbers, its words, and text read in them.

use crate::fail::note;
use crate::progress::Progress;
use crate::which::Which;
use anyhow::Context;
use hob::{ChatTemplate, Tokenizer};
use hob_format::{Gguf, Metadata, ModelFiles};
use hob_kernels::Precision;
use hob_train::Network;
use hob_train::data::{Corpus, Encoder, Learn};
use std::path::PathBuf;

/// A model as training and shrinking need it.
pub struct Parent {
    pub network: Network,
    pub metadata: Metadata,
    pub words: Words,
    /// What it is read from.
    pub files: ModelFiles,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Parent {
    /// Opens the model `which`; products will be of `precision`.
    pub fn open(which: &Which, precision: Precision) -> anyhow::Result<Self> {
        Self::of(which.gguf()?, precision).with_context(|| which.name().display().to_string())
    }

    /// The model `gguf`.
    pub fn of(gguf: Gguf, precision: Precision) -> anyhow::Result<Self> {
        let (metadata, bytes) = (metadata(&gguf), gguf.file_bytes());
        let files = ModelFiles::Gguf(gguf);
        let config = hob_model::Config::new(&files)?;
        let spec = (hob_model::families::find(&config)?.spec)(&config)?;
        let network = Network::new(&spec, precision)?;
        let words = Words::of(&files, &metadata)?;
        Ok(Self { network, metadata, words, files, bytes })
    }

    /// All its numbers, in memory.
    pub fn params(&self) -> anyhow::Result<Vec<f32>> {
        Ok(self.network.read(&self.files)?)
    }
}

/// The metadata of a model, without what described its tensors.
pub fn metadata(gguf: &Gguf) -> Metadata {
    let mut metadata = gguf.metadata.clone();
    for key in ["general.file_type", "general.alignment", "general.quantization_version"] {
        metadata.remove(key);
    }
    metadata.set("general.file_type", 0u32);
    metadata
}

/// How text becomes a model's tokens.
pub struct Words {
    pub tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
}

impl Words {
    /// The vocabulary and chat template in `files`, whose metadata is at hand.
    pub fn of(files: &ModelFiles, metadata: &Metadata) -> anyhow::Result<Self> {
        let template = metadata.str("tokenizer.chat_template")?.map(ChatTemplate::new).transpose()?;
        Ok(Self { tokenizer: hob::tokenizer_of(files)?, template })
    }

    /// The documents of `files`, of each up to about `bytes_max` bytes; says what was found.
    pub fn corpus(
        &self,
        files: &[PathBuf],
        learn: Learn,
        bytes_max: u64,
        threads: usize,
    ) -> anyhow::Result<Corpus> {
        let special = self.tokenizer.special();
        let encoder = Encoder {
            tokenizer: &self.tokenizer,
            template: self.template.as_ref(),
            end_of_text: special.eot.or(special.eos),
            learn,
            threads,
        };
        let mut corpus = Corpus::default();
        let mut progress = Progress::steps(true);
        for file in files {
            progress.step(&format!("reading {}", file.display()));
            corpus.append(encoder.read(file, bytes_max)?);
        }
        drop(progress);
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        note(&format!(
            "{}: {} documents, {:.2} million tokens, {:.2} bytes per token",
            names.join(", "),
            corpus.documents.len(),
            corpus.tokens.len() as f64 / 1e6,
            corpus.bytes as f64 / (corpus.tokens.len() as f64).max(1.0),
        ));
        Ok(corpus)
    }
}

/// Threads when none are asked for.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}
