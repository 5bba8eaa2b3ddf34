//! A shape's settings as GGUF metadata and as the small tensors that are settings too, and the model description that
//! Hob itself derives from them: nothing about tensors is stated here a second time.

use std::f32::consts::TAU;

use hob_format::{Gguf, GgufLayout, GgufWriter, Metadata, ModelFiles};
use hob_model::{Config, ModelSpec, families};
use hob_quant::TensorType;

use super::shapes::{Extra, Gemma4, Rope, Shape};
use crate::Error;

/// Positions that Llama 3 and Phi-4-mini were trained for before stretching.
const LLAMA3_ORIGINAL: f32 = 8192.0;
const LONG_ORIGINAL: u32 = 4096;

/// The model's metadata, without its vocabulary.
pub(super) fn metadata(shape: &Shape) -> Metadata {
    let mut m = Metadata::new("synthetic model");
    m.set("general.architecture", shape.arch);
    m.set("general.name", shape.title);
    m.set("general.quantization_version", 2u32);
    let mut number = |key: &str, value: usize| m.set(&format!("{}.{key}", shape.arch), value as u32);
    number("block_count", shape.layers);
    number("context_length", shape.context);
    number("embedding_length", shape.hidden);
    number("feed_forward_length", shape.ffn);
    number("attention.head_count", shape.heads);
    number("attention.head_count_kv", shape.kv_heads);
    number("vocab_size", shape.vocab);
    if shape.arch != "bert" {
        number("attention.key_length", shape.head_dim);
        number("attention.value_length", shape.head_dim);
        number("rope.dimension_count", shape.head_dim);
    }
    let mut float = |key: &str, value: f32| m.set(&format!("{}.{key}", shape.arch), value);
    match shape.arch {
        "bert" => float("attention.layer_norm_epsilon", shape.eps),
        _ => float("attention.layer_norm_rms_epsilon", shape.eps),
    }
    if shape.rope != Rope::None {
        float("rope.freq_base", shape.theta);
    }
    family(shape, &mut m);
    m
}

/// The keys that not every architecture has.
fn family(shape: &Shape, m: &mut Metadata) {
    let key = |key: &str| format!("{}.{key}", shape.arch);
    if shape.arch == "bert" {
        m.set(&key("attention.causal"), false);
        m.set(&key("pooling_type"), if shape.name == "bge-small" { 2u32 } else { 1u32 });
        m.set("tokenizer.ggml.token_type_count", 2u32);
    }
    if let Rope::Long(width) = shape.rope {
        let stretch = shape.context as f32 / LONG_ORIGINAL as f32;
        m.set(&key("rope.dimension_count"), width as u32);
        m.set(&key("rope.scaling.original_context_length"), LONG_ORIGINAL);
        m.set(&key("rope.scaling.attn_factor"), (1.0 + stretch.ln() / (LONG_ORIGINAL as f32).ln()).sqrt());
    }
    match shape.extra {
        Extra::Nothing => {}
        Extra::Window(window) => {
            m.set(&key("attention.sliding_window"), window as u32);
            if shape.arch == "gemma3" {
                m.set(&key("rope.freq_base_swa"), 10_000f32);
            }
        }
        Extra::Gemma4(g) => gemma4(shape, g, m),
    }
}

fn gemma4(shape: &Shape, g: Gemma4, m: &mut Metadata) {
    let mut set = |key: &str, value: hob_format::Value| m.set(&format!("gemma4.{key}"), value);
    let own = shape.layers - g.shared;
    let widths: Vec<u32> =
        (0..shape.layers).map(|i| (shape.ffn * if g.doubled && i >= own { 2 } else { 1 }) as u32).collect();
    let sliding: Vec<bool> = (0..shape.layers).map(|i| g.slides(i)).collect();
    for (key, full, small) in [
        ("attention.key_length", g.full_head_dim, shape.head_dim),
        ("attention.value_length", g.full_head_dim, shape.head_dim),
        ("rope.dimension_count", g.full_head_dim, shape.head_dim),
    ] {
        set(key, (full as u32).into());
        set(&format!("{key}_swa"), (small as u32).into());
    }
    set("feed_forward_length", hob_format::ArrayView::from(widths.as_slice()).into());
    set("attention.sliding_window", (g.window as u32).into());
    set("attention.sliding_window_pattern", hob_format::ArrayView::from(sliding.as_slice()).into());
    set("attention.shared_kv_layers", (g.shared as u32).into());
    set("embedding_length_per_layer_input", (g.per_layer as u32).into());
    set("final_logit_softcapping", 30f32.into());
    set("rope.freq_base_swa", 10_000f32.into());
}

