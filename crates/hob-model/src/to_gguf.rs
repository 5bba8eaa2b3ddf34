//! A checkpoint's settings and tensors as a GGUF file has them.
//!
//! Whatever family it is, the keys follow from the description alone, and reading them back has to give the same
//! description: what a GGUF file cannot say is an error, never a model that is a little different.
//! Source of keys and conventions: the GGUF format description and the converter that comes with llama.cpp.

use crate::alike::difference;
use crate::rope::{RopeScaling, RopeSpec};
use crate::spec::{Ffn, KvSource, ModelSpec, NormKind, OutputSpec};
use crate::weights::{Binder, read_vector};
use crate::{Config, Error, families};
use hob_base::SharedBytes;
use hob_format::{ArrayView, Dtype, Gguf, HfModel, Metadata, ModelFiles, Tensor, TensorTable, Value};
use hob_kernels::{Mask, RopeLayout};
use hob_quant::TensorType;

/// The generative model of a directory as a GGUF file would hold it; `vocabulary` has the tokenizer's keys and the model's name.
///
/// Matrices are views of the directory's files, except those whose rows stand in another order in a GGUF file.
///
/// # Errors
/// What is wrong with the directory, as [`Model::load`](crate::Model::load) says it, and [`Error::NotInGguf`].
pub fn to_gguf(model: &HfModel, vocabulary: Metadata) -> Result<Gguf, Error> {
    let files = ModelFiles::Hf(model.clone());
    let config = Config::new(&files)?;
    let family = families::find(&config)?;
    let spec = (family.spec)(&config)?;
    if model.config.get("quantization_config").is_some_and(|value| !value.is_null()) {
        return Err(refused("its weights are packed codes; take the checkpoint it was made from"));
    }
    // The family that has no name of its own there is a Llama in all but name.
    let architecture = family.gguf.first().copied().unwrap_or("llama");
    let mut metadata = vocabulary;
    metadata.set("general.architecture", architecture);
    metadata.set("general.type", "model");
    set_settings(&spec, architecture, &mut metadata)?;
    let mut binder = Binder::new(&config, family.names, &spec)?;
    // The layout of rows is a convention of the architecture's files, which only reading one tells.
    let probe = Gguf::from_parts(metadata.clone(), embedding_only(&mut binder, &config)?);
    let layout = described(&probe)?.rope_layout;
    let tensors = tensors(&spec, layout, &mut binder)?;
    binder.finish(&spec)?;
    let gguf = Gguf::from_parts(metadata, config.tensors().replaced("converted", tensors)?);
    same(&spec, &described(&gguf)?)?;
    Ok(gguf)
}

fn described(gguf: &Gguf) -> Result<ModelSpec, Error> {
    let files = ModelFiles::Gguf(gguf.clone());
    let config = Config::new(&files)?;
    (families::find(&config)?.spec)(&config)
}

fn embedding_only(binder: &mut Binder<'_>, config: &Config<'_>) -> Result<TensorTable, Error> {
    let embedding =
        Tensor { name: "token_embd.weight".into(), ..binder.stored("token_embd.weight")?.clone() };
    Ok(config.tensors().replaced("converted", vec![embedding])?)
}

fn refused(what: impl Into<String>) -> Error {
    Error::NotInGguf { what: what.into() }
}

/// One number, or one per layer where they differ.
fn per_layer(values: &[usize]) -> Value {
    match values.first() {
        Some(first) if values.iter().all(|v| v == first) => Value::U32(*first as u32),
        _ => {
            let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
            Value::Array(ArrayView::from(values.as_slice()))
        }
    }
}

