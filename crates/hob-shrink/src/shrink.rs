//! From a parent and a budget to the tensors of the child.

use crate::plan::frontier;
use crate::table::{Judge, Method, Search};
use crate::{Error, Plan, Statistics, StoredTensor, Table, plan};
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_kernels::Cpu;
use hob_quant::{TensorType, dequantize_row};
use hob_train::data::Sequences;
use hob_train::{Layout, Network};

/// Tokens below which the curvature says nothing of most columns.
const TOKENS_MIN: usize = 2048;

/// Sizes of which the best plan is reported.
const FRONTIER: usize = 96;

/// Alignment of tensors in a GGUF file.
const ALIGNMENT: u64 = 32;

/// Types worth considering: the rest are larger and worse than one of these, or need other kernels.
const TYPES: [TensorType; 17] = [
    TensorType::IQ1_S,
    TensorType::IQ1_M,
    TensorType::IQ2_XXS,
    TensorType::IQ2_XS,
    TensorType::IQ2_S,
    TensorType::Q2_K,
    TensorType::IQ3_XXS,
    TensorType::IQ3_S,
    TensorType::Q3_K,
    TensorType::IQ4_XS,
    TensorType::IQ4_NL,
    TensorType::Q4_K,
    TensorType::Q5_0,
    TensorType::Q5_K,
    TensorType::Q6_K,
    TensorType::Q8_0,
    TensorType::F16,
];

/// What a child should be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the whole file, at most: one child for each.
    pub budgets: Vec<u64>,
    /// How it is planned and rounded.
    pub method: Method,
    /// Start of every random choice.
    pub seed: u64,
    /// Tokens of a sequence of the text.
    pub sequence: usize,
}

