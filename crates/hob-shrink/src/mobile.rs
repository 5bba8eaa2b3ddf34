//! A mobile child as its two published containers hold it: tensors of a safetensors file, and what `config.json` says of them.
//!
//! In both, codes and scales are tensors of their own, and the head is stored although it repeats the embedding, since it has
//! steps of its own. The reference form keeps scales as f32, the other as bf16; ours are numbers that both hold, so the two are
//! one model to the bit. Source of both layouts: `../shared/reference/gemma4_mobile.md`.

use crate::{Error, StoredTensor};
use hob_format::Dtype;
use hob_model::spec::OutputSpec;
use hob_model::{CheckpointTensor, ModelSpec};
use hob_quant::{CodeFormat, RowFormat, TensorType};
use hob_train::{Layout, Ranges, Steps};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands before a layer's number.
const LAYERS: &str = ".layers.";

/// The module of the head.
const HEAD: &str = "lm_head";

/// Which container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// The reference form: `quant_method` `gemma`.
    Gemma,
    /// The one that other servers read: `quant_method` `compressed-tensors`.
    CompressedTensors,
}

/// A tensor as a container holds it.
#[derive(Clone, Debug)]
pub struct PackedTensor {
    /// Its name there.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Outermost first.
    pub shape: Vec<usize>,
    /// Little-endian contents.
    pub bytes: Vec<u8>,
}

/// A mobile child ready to be written.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The tensors, in the layout's order.
    pub tensors: Vec<PackedTensor>,
    /// `quantization_config` of `config.json`; `tie_word_embeddings` is false there.
    pub quantization: Value,
}

/// The tensors of `layout` as `container` holds them, with the steps of `ranges`; `places` says where each goes in a checkpoint, in
/// the same order.
///
/// # Errors
/// [`Error::Mobile`] for descriptions that no such checkpoint has: fused matrices, norms that checkpoints store less one.
pub fn pack(
    container: Container,
    spec: &ModelSpec,
    layout: &Layout,
    (tensors, ranges): (&[StoredTensor], &Ranges),
    places: &[CheckpointTensor],
) -> Result<Packed, Error> {
    let refuse = |is: bool, what: &'static str| if is { Err(Error::Mobile { what }) } else { Ok(()) };
    refuse(spec.fused.qkv || spec.fused.gate_up, "fused matrices")?;
    refuse(spec.final_norm.is_some_and(|norm| norm.weight_offset != 0.0), "norms stored less one")?;
    let mut packer = Packer { container, out: Vec::new(), modules: Vec::new(), plain: Vec::new() };
    let tied = matches!(spec.output, OutputSpec::Logits { tied: true, .. });
    for ((tensor, (_, range)), place) in tensors.iter().zip(layout.iter()).zip(places) {
        debug_assert_eq!(tensor.name, place.ours);
        let module = place.name.strip_suffix(".weight").unwrap_or(&place.name);
        let steps = ranges.get(&range.start).copied().unwrap_or_default();
        match tensor.format {
            RowFormat::Blocks(ty) => packer.plain(tensor, ty, place),
            RowFormat::Codes(codes) => {
                let is_table = tensor.name.ends_with("token_embd.weight");
                let is_head = tied && tensor.name == "token_embd.weight";
                let own = if is_table { Steps::default() } else { steps };
                packer.codes((tensor, place), codes, module, is_table, own);
                if is_head {
                    packer.codes((tensor, place), codes, HEAD, false, steps);
                }
            }
        }
    }
    let quantization = match container {
        Container::Gemma => packer.gemma_config(),
        Container::CompressedTensors => packer.compressed_config(),
    };
    Ok(Packed { tensors: packer.out, quantization })
}

/// What a module's codes are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scheme {
    codes: CodeFormat,
    /// Columns of a scale, where a row has several.
    group: Option<usize>,
    has_input: bool,
    has_output: bool,
}

struct Packer {
    container: Container,
    out: Vec<PackedTensor>,
    /// Modules of codes.
    modules: Vec<(String, Scheme)>,
    /// Matrices that are none.
    plain: Vec<String>,
}

impl Packer {
    fn push(&mut self, name: String, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.out.push(PackedTensor { name, dtype, shape: shape.to_vec(), bytes });
    }

    fn plain(&mut self, tensor: &StoredTensor, ty: TensorType, place: &CheckpointTensor) {
        self.push(place.name.clone(), Dtype::Block(ty), &tensor.shape, tensor.bytes.clone());
        if tensor.shape.len() > 1 {
            self.plain.extend(place.name.strip_suffix(".weight").map(str::to_owned));
        }
    }