fn set_settings(spec: &ModelSpec, architecture: &str, metadata: &mut Metadata) -> Result<(), Error> {
    let OutputSpec::Logits { softcap, .. } = spec.output else {
        return Err(refused("it makes embeddings, not text"));
    };
    let layers = &spec.layers;
    let each = |f: fn(&crate::spec::LayerSpec) -> usize| layers.iter().map(f).collect::<Vec<_>>();
    let widths = layers.iter().map(|layer| match layer.ffn {
        Ffn::Gated { width, .. } => Ok(width),
        _ => Err(refused("its feed-forward parts are not single gated ones")),
    });
    let widths = widths.collect::<Result<Vec<_>, _>>()?;
    let norm = spec.final_norm.filter(|norm| norm.kind == NormKind::Rms);
    let norm = norm.ok_or_else(|| refused("its norms are not RMS norms"))?;
    let mut set = |key: &str, value: Value| metadata.set(&format!("{architecture}.{key}"), value);
    let number = |n: usize| Value::U32(n as u32);
    set("block_count", number(layers.len()));
    set("context_length", number(spec.context));
    set("embedding_length", number(spec.hidden));
    set("vocab_size", number(spec.vocab));
    set("feed_forward_length", per_layer(&widths));
    set("attention.head_count", per_layer(&each(|l| l.attention.heads)));
    set("attention.head_count_kv", per_layer(&each(|l| l.attention.kv_heads)));
    set("attention.layer_norm_rms_epsilon", Value::F32(norm.eps));
    if let Some(cap) = softcap {
        set("final_logit_softcapping", Value::F32(cap));
    }
    if let Some(cap) = layers.iter().find_map(|l| l.attention.softcap) {
        set("attn_logit_softcapping", Value::F32(cap));
    }
    let window = |l: &crate::spec::LayerSpec| match l.attention.mask {
        Mask::Causal { window } => window,
        Mask::Bidirectional { reach } => reach,
    };
    if let Some(window) = layers.iter().find_map(window) {
        set("attention.sliding_window", number(window));
    }
    let slides: Vec<bool> = layers.iter().map(|l| window(l).is_some()).collect();
    let full = layers.iter().find(|l| window(l).is_none()).or(layers.last());
    let sliding = layers.iter().find(|l| window(l).is_some());
    let width = full.map_or(0, |l| l.attention.head_dim);
    set("attention.key_length", number(width));
    set("attention.value_length", number(width));
    // Gemma 4 alone says which layers slide, and everything about them; the others' readers know.
    if architecture == "gemma4" {
        set("attention.sliding_window_pattern", Value::Array(ArrayView::from(slides.as_slice())));
        let small = sliding.map_or(width, |l| l.attention.head_dim);
        for key in ["attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa"] {
            set(key, number(small));
        }
        let borrowing = layers.iter().filter(|l| l.attention.kv != KvSource::Own).count();
        set("attention.shared_kv_layers", number(borrowing));
        set("embedding_length_per_layer_input", number(spec.per_layer.map_or(0, |p| p.width)));
    }
    let rope = spec.ropes.last().ok_or_else(|| refused("it has no rotary embedding"))?;
    set("rope.dimension_count", number(rope.width));
    set("rope.freq_base", Value::F32(rope.theta));
    if let [local, _] = &spec.ropes[..] {
        set("rope.freq_base_swa", Value::F32(local.theta));
    }
    set_scaling(rope, &mut set);
    Ok(())
}

/// What keys say of long contexts; the rest is in [`ModelSpec::constants`].
fn set_scaling(rope: &RopeSpec, set: &mut dyn FnMut(&str, Value)) {
    match &rope.scaling {
        RopeScaling::Linear { factor } => {
            set("rope.scaling.type", "linear".into());
            set("rope.scaling.factor", Value::F32(*factor));
        }
        RopeScaling::Yarn { factor, original, beta_fast, beta_slow, .. } => {
            set("rope.scaling.type", "yarn".into());
            set("rope.scaling.factor", Value::F32(*factor));
            set("rope.scaling.original_context_length", Value::U32(*original as u32));
            set("rope.scaling.yarn_beta_fast", Value::F32(*beta_fast));
            set("rope.scaling.yarn_beta_slow", Value::F32(*beta_slow));
        }
        RopeScaling::LongRope { original, amplitude, .. } => {
            set("rope.scaling.original_context_length", Value::U32(*original as u32));
            set("rope.scaling.attn_factor", Value::F32(*amplitude));
        }
        RopeScaling::None
        | RopeScaling::Llama3 { .. }
        | RopeScaling::Divisors(_)
        | RopeScaling::Proportional { .. } => {}
    }
}

