//! Gemma 4 in its mobile format, as a Hugging Face directory in the layout of `-mobile-transformers` checkpoints.
//!
//! Source: `../shared/reference/gemma4_mobile.md`, sections 3 and 4.

use std::fs;
use std::io::Write;
use std::path::Path;

use hob_format::{AtomicFile, Commit, Dtype, SafetensorsLayout, SafetensorsWriter};
use hob_model::families::FAMILIES;
use hob_model::spec::KvSource;
use hob_model::{HfNames, ModelSpec};
use hob_quant::TensorType;
use serde_json::{Value, json};

use super::filler::code_rms;
use super::shapes::{Extra, Gemma4, Shape};
use super::words::Vocabulary;
use super::{Content, Entry, Form, MOBILE, Plan, content, each_piece, settings};
use crate::Error;

const PREFIX: &str = "model.language_model.";
/// Steps of the trained 8-bit ranges: magnitudes here are near one, and 127 steps reach about seven.
const INPUT_STEP: f32 = 0.055;
const OUTPUT_STEP: f32 = 0.055;

/// The codes' width of a module, by the first pattern that matches; the patterns are written to `config.json` too.
fn bits(shape: &Shape, gguf_stem: &str) -> u32 {
    let (layer, part) = match gguf_stem.strip_prefix("blk.").and_then(|s| s.split_once('.')) {
        Some((layer, part)) => (layer.parse().unwrap_or(0), part),
        None => (0usize, gguf_stem),
    };
    match part {
        "output" | "token_embd" => 2,
        "per_layer_token_embd" => per_layer_bits(shape),
        "inp_gate" | "proj" => 8,
        p if p.starts_with("ffn_") && wide(shape) && layer >= 15 => 2,
        _ => 4,
    }
}

fn gemma4(shape: &Shape) -> Option<Gemma4> {
    if let Extra::Gemma4(g) = shape.extra { Some(g) } else { None }
}

/// E2B, whose later layers are twice as wide and half as precise.
fn wide(shape: &Shape) -> bool {
    gemma4(shape).is_some_and(|g| g.doubled)
}

fn per_layer_bits(shape: &Shape) -> u32 {
    if wide(shape) { 4 } else { 2 }
}

pub(super) fn plan(shape: Shape) -> Result<Plan, Error> {
    if gemma4(&shape).is_none() {
        let known = "any but mobile: only Gemma 4 has a mobile form".to_owned();
        return Err(Error::UnknownWeights { found: MOBILE.to_owned(), known });
    }
    let mut spec = settings::describe(&shape, &settings::metadata(&shape))?;
    if let hob_model::spec::OutputSpec::Logits { tied, .. } = &mut spec.output {
        // The head is stored, with a range of its own.
        *tied = false;
    }
    let tensors = tensors(&shape, &spec);
    let weights = MOBILE.to_owned();
    Ok(Plan { shape, weights, spec, tensors, substitutes: Vec::new(), form: Form::Mobile })
}

fn tensors(shape: &Shape, spec: &ModelSpec) -> Vec<Entry> {
    let names = FAMILIES
        .iter()
        .find(|f| f.gguf.contains(&shape.arch))
        .map(|f| f.names)
        .expect("every shape is of a family Hob runs");
    let mut list = Vec::new();
    for t in spec.tensors() {
        tensor(shape, names, &t.name, &t.shape, &mut list);
    }
    for (i, layer) in spec.layers.iter().enumerate() {
        let part = |name: &str| format!("{PREFIX}layers.{i}.self_attn.{name}");
        for name in ["k_cache_scale", "v_cache_scale"] {
            list.push(float(part(name), TensorType::F32, &[], Content::Values(vec![0.05])));
        }
        if layer.attention.kv != KvSource::Own {
            // Layers that read others' keys and values carry matrices for their own all the same.
            let a = &layer.attention;
            for name in ["attn_k", "attn_v"] {
                let dims = [a.kv_heads * a.head_dim, spec.hidden];
                tensor(shape, names, &format!("blk.{i}.{name}.weight"), &dims, &mut list);
            }
            tensor(shape, names, &format!("blk.{i}.attn_k_norm.weight"), &[a.head_dim], &mut list);
        }
    }
    list
}