impl Options {
    /// The usual ways of this crate.
    pub fn new(budgets: Vec<u64>, threads: usize, sequence: usize) -> Self {
        let types = TYPES.iter().copied().filter(|ty| ty.can_quantize()).collect();
        let method = Method { types, judge: Judge::default(), search: Search::default(), threads };
        Self { budgets, method, seed: 1, sequence }
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage<'a> {
    /// The text is read: tokens done, of so many.
    Reading(usize, usize),
    /// Costs of types are predicted for a tensor.
    Predicting(&'a str),
    /// A tensor is rounded to its type.
    Rounding(&'a str, TensorType),
}

/// A child, and how it came to be.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its tensors, in the parent's order.
    pub tensors: Vec<StoredTensor>,
    /// The types and what they were predicted to cost.
    pub plan: Plan,
    /// Bytes of a file, and the least cost predicted for that size.
    pub frontier: Vec<(u64, f64)>,
}

/// Plans and rounds a child of each budget, of the model that `params` are, by what that does to the predictions on `text`.
///
/// # Errors
/// [`Error::Budget`] with the smallest size that there is, [`Error::Text`], [`Error::Curvature`], [`Error::Quantize`].
pub fn shrink(
    cpu: &Cpu,
    (network, params): (&Network, &[f32]),
    metadata: &Metadata,
    text: &Sequences,
    options: &Options,
    heard: &mut dyn FnMut(Stage<'_>),
) -> Result<Vec<Outcome>, Error> {
    let total = text.tokens.len();
    if total < TOKENS_MIN {
        return Err(Error::Text { expected: TOKENS_MIN, found: total });
    }
    check_budgets(network, metadata, options)?;
    let rest = unplanned_bytes(network.layout(), metadata)?;
    let mut read = |done| heard(Stage::Reading(done, total));
    let statistics =
        Statistics::collect(cpu, network, params, text, options.sequence, options.seed, &mut read);
    let mut predicting = |name: &str| heard(Stage::Predicting(name));
    let table = Table::new(cpu, (network, params), &statistics, &options.method, &mut predicting)?;
    let frontier = frontier(&table, rest, FRONTIER);
    let child = |budget: &u64| {
        let plan = plan(&table, *budget, rest)?;
        let tensors = round(&table, &plan, (network.layout(), params), &options.method, heard)?;
        Ok(Outcome { tensors, plan, frontier: frontier.clone() })
    };
    options.budgets.iter().map(child).collect()
}

/// Says before the work begins that there is no file as small as one of the budgets.
///
/// # Errors
/// [`Error::Budget`] with the smallest size that there is.
pub fn check_budgets(network: &Network, metadata: &Metadata, options: &Options) -> Result<(), Error> {
    let layout = network.layout();
    let least = unplanned_bytes(layout, metadata)? + least_bytes(layout, &options.method.types);
    match options.budgets.iter().find(|budget| least > **budget) {
        Some(&budget) => Err(Error::Budget { budget, least }),
        None => Ok(()),
    }
}

/// Bytes of memory that [`shrink`] takes at its peak, roughly: the parent and its gradients, and the forms of all matrices in
/// three shapes.
pub fn memory_bytes(network: &Network) -> u64 {
    let square = |(t, _): (&hob_model::spec::TensorSpec, _)| {
        if t.shape.len() > 1 { (t.shape[t.shape.len() - 1] as u64).pow(2) } else { 0 }
    };
    let forms: u64 = network.layout().iter().map(square).sum();
    4 * (3 * network.layout().len() as u64 + 4 * forms)
}

/// Bytes of a child that no plan changes: the header, tensors of one dimension, and constants.
fn unplanned_bytes(layout: &Layout, metadata: &Metadata) -> Result<u64, Error> {
    let mut file = GgufLayout::new(metadata.clone());
    layout.iter().for_each(|(t, _)| {
        file.tensor(&t.name, TensorType::F32, &t.shape);
    });
    layout.constants().iter().for_each(|(t, _)| {
        file.tensor(&t.name, TensorType::F32, &t.shape);
    });
    let mut header = Vec::new();
    drop(GgufWriter::new(&mut header, &file)?);
    let vectors = layout.iter().filter(|(t, _)| t.shape.len() < 2).map(|(_, range)| range.len());
    let floats = vectors.chain(layout.constants().iter().map(|(_, values)| values.len()));
    Ok(header.len() as u64 + floats.map(|count| aligned(4 * count as u64)).sum::<u64>())
}

/// Bytes of all matrices, each as the smallest of `types` that fits it.
fn least_bytes(layout: &Layout, types: &[TensorType]) -> u64 {
    let matrices = layout.iter().filter(|(t, _)| t.shape.len() > 1);
    matrices.map(|(t, _)| candidates(&t.shape, types).map(|(_, bytes)| bytes).min().unwrap_or(0)).sum()
}

/// Those of `types` that a matrix can have, with its bytes in a file; halves where there are none.
pub(crate) fn candidates(shape: &[usize], types: &[TensorType]) -> impl Iterator<Item = (TensorType, u64)> {
    let columns = shape[shape.len() - 1];
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let sized = move |ty: TensorType| Some((ty, aligned((rows * ty.row_bytes(columns)?) as u64)));
    let mut found: Vec<_> = types.iter().copied().filter_map(sized).collect();
    if found.is_empty() {
        found.extend(sized(TensorType::F16));
    }
    found.into_iter()
}

/// Bytes that `bytes` take in a file.
fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

fn round(
    table: &Table,
    plan: &Plan,
    (layout, params): (&Layout, &[f32]),
    method: &Method,
    heard: &mut dyn FnMut(Stage<'_>),
) -> Result<Vec<StoredTensor>, Error> {
    let mut planned = table.entries.iter().zip(&plan.choices);
    let mut tensors = Vec::new();
    for (tensor, range) in layout.iter() {
        let (ty, bytes) = if tensor.shape.len() < 2 {
            (TensorType::F32, params[range].iter().flat_map(|x| x.to_le_bytes()).collect())
        } else {
            let (entry, choice) = planned.next().expect("the table has every matrix, in this order");
            let ty = choice.candidate.ty;
            heard(Stage::Rounding(&tensor.name, ty));
            (ty, entry.round(params, ty, method)?)
        };
        tensors.push(StoredTensor { name: tensor.name.clone(), ty, shape: tensor.shape.clone(), bytes });
    }
    Ok(tensors)
}

impl Outcome {
    /// The child's weights as numbers, laid out as the parent's are.
    pub fn params(&self, layout: &Layout) -> Vec<f32> {
        let mut params = vec![0.0; layout.len()];
        for (tensor, (_, range)) in self.tensors.iter().zip(layout.iter()) {
            dequantize_row(tensor.ty, &tensor.bytes, &mut params[range]);
        }
        params
    }
}