    fn codes(
        &mut self,
        (tensor, place): (&StoredTensor, &CheckpointTensor),
        codes: CodeFormat,
        module: &str,
        is_table: bool,
        steps: Steps,
    ) {
        let columns = tensor.shape[tensor.shape.len() - 1];
        let rows = place.rows();
        let row_bytes = codes.row_bytes(columns).expect("a format that fits was chosen");
        let row = |at: usize| &tensor.bytes[place.change.source_row(at, rows) * row_bytes..][..row_bytes];
        let scales: Vec<u8> = (0..rows).flat_map(|at| codes.scales(row(at))).copied().collect();
        let packed: Vec<u8> = (0..rows).flat_map(|at| codes.codes(row(at))).copied().collect();
        let width = packed.len() / rows;
        match self.container {
            Container::Gemma => {
                let (leaf, scale) = if is_table {
                    ("embedding_quantized", "embedding_scale")
                } else {
                    ("weight", "weight_scale")
                };
                let dtype =
                    if codes.bits == 8 && !is_table { Dtype::Block(TensorType::I8) } else { Dtype::U8 };
                self.push(format!("{module}.{leaf}"), dtype, &[rows, width], packed);
                let f32s = Dtype::Block(TensorType::F32);
                self.push(format!("{module}.{scale}"), f32s, &[rows, codes.groups], scales);
            }
            Container::CompressedTensors => {
                if codes.bits == 8 {
                    self.push(
                        format!("{module}.weight"),
                        Dtype::Block(TensorType::I8),
                        &[rows, width],
                        packed,
                    );
                } else {
                    let words = Dtype::Block(TensorType::I32);
                    self.push(format!("{module}.weight_packed"), words, &[rows, width / 4], packed);
                    let shape = [rows as i64, columns as i64].iter().flat_map(|n| n.to_le_bytes()).collect();
                    self.push(format!("{module}.weight_shape"), Dtype::Block(TensorType::I64), &[2], shape);
                }
                // The upper halves of f32 are bf16, and the lower halves of these are zero.
                let halves = scales.as_chunks::<4>().0.iter().flat_map(|s| [s[2], s[3]]).collect();
                let bf16s = Dtype::Block(TensorType::BF16);
                self.push(format!("{module}.weight_scale"), bf16s, &[rows, codes.groups], halves);
            }
        }
        self.steps(module, steps);
        let group = (codes.groups > 1).then(|| columns / codes.groups);
        let (has_input, has_output) = (steps.input > 0.0, steps.output > 0.0);
        self.modules.push((module.to_owned(), Scheme { codes, group, has_input, has_output }));
    }

    fn steps(&mut self, module: &str, steps: Steps) {
        let (leaves, shape): (_, &[usize]) = match self.container {
            Container::Gemma => (["input_activation_scale", "output_activation_scale"], &[]),
            Container::CompressedTensors => (["input_scale", "output_scale"], &[1]),
        };
        for (leaf, step) in
            leaves.into_iter().zip([steps.input, steps.output]).filter(|(_, step)| *step > 0.0)
        {
            let name = format!("{module}.{leaf}");
            self.push(name, Dtype::Block(TensorType::F32), shape, step.to_le_bytes().to_vec());
        }
    }

    /// Patterns for modules of one name in several layers: readers allow only so many.
    fn gemma_config(&self) -> Value {
        let mut alike: BTreeMap<(&str, &str, usize), Vec<&str>> = BTreeMap::new();
        for (module, scheme) in &self.modules {
            let (before, number, after) = around_number(module);
            alike.entry((before, after, scheme.codes.bits)).or_default().push(number);
        }
        let pattern = |((before, after, bits), numbers): ((&str, &str, usize), Vec<&str>)| {
            let name = format!("^{}(?:{}){}$", escaped(before), numbers.join("|"), escaped(after));
            (name, json!({"num_bits": bits}))
        };
        let patterns: Map<String, Value> = alike.into_iter().map(pattern).collect();
        json!({
            "quant_method": "gemma",
            "num_bits": 4,
            "quantize_embeddings": true,
            "module_quant_configs": patterns,
            "modules_to_not_convert": self.plain,
        })
    }

    /// Modules by what they have in common.
    fn compressed_config(&self) -> Value {
        let mut schemes: BTreeMap<Scheme, Vec<&str>> = BTreeMap::new();
        for (module, scheme) in &self.modules {
            schemes.entry(*scheme).or_default().push(module);
        }
        let activations = |has: bool| match has {
            true => {
                json!({"num_bits": 8, "type": "int", "symmetric": true, "strategy": "tensor", "dynamic": false})
            }
            false => Value::Null,
        };
        let group = |(i, (scheme, targets)): (usize, (Scheme, Vec<&str>))| {
            let format = if scheme.codes.bits == 8 { "int-quantized" } else { "pack-quantized" };
            let strategy = if scheme.group.is_some() { "group" } else { "channel" };
            let value = json!({
                "targets": targets.iter().map(|t| target(t)).collect::<Vec<_>>(),
                "weights": {
                    "num_bits": scheme.codes.bits, "type": "int", "symmetric": true,
                    "strategy": strategy, "group_size": scheme.group,
                },
                "input_activations": activations(scheme.has_input),
                "output_activations": activations(scheme.has_output),
                "format": format,
            });
            (format!("group_{i}"), value)
        };
        let groups: Map<String, Value> = schemes.into_iter().enumerate().map(group).collect();
        json!({
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "quantization_status": "compressed",
            "ignore": self.plain,
            "config_groups": groups,
        })
    }
}

/// What stands before the layer's number in a module's name, the number, and what stands behind it.
fn around_number(module: &str) -> (&str, &str, &str) {
    let Some(start) = module.find(LAYERS).map(|at| at + LAYERS.len()) else { return (module, "", "") };
    let end = module[start..].find('.').map_or(module.len(), |at| start + at);
    (&module[..start], &module[start..end], &module[end..])
}

/// How a group names the module.
fn target(module: &str) -> Cow<'_, str> {
    if module == HEAD { "re:.*lm_head$".into() } else { module.into() }
}

/// The module as a pattern that matches it alone.
fn escaped(module: &str) -> String {
    module.replace('.', "\\.")
}