fn tensors(spec: &ModelSpec, layout: RopeLayout, binder: &mut Binder<'_>) -> Result<Vec<Tensor>, Error> {
    // A checkpoint that stores its norms minus something stores all of them so, and norms are the only vectors with that name.
    let offset = spec.final_norm.map_or(0.0, |norm| norm.weight_offset);
    let turning = spec.ropes.first().map_or(0, |rope| rope.width);
    let mut tensors = Vec::new();
    for wanted in spec.tensors() {
        let stored = binder.stored(&wanted.name)?;
        let heads = heads_of(spec, &wanted.name).filter(|_| layout != spec.rope_layout);
        let (dtype, bytes) = if wanted.shape.len() == 1 {
            let mut values = read_vector(stored, wanted.shape[0])?;
            if wanted.name.ends_with(".weight") {
                values.iter_mut().for_each(|v| *v += offset);
            }
            floats(&values)
        } else {
            (stored.dtype, stored.bytes.clone())
        };
        let bytes = match heads {
            Some(heads) => interleave(&bytes, wanted.shape[0], heads, turning).into(),
            None => bytes,
        };
        tensors.push(Tensor { name: wanted.name, dtype, shape: wanted.shape, bytes });
    }
    for (tensor, values) in spec.constants() {
        let (dtype, bytes) = floats(&values);
        tensors.push(Tensor { name: tensor.name, dtype, shape: tensor.shape, bytes });
    }
    Ok(tensors)
}

fn floats(values: &[f32]) -> (Dtype, SharedBytes) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (Dtype::Block(TensorType::F32), bytes.into())
}

/// The heads whose rows a tensor holds, if they turn.
pub(crate) fn heads_of(spec: &ModelSpec, name: &str) -> Option<usize> {
    let (layer, stem) = name.strip_prefix("blk.")?.split_once('.')?;
    let attention = &spec.layers.get(layer.parse::<usize>().ok()?)?.attention;
    match stem.split_once('.')?.0 {
        "attn_q" => Some(attention.heads),
        "attn_k" => Some(attention.kv_heads),
        _ => None,
    }
}

/// The first `turning` rows of each head from halves (`0, 1, ... | t/2, ...`) to pairs that stand beside each other (`0, t/2, 1, ...`);
/// the rest as they are.
fn interleave(bytes: &[u8], rows: usize, heads: usize, turning: usize) -> Vec<u8> {
    let (row, head, half) = (bytes.len() / rows, rows / heads, turning / 2);
    let from = |r: usize| {
        let at = r % head;
        let within = if at < 2 * half { at / 2 + at % 2 * half } else { at };
        (r - at + within) * row
    };
    let mut out = Vec::with_capacity(bytes.len());
    (0..rows).for_each(|r| out.extend_from_slice(&bytes[from(r)..][..row]));
    out
}

/// Whether both describe one function.
fn same(ours: &ModelSpec, read: &ModelSpec) -> Result<(), Error> {
    // GGUF files tell the tokens of images and sound by their texts, which no text of a conversation becomes.
    let without_placeholders = |spec: &ModelSpec| {
        let mut spec = spec.clone();
        spec.embedding.placeholders.clear();
        spec
    };
    match difference(&without_placeholders(ours), &without_placeholders(read)) {
        Some(what) => Err(refused(what)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_each_head_come_in_pairs() {
        // Two heads of four rows of one byte.
        assert_eq!(interleave(&[0, 1, 2, 3, 10, 11, 12, 13], 8, 2, 4), [0, 2, 1, 3, 10, 12, 11, 13]);
        // One head of four rows of two bytes.
        assert_eq!(interleave(&[0, 0, 1, 1, 2, 2, 3, 3], 4, 1, 4), [0, 0, 2, 2, 1, 1, 3, 3]);
        // Heads of which a part turns, and of one row, which nothing turns.
        assert_eq!(interleave(&[0, 1, 2, 3, 4], 5, 1, 4), [0, 2, 1, 3, 4]);
        assert_eq!(interleave(&[7, 8], 2, 2, 0), [7, 8]);
    }

    #[test]
    fn one_number_stands_for_all_layers_where_they_agree() {
        assert_eq!(per_layer(&[3, 3]).to_string(), Value::U32(3).to_string());
        assert!(per_layer(&[3, 4]).to_string().contains("array of 2"));
    }
}
