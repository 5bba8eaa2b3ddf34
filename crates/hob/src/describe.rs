//! What a model is and what it needs, for people and programs that ask before they run it.

use crate::LanguageModel;
use hob_model::spec::OutputSpec;
use std::collections::BTreeMap;

/// Facts about an opened model.
#[derive(Clone, Debug)]
pub struct Description {
    /// Family name.
    pub family: &'static str,
    /// The publisher's name for it, where the file has one.
    pub name: Option<String>,
    /// Parameters, counted from the architecture.
    pub parameters: u64,
    /// Bytes of all tensors in the file.
    pub weight_bytes: u64,
    /// Bytes of tables that are read a few rows at a time and stay on disk.
    pub on_disk_bytes: u64,
    /// Positions the model was trained for.
    pub context: usize,
    /// Size of the vocabulary.
    pub vocab: usize,
    /// Number of layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Bytes of tensors by element type.
    pub bytes_by_type: BTreeMap<String, u64>,
    /// Whether it generates text (or makes embeddings).
    pub generates: bool,
    /// Whether it has a chat template, and what that knows.
    pub chat: Option<ChatSupport>,
}

/// What a chat template knows.
#[derive(Clone, Copy, Debug)]
pub struct ChatSupport {
    /// Tool calls.
    pub tools: bool,
    /// Thinking before answering.
    pub thinking: bool,
}

/// Memory a running model takes, estimated.
#[derive(Clone, Copy, Debug)]
pub struct MemoryEstimate {
    /// Weights that every token touches; mapped from the file.
    pub weights: u64,
    /// Keys and values of one full context.
    pub kv: u64,
    /// Working buffers of a prompt chunk.
    pub working: u64,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.kv + self.working
    }
}

impl Description {
    pub(crate) fn new(model: &LanguageModel) -> Self {
        let (runtime, files) = (model.engine().model(), model.files());
        let spec = runtime.spec();
        let mut bytes_by_type = BTreeMap::new();
        for tensor in files.tensors().iter() {
            *bytes_by_type.entry(tensor.dtype.to_string()).or_insert(0) += tensor.bytes.len() as u64;
        }
        Self {
            family: runtime.family(),
            name: files
                .gguf_metadata()
                .and_then(|m| m.str("general.name").ok().flatten())
                .map(str::to_string),
            parameters: spec.parameters(),
            weight_bytes: files.tensors().total_bytes(),
            on_disk_bytes: runtime.per_layer_table().map_or(0, |t| t.byte_len() as u64),
            context: spec.context,
            vocab: spec.vocab,
            layers: spec.layers.len(),
            hidden: spec.hidden,
            bytes_by_type,
            generates: matches!(spec.output, OutputSpec::Logits { .. }),
            chat: model
                .template()
                .map(|t| ChatSupport { tools: t.supports_tools(), thinking: t.supports_thinking() }),
        }
    }
}

impl LanguageModel {
    /// Memory needed at a context of `positions`.
    pub fn memory_estimate(&self, positions: usize) -> MemoryEstimate {
        let engine = self.engine();
        let runtime = engine.model();
        MemoryEstimate {
            weights: runtime.touched_bytes(),
            kv: engine.kv_bytes(positions),
            working: runtime.working_bytes(engine.config().prefill_chunk.min(positions)),
        }
    }
}
