//! What a token costs at least: bytes of weights to read, cache to read, and multiply-accumulates.
//!
//! Counted from the description and from the tensors as they lie in the file, so that a fraction of the machine's limits
//! says how much of the time was work that had to be done.

use hob_format::ModelFiles;
use hob_kernels::Mask;
use hob_model::spec::{Ffn, KvSource, OutputSpec};
use hob_model::{Config, ModelSpec, families};
use serde::Serialize;

use crate::Error;

/// The work of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traffic {
    /// Bytes of matrices and norms that decoding one token reads: all layers, the head, a row of each table; of experts
    /// only those that work.
    pub weight_bytes: u64,
    /// Multiply-accumulates with weights for a token whose logits are wanted: all layers and the head.
    pub decode_macs: u64,
    /// The same for a prompt token whose logits are not wanted: layers up to the last one that stores keys, of which only
    /// the key and value projections.
    pub prompt_macs: u64,
    #[serde(skip)]
    layers: Vec<LayerCache>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct LayerCache {
    window: Option<usize>,
    /// Elements of a position's key and value together.
    elements: usize,
    /// Multiply-accumulates of one query with one position.
    macs: usize,
}

impl Traffic {
    /// Counts what `spec`, read from `files`, costs.
    ///
    /// # Errors
    /// What reading the file's settings refuses.
    pub fn new(files: &ModelFiles, spec: &ModelSpec) -> Result<Self, Error> {
        let stored = StoredBytes::new(files)?;
        let weight_bytes = spec.tensors().into_iter().map(|t| {
            let rows = t.shape.iter().rev().skip(1).product::<usize>().max(1) as u64;
            let bytes = stored.of(&t.name);
            match share(spec, &t.name) {
                Share::All => bytes,
                Share::Row => bytes / rows,
                Share::Part(active, all) => bytes * active as u64 / all as u64,
            }
        });
        let head = match spec.output {
            OutputSpec::Logits { .. } => (spec.vocab * spec.hidden) as u64,
            OutputSpec::Embedding { .. } => 0,
        };
        let per_layer = spec.per_layer.map_or(0, |p| (spec.layers.len() * p.width * spec.hidden) as u64);
        let layer_macs: Vec<u64> = (0..spec.layers.len()).map(|i| layer_macs(spec, i)).collect();
        let last = spec.last_kv_layer();
        let before: u64 = layer_macs[..last].iter().sum();
        Ok(Self {
            weight_bytes: weight_bytes.sum(),
            decode_macs: head + per_layer + layer_macs.iter().sum::<u64>(),
            prompt_macs: per_layer + before + key_value_macs(spec, last),
            layers: caches(spec),
        })
    }

    /// Multiply-accumulates with weights for a prompt of `tokens`, of which the last one's logits are wanted.
    pub fn prefill_macs(&self, tokens: usize) -> u64 {
        (tokens.max(1) - 1) as u64 * self.prompt_macs + self.decode_macs
    }

    /// Bytes of the cache that decoding reads with `positions` positions stored, at `element_bits` bits an element.
    pub fn cache_bytes(&self, positions: usize, element_bits: f64) -> u64 {
        let held = |l: &LayerCache| l.window.map_or(positions, |w| w.min(positions)) * l.elements;
        (self.layers.iter().map(held).sum::<usize>() as f64 * element_bits / 8.0) as u64
    }

    /// Multiply-accumulates of attention for decoding with `positions` positions stored.
    pub fn attention_macs(&self, positions: usize) -> u64 {
        let seen = |l: &LayerCache| (l.window.map_or(positions, |w| w.min(positions)) * l.macs) as u64;
        self.layers.iter().map(seen).sum()
    }
}

/// How much of a tensor a token touches.
enum Share {
    All,
    Row,
    /// So many of so many experts.
    Part(usize, usize),
}

fn share(spec: &ModelSpec, name: &str) -> Share {
    match name {
        // A tied head is the embedding, read whole.
        "token_embd.weight" if matches!(spec.output, OutputSpec::Logits { tied: true, .. }) => Share::All,
        "token_embd.weight"
        | "position_embd.weight"
        | "token_types.weight"
        | "per_layer_token_embd.weight" => Share::Row,
        name if name.contains("_exps.") => {
            let experts = spec.layers.iter().find_map(|l| match l.ffn {
                Ffn::DenseAndExperts { experts, .. } => Some(experts),
                _ => None,
            });
            experts.map_or(Share::All, |e| Share::Part(e.active, e.count))
        }
        _ => Share::All,
    }
}

/// Multiply-accumulates of the key and value projections.
fn key_value_macs(spec: &ModelSpec, layer: usize) -> u64 {
    let a = &spec.layers[layer].attention;
    let matrices = match a.kv {
        KvSource::Layer(_) => 0,
        KvSource::Own if a.value_is_key => 1,
        KvSource::Own => 2,
    };
    (matrices * a.kv_heads * a.head_dim * spec.hidden) as u64
}

fn layer_macs(spec: &ModelSpec, layer: usize) -> u64 {
    let (l, d) = (&spec.layers[layer], spec.hidden);
    let ffn = match &l.ffn {
        Ffn::Gated { width, .. } => 3 * width * d,
        Ffn::Plain { width, .. } => 2 * width * d,
        Ffn::DenseAndExperts { width, experts, .. } => {
            3 * width * d + experts.count * d + experts.active * 3 * experts.width * d
        }
    };
    let per_layer = spec.per_layer.map_or(0, |p| 2 * p.width * d);
    let queries = 2 * l.attention.heads * l.attention.head_dim * d;
    (ffn + per_layer + queries) as u64 + key_value_macs(spec, layer)
}

fn caches(spec: &ModelSpec) -> Vec<LayerCache> {
    let cache = |a: &hob_model::spec::AttentionSpec| LayerCache {
        window: match a.mask {
            Mask::Causal { window } => window,
            _ => None,
        },
        elements: 2 * a.kv_heads * a.head_dim,
        macs: 2 * a.heads * a.head_dim,
    };
    spec.layers.iter().map(|l| cache(&l.attention)).collect()
}

/// Sizes of a file's tensors by their GGUF names.
struct StoredBytes<'a> {
    files: &'a ModelFiles,
    names: &'static hob_model::HfNames,
    prefix: &'static str,
}

impl<'a> StoredBytes<'a> {
    fn new(files: &'a ModelFiles) -> Result<Self, Error> {
        let names = families::find(&Config::new(files)?)?.names;
        Ok(Self { files, names, prefix: names.prefix(files.tensors()) })
    }

    /// Bytes of a tensor, its scales and codes included.
    fn of(&self, name: &str) -> u64 {
        let table = self.files.tensors();
        let bytes = |name: &str| table.get(name).map(|t| t.bytes.len() as u64);
        if matches!(self.files, ModelFiles::Gguf(_)) {
            return bytes(name).unwrap_or(0);
        }
        let file_name = self.names.tensor(name, self.prefix);
        let module = file_name.strip_suffix(".weight").unwrap_or(&file_name);
        let leaves = ["weight", "weight_packed", "weight_scale", "embedding_quantized", "embedding_scale"];
        let found: u64 = leaves.iter().filter_map(|leaf| bytes(&format!("{module}.{leaf}"))).sum();
        if found > 0 { found } else { bytes(&file_name).unwrap_or(0) }
    }
}
