//! Low-rank adaptation: matrices stay as they are, and small products that are added to them are learned.
//!
//! `W' = W + alpha / r * B A` with `A` of `[r, in]` and `B` of `[out, r]`, `B` zero at the start.
//! With `G` the gradient by `W'`: that by `B` is `alpha / r * G A^T`, that by `A` is `alpha / r * B^T G`.
//! Source: Hu et al., arXiv:2106.09685. Files are as llama.cpp reads them: tensors `NAME.lora_a` and `NAME.lora_b`, keys
//! `general.type` = `adapter`, `adapter.type` = `lora`, `adapter.lora.alpha`.

use crate::recipe::LoraRecipe;
use crate::{Error, Layout, Network, Storage};
use hob_base::Random;
use hob_format::{Dtype, Gguf, Metadata, Tensor};
use hob_kernels::{Cpu, MatrixMut, MatrixView, Precision, Sum};
use hob_model::spec::TensorSpec;
use hob_quant::{TensorType, dequantize_row};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Which matrices get a product, and where its factors stand.
#[derive(Clone, Debug)]
pub struct Lora {
    layout: Layout,
    pairs: Vec<Pair>,
    rank: usize,
    alpha: f32,
}

/// A matrix and its two factors.
#[derive(Clone, Debug)]
struct Pair {
    weight: Range<usize>,
    outputs: usize,
    inputs: usize,
    a: Range<usize>,
    b: Range<usize>,
}

impl Lora {
    /// Products for the matrices of `network` that `recipe` names.
    ///
    /// # Errors
    /// [`Error::Recipe`] for a rank that is none or no smaller than a matrix, or a name that no matrix has.
    pub fn new(network: &Network, recipe: &LoraRecipe) -> Result<Self, Error> {
        let wrong = |key: &str, expected: String, found: String| Error::Recipe {
            key: format!("training.lora.{key}"),
            expected,
            found,
        };
        let stem = |name: &str| name.split('.').nth(2).map(str::to_owned);
        let matrices =
            || network.layout().iter().filter(|(t, _)| t.shape.len() == 2 && t.name.starts_with("blk."));
        for wanted in &recipe.matrices {
            if !matrices().any(|(t, _)| stem(&t.name).as_ref() == Some(wanted)) {
                let mut known: Vec<String> = matrices().filter_map(|(t, _)| stem(&t.name)).collect();
                known.sort();
                known.dedup();
                return Err(wrong("matrices", format!("some of {}", known.join(", ")), wanted.clone()));
            }
        }
        let chosen = |name: &str| {
            recipe.matrices.is_empty() || stem(name).is_some_and(|stem| recipe.matrices.contains(&stem))
        };
        let (mut tensors, mut weights) = (Vec::new(), Vec::new());
        for (tensor, range) in matrices().filter(|(t, _)| chosen(&t.name)) {
            let (outputs, inputs, rank) = (tensor.shape[0], tensor.shape[1], recipe.rank);
            if rank == 0 || rank >= outputs.min(inputs) {
                let most = outputs.min(inputs) - 1;
                return Err(wrong("rank", format!("1 to {most} for {}", tensor.name), rank.to_string()));
            }
            tensors.push(TensorSpec { name: format!("{}.lora_a", tensor.name), shape: vec![rank, inputs] });
            tensors.push(TensorSpec { name: format!("{}.lora_b", tensor.name), shape: vec![outputs, rank] });
            weights.push((range, outputs, inputs));
        }
        let layout = Layout::of(tensors);
        let ranges: Vec<Range<usize>> = layout.iter().map(|(_, range)| range).collect();
        let pair = |((weight, outputs, inputs), factors): (_, &[Range<usize>])| Pair {
            weight,
            outputs,
            inputs,
            a: factors[0].clone(),
            b: factors[1].clone(),
        };
        let pairs = weights.into_iter().zip(ranges.chunks_exact(2)).map(pair).collect();
        Ok(Self { layout, pairs, rank: recipe.rank, alpha: recipe.alpha.unwrap_or(recipe.rank as f32) })
    }

    /// Where each factor stands in the vector that is learned.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Factors whose products are zero. The same seed gives the same numbers.
    pub fn fresh(&self, seed: u64) -> Vec<f32> {
        let mut factors = vec![0.0; self.layout.len()];
        for (stream, pair) in self.pairs.iter().enumerate() {
            let mut random = Random::new(seed, stream as u64);
            let deviation = 1.0 / (pair.inputs as f32).sqrt();
            factors[pair.a.clone()].iter_mut().for_each(|x| *x = deviation * random.normal());
        }
        factors
    }

    /// `to` becomes `base` and the products.
    pub fn apply(&self, cpu: &Cpu, base: &[f32], factors: &[f32], to: &mut [f32]) {
        to.copy_from_slice(base);
        let scale = self.alpha / self.rank as f32;
        for Pair { weight, outputs, inputs, a, b } in &self.pairs {
            let a: Vec<f32> = factors[a.clone()].iter().map(|x| scale * x).collect();
            let (a, b) = (
                MatrixView::new(&a, self.rank, *inputs),
                MatrixView::new(&factors[b.clone()], *outputs, self.rank),
            );
            let to = MatrixMut::new(&mut to[weight.clone()], *outputs, *inputs);
            cpu.gemm(b, a, to, Sum::Add, Precision::F32);
        }
    }