fn float(name: String, ty: TensorType, shape: &[usize], content: Content) -> Entry {
    Entry { name, dtype: ty.into(), shape: shape.to_vec(), content }
}

/// The checkpoint's tensors for the GGUF tensor `name`.
fn tensor(shape: &Shape, names: &HfNames, name: &str, dims: &[usize], list: &mut Vec<Entry>) {
    let file_name = names.tensor(name, PREFIX);
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    if dims.len() < 2 || stem == "per_layer_model_proj" {
        return list.push(float(file_name, TensorType::BF16, dims, content(shape, name, dims)));
    }
    let module = file_name.strip_suffix(".weight").unwrap_or(&file_name);
    let (rows, cols, bits) = (dims[0], dims[1], bits(shape, stem));
    let embedding = stem.ends_with("token_embd");
    let groups = if stem == "per_layer_token_embd" { shape.layers } else { 1 };
    let (codes, scale) =
        if embedding { ("embedding_quantized", "embedding_scale") } else { ("weight", "weight_scale") };
    let dtype = if bits == 8 { TensorType::I8.into() } else { Dtype::U8 };
    let row_bytes = cols.div_ceil(8 / bits as usize);
    list.push(Entry {
        name: format!("{module}.{codes}"),
        dtype,
        shape: vec![rows, row_bytes],
        content: Content::Codes(bits),
    });
    let step = 1.0 / ((cols / groups) as f32).sqrt() / code_rms(bits);
    let scales = Content::Between { low: 0.8 * step, high: 1.2 * step };
    list.push(float(format!("{module}.{scale}"), TensorType::F32, &[rows, groups], scales));
    if !embedding {
        for (leaf, step) in [("input_activation_scale", INPUT_STEP), ("output_activation_scale", OUTPUT_STEP)]
        {
            list.push(float(format!("{module}.{leaf}"), TensorType::F32, &[], Content::Values(vec![step])));
        }
    }
}

pub(super) fn write(
    plan: &Plan,
    dir: &Path,
    seed: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|source| Error::Io { path: dir.to_owned(), source })?;
    let vocabulary = Vocabulary::new(&plan.shape);
    for (name, value) in [
        ("config.json", config(&plan.shape)),
        (
            "generation_config.json",
            json!({"bos_token_id": 2, "eos_token_id": [1, 5], "temperature": 1.0, "top_k": 64, "top_p": 0.95}),
        ),
        ("tokenizer_config.json", tokenizer_config()),
        ("tokenizer.json", tokenizer(&vocabulary)),
    ] {
        put(&dir.join(name), value.to_string().as_bytes())?;
    }
    put(&dir.join("chat_template.jinja"), vocabulary.template.as_bytes())?;
    let mut layout = SafetensorsLayout::new();
    for t in &plan.tensors {
        layout.tensor(&t.name, t.dtype, &t.shape);
    }
    let mut writer = SafetensorsWriter::create(&dir.join("model.safetensors"), &layout)?;
    // The head repeats the embedding's codes and scales, as in the published files: both get the embedding's stream.
    let position = |end: &str| plan.tensors.iter().position(|t| t.name.ends_with(end)).unwrap_or(0) as u64;
    let embedding = ["embed_tokens.embedding_quantized", "embed_tokens.embedding_scale"].map(position);
    let mut done = 0;
    for (stream, t) in plan.tensors.iter().enumerate() {
        let stream = match t.name.as_str() {
            "lm_head.weight" => embedding[0],
            "lm_head.weight_scale" => embedding[1],
            _ => stream as u64,
        };
        writer.begin(&t.name)?;
        each_piece(t, seed, stream, &mut |piece| {
            writer.write(piece)?;
            done += piece.len() as u64;
            progress(done, plan.tensor_bytes());
            Ok(())
        })?;
    }
    Ok(writer.finish()?)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(io)?;
    file.commit().map_err(io)
}

