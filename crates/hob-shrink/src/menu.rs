//! What each tensor of a child may become.

use hob_model::ModelSpec;
use hob_model::spec::{Ffn, KvSource, OutputSpec, TensorSpec};
use hob_quant::{CodeFormat, RowFormat, TensorType};
use std::collections::BTreeMap;

/// Alignment of tensors in a file.
const ALIGNMENT: u64 = 32;

/// What each tensor may become.
#[derive(Clone, Debug)]
pub enum Menu {
    /// Matrices: blocks of these types, as far as they fit. Vectors: F32.
    Blocks(Vec<TensorType>),
    /// The mobile preset.
    Mobile(Mobile),
}

/// Integer codes with a scale a row, as the mobile Gemma 4 checkpoints have them: vectors and the projection to the layers' own
/// inputs are BF16, the rest is on the list.
#[derive(Clone, Debug)]
pub struct Mobile {
    matrices: BTreeMap<String, Vec<RowFormat>>,
    /// Matrices that the checkpoint holds twice: as embedding and as head.
    twice: Option<&'static str>,
}

impl Mobile {
    /// The published widths, where nothing is chosen: 2 bits for embedding and head, 4 for attention and feed-forward parts, 8 for
    /// what gates the layers' own inputs. Where layers that read other layers' keys have wider feed-forward parts (E2B), those
    /// have 2 bits and the table of own inputs 4, else (E4B) those have 4 and the table 2.
    pub fn published(spec: &ModelSpec) -> Self {
        Self::new(spec, &|_, published| vec![published])
    }

    /// All three widths for every matrix.
    pub fn chosen(spec: &ModelSpec) -> Self {
        Self::new(spec, &|_, _| vec![2, 4, 8])
    }

    /// Whether the matrix `name` becomes codes.
    pub fn has_codes(&self, name: &str) -> bool {
        let formats = self.matrices.get(name);
        formats.is_some_and(|formats| formats.iter().any(|f| matches!(f, RowFormat::Codes(_))))
    }

    fn new(spec: &ModelSpec, widths: &dyn Fn(&str, usize) -> Vec<usize>) -> Self {
        let wide = widest(spec, |kv| kv != KvSource::Own) > widest(spec, |kv| kv == KvSource::Own);
        let published = |name: &str| -> Option<usize> {
            let Some((layer, stem)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
                return match name {
                    "token_embd.weight" | "output.weight" => Some(2),
                    "per_layer_token_embd.weight" => Some(if wide { 4 } else { 2 }),
                    _ => None,
                };
            };
            let borrows = |i: usize| spec.layers[i].attention.kv != KvSource::Own;
            Some(match stem {
                "inp_gate.weight" | "proj.weight" => 8,
                _ if stem.starts_with("ffn_") && wide && layer.parse().is_ok_and(borrows) => 2,
                _ => 4,
            })
        };
        let matrix = |tensor: TensorSpec| {
            let formats = match published(&tensor.name) {
                Some(bits) => {
                    let groups = if tensor.name.starts_with("per_layer_") { spec.layers.len() } else { 1 };
                    let codes = |bits| RowFormat::Codes(CodeFormat { bits, groups });
                    widths(&tensor.name, bits).into_iter().map(codes).collect()
                }
                None => vec![TensorType::BF16.into()],
            };
            (tensor.name, formats)
        };
        let matrices = spec.tensors().into_iter().filter(|t| t.shape.len() > 1).map(matrix).collect();
        let tied = matches!(spec.output, OutputSpec::Logits { tied: true, .. });
        Self { matrices, twice: tied.then_some("token_embd.weight") }
    }
}

/// Width of the widest feed-forward part of those layers whose keys come from where `is_such` says.
fn widest(spec: &ModelSpec, is_such: impl Fn(KvSource) -> bool) -> usize {
    let such = spec.layers.iter().filter(|l| is_such(l.attention.kv));
    let width = |ffn: &Ffn| match ffn {
        Ffn::Gated { width, .. } | Ffn::Plain { width, .. } | Ffn::DenseAndExperts { width, .. } => *width,
    };
    such.map(|l| width(&l.ffn)).max().unwrap_or(0)
}

impl Menu {
    /// What a matrix may become, with its bytes in a file; floats of 16 bits where nothing else fits.
    pub(crate) fn candidates(&self, tensor: &TensorSpec) -> impl Iterator<Item = (RowFormat, u64)> {
        let columns = tensor.shape[tensor.shape.len() - 1];
        let rows: usize = tensor.shape[..tensor.shape.len() - 1].iter().product();
        let (formats, instead, times) = match self {
            Self::Blocks(types) => (types.iter().map(|ty| (*ty).into()).collect(), TensorType::F16, 1),
            Self::Mobile(m) => {
                let times = if m.twice == Some(tensor.name.as_str()) { 2 } else { 1 };
                (m.matrices.get(&tensor.name).cloned().unwrap_or_default(), TensorType::BF16, times)
            }
        };
        let sized = move |format: RowFormat| {
            Some((format, times * aligned((rows * format.row_bytes(columns)?) as u64)))
        };
        let mut found: Vec<_> = formats.into_iter().filter_map(sized).collect();
        if found.is_empty() {
            found.extend(sized(instead.into()));
        }
        found.into_iter()
    }

    /// The type of vectors.
    pub(crate) fn vectors(&self) -> TensorType {
        match self {
            Self::Blocks(_) => TensorType::F32,
            Self::Mobile(_) => TensorType::BF16,
        }
    }
}

/// Bytes that `bytes` take in a file.
pub(crate) fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}