    /// `to` becomes the gradient by the factors, from that by the adapted matrices.
    pub fn gradients(&self, cpu: &Cpu, grads: &[f32], factors: &[f32], to: &mut [f32]) {
        let (rank, scale) = (self.rank, self.alpha / self.rank as f32);
        for Pair { weight, outputs, inputs, a, b } in &self.pairs {
            let g = MatrixView::new(&grads[weight.clone()], *outputs, *inputs);
            let [at, bt] = [(a, rank, *inputs), (b, *outputs, rank)].map(|(range, rows, columns)| {
                MatrixView::new(&factors[range.clone()], rows, columns).transposed()
            });
            let da = MatrixMut::new(&mut to[a.clone()], rank, *inputs);
            cpu.gemm(bt, g, da, Sum::Replace, Precision::F32);
            let db = MatrixMut::new(&mut to[b.clone()], *outputs, rank);
            cpu.gemm(g, at, db, Sum::Replace, Precision::F32);
        }
        cpu.scale(to, scale);
    }

    /// Writes `factors` as a GGUF file for the model that `metadata` describes; it appears when it is complete.
    ///
    /// # Errors
    /// Whatever the file system refuses.
    pub fn write(&self, path: &Path, metadata: &Metadata, factors: &[f32]) -> Result<(), Error> {
        let mut own = Metadata::new("adapter");
        own.set("general.architecture", metadata.str("general.architecture")?.unwrap_or_default());
        own.set("general.type", "adapter");
        own.set("adapter.type", "lora");
        own.set("adapter.lora.alpha", self.alpha);
        Storage::uniform(&self.layout, TensorType::F32).write(path, &own, &self.layout, factors)
    }
}

/// The products of a file, by the names of the matrices they are added to.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Architecture of the model it was made for.
    pub architecture: String,
    /// What is added to each matrix.
    pub products: BTreeMap<String, Product>,
}

/// `B A`, scaled.
#[derive(Clone, Debug)]
pub struct Product {
    /// `[r, in]`, times the scale.
    a: Vec<f32>,
    /// `[out, r]`.
    b: Vec<f32>,
    /// Rows of the matrix.
    pub outputs: usize,
    /// Columns of the matrix.
    pub inputs: usize,
}

impl Adapter {
    /// The adapter in `file`.
    ///
    /// # Errors
    /// [`Error::Adapter`] for a file that holds something else, factors that do not fit each other, or numbers that are none.
    pub fn read(file: &Gguf) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Adapter { reason };
        if file.metadata.str("adapter.type")? != Some("lora") {
            return Err(wrong(
                "expected a LoRA adapter, found a GGUF file without adapter.type = lora".into(),
            ));
        }
        let alpha = file.metadata.f32("adapter.lora.alpha")?.filter(|alpha| *alpha != 0.0);
        let mut products = BTreeMap::new();
        for tensor in file.tensors.iter() {
            let Some(name) = tensor.name.strip_suffix(".lora_a") else {
                if !tensor.name.ends_with(".lora_b") {
                    return Err(wrong(format!(
                        "expected factors NAME.lora_a and NAME.lora_b, found {}",
                        tensor.name
                    )));
                }
                continue;
            };
            let other = file.tensors.get(&format!("{name}.lora_b"));
            let other = other.ok_or_else(|| wrong(format!("{name}.lora_b is missing")))?;
            let ([rank, inputs], [outputs, inner]) = (matrix(tensor)?, matrix(other)?);
            if rank != inner {
                return Err(wrong(format!("{name}: factors of rank {rank} and {inner}")));
            }
            let scale = alpha.map_or(1.0, |alpha| alpha / rank as f32);
            let (mut a, b) = (numbers(tensor)?, numbers(other)?);
            a.iter_mut().for_each(|x| *x *= scale);
            products.insert(name.to_owned(), Product { a, b, outputs, inputs });
        }
        let architecture = file.metadata.str("general.architecture")?.unwrap_or_default().to_owned();
        Ok(Self { architecture, products })
    }
}

impl Product {
    /// Adds rows `rows` of the product to `to`, `[rows, in]`.
    pub fn add(&self, cpu: &Cpu, rows: Range<usize>, to: &mut [f32]) {
        let rank = self.a.len() / self.inputs;
        let b = MatrixView::new(&self.b[rows.start * rank..rows.end * rank], rows.len(), rank);
        let a = MatrixView::new(&self.a, rank, self.inputs);
        cpu.gemm(b, a, MatrixMut::new(to, rows.len(), self.inputs), Sum::Add, Precision::F32);
    }
}

fn matrix(tensor: &Tensor) -> Result<[usize; 2], Error> {
    let shape = <[usize; 2]>::try_from(tensor.shape.as_slice());
    shape.ok().filter(|s| s.iter().all(|n| *n > 0)).ok_or_else(|| Error::Adapter {
        reason: format!("{}: expected a matrix, found {:?}", tensor.name, tensor.shape),
    })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    let wrong = |found: String| Error::Adapter {
        reason: format!("{}: expected numbers, found {found}", tensor.name),
    };
    let Dtype::Block(ty) = tensor.dtype else { return Err(wrong(tensor.dtype.to_string())) };
    if !ty.can_dequantize() {
        return Err(wrong(ty.to_string()));
    }
    let mut numbers = vec![0.0; tensor.elements()];
    dequantize_row(ty, &tensor.bytes, &mut numbers);
    match numbers.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(wrong(x.to_string())),
        None => Ok(numbers),
    }
}