/// Tensors of frequencies' divisors: settings in the form of tensors.
pub(super) fn setting_tensors(shape: &Shape) -> Vec<(&'static str, Vec<f32>)> {
    match (shape.rope, shape.extra) {
        (Rope::Llama3(factor), _) => vec![("rope_freqs.weight", llama3_divisors(shape, factor))],
        (Rope::Long(width), _) => {
            // The published lists are fitted numbers; any increasing list costs the same time.
            let pairs = width / 2;
            let long = (0..pairs).map(|k| 1.0 + 31.0 * k as f32 / pairs as f32).collect();
            vec![("rope_factors_long.weight", long), ("rope_factors_short.weight", vec![1.0; pairs])]
        }
        (_, Extra::Gemma4(g)) => {
            // A quarter of the pairs turn; an infinite wavelength stands for those that do not.
            let (pairs, turning) = (g.full_head_dim / 2, g.full_head_dim / 8);
            vec![("rope_freqs.weight", (0..pairs).map(|k| if k < turning { 1.0 } else { 1e30 }).collect())]
        }
        _ => Vec::new(),
    }
}

/// What Llama 3.1 divides frequencies by: see `llama3` in `../shared/reference/architectures.md`.
fn llama3_divisors(shape: &Shape, factor: f32) -> Vec<f32> {
    let (low, high) = (1.0, 4.0);
    let divisor = |k: usize| {
        let wavelength = TAU * shape.theta.powf(2.0 * k as f32 / shape.head_dim as f32);
        let smooth = ((LLAMA3_ORIGINAL / wavelength - low) / (high - low)).clamp(0.0, 1.0);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    (0..shape.head_dim / 2).map(divisor).collect()
}

/// The description that Hob's own reader makes of a file with these settings.
///
/// Families look at which tensors a file has and how many rows the embedding has, so a file is made whose tensors have
/// one column.
pub(super) fn describe(shape: &Shape, metadata: &Metadata) -> Result<ModelSpec, Error> {
    let mut layout = GgufLayout::new(metadata.clone());
    layout.tensor("token_embd.weight", TensorType::I8, &[shape.vocab, 1]);
    if !shape.tied {
        layout.tensor("output.weight", TensorType::I8, &[1]);
    }
    if shape.arch == "bert" {
        layout.tensor("token_types.weight", TensorType::I8, &[2, 1]);
    }
    for i in 0..shape.layers {
        // Without these, layers would take their keys for values.
        layout.tensor(&format!("blk.{i}.attn_v.weight"), TensorType::I8, &[1]);
    }
    let settings = setting_tensors(shape);
    for (name, values) in &settings {
        layout.tensor(name, TensorType::F32, &[values.len()]);
    }
    let mut bytes = Vec::new();
    let mut writer = GgufWriter::new(&mut bytes, &layout)?;
    for (name, t, dims) in layout.tensors() {
        writer.begin(name)?;
        match settings.iter().find(|(setting, _)| *setting == name) {
            Some((_, values)) => {
                writer.write(&values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())?
            }
            None => writer.write(&vec![0; t.block_bytes() * dims.iter().product::<usize>()])?,
        }
    }
    writer.finish()?;
    let files = ModelFiles::Gguf(Gguf::from_bytes(bytes.into())?);
    let config = Config::new(&files)?;
    Ok((families::find(&config)?.spec)(&config)?)
}