fn config(shape: &Shape) -> Value {
    let g = gemma4(shape).expect("only Gemma 4 shapes get a plan of this form");
    let layer_types: Vec<&str> =
        (0..shape.layers).map(|i| if g.slides(i) { "sliding_attention" } else { "full_attention" }).collect();
    let text = json!({
        "model_type": "gemma4_text",
        "attention_bias": false,
        "attention_k_eq_v": false,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "enable_moe_block": false,
        "final_logit_softcapping": 30.0,
        "head_dim": shape.head_dim,
        "global_head_dim": g.full_head_dim,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": shape.hidden,
        "hidden_size_per_layer_input": g.per_layer,
        "intermediate_size": shape.ffn,
        "layer_types": layer_types,
        "max_position_embeddings": shape.context,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "num_global_key_value_heads": null,
        "num_hidden_layers": shape.layers,
        "num_kv_shared_layers": g.shared,
        "rms_norm_eps": shape.eps,
        "rope_parameters": {
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": shape.theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0}
        },
        "sliding_window": g.window,
        "tie_word_embeddings": false,
        "use_double_wide_mlp": g.doubled,
        "vocab_size": shape.vocab,
        "vocab_size_per_layer_input": shape.vocab
    });
    json!({
        "model_type": "gemma4",
        "architectures": ["Gemma4ForConditionalGeneration"],
        "tie_word_embeddings": false,
        "text_config": text,
        "quantization_config": {
            "quant_method": "gemma",
            "num_bits": 4,
            "quantize_embeddings": true,
            "module_quant_configs": patterns(shape),
            "modules_to_not_convert": ["model.language_model.per_layer_model_projection"]
        }
    })
}

/// The patterns that say how wide codes are. Readers take the first that matches; the map may be written sorted, which puts
/// `(\d|1[0-4])` before the `\d+` that matches the same layers.
fn patterns(shape: &Shape) -> Value {
    let mut patterns = serde_json::Map::new();
    let mut put = |pattern: &str, bits: u32| patterns.insert(pattern.to_owned(), json!({"num_bits": bits}));
    put("^lm_head$", 2);
    put(r"language_model\.embed_tokens$", 2);
    put(r"language_model\.embed_tokens_per_layer$", per_layer_bits(shape));
    if wide(shape) {
        put(r"language_model\.layers\.(\d|1[0-4])\.mlp\.", 4);
    }
    put(r"language_model\.layers\.\d+\.mlp\.", if wide(shape) { 2 } else { 4 });
    put(r"language_model\.layers\.\d+\.per_layer_input_gate$", 8);
    put(r"language_model\.layers\.\d+\.per_layer_projection$", 8);
    put(r"language_model\.layers\.\d+\.self_attn\.", 4);
    patterns.into()
}

fn tokenizer_config() -> Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": false
    })
}

/// `tokenizer.json`: the form that the `tokenizers` library reads.
fn tokenizer(v: &Vocabulary) -> Value {
    let added = |(id, text): (usize, &str)| {
        json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true})
    };
    let vocab: serde_json::Map<String, Value> =
        v.tokens.iter().enumerate().map(|(id, text)| (text.clone(), json!(id))).collect();
    let bos = json!({"SpecialToken": {"id": "<bos>", "type_id": 0}});
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": v.special().map(added).collect::<Vec<_>>(),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, text("A")],
            "pair": [bos, text("A"), bos, text("B")],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}
        ]},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": "<unk>",
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": v.merges.iter().map(|(a, b)| json!([a, b])).collect::<Vec<_>>()
        }
    })
}
