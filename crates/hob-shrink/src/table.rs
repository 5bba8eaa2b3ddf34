//! What each type would cost each tensor, predicted from the curvature.

use crate::shrink::candidates;
use crate::{Curvature, Error, Feedback, Rounding, Statistics, round_matrix};
use hob_kernels::Cpu;
use hob_quant::{TensorType, dequantize_row};
use hob_train::Network;
use std::ops::Range;

/// Rows of a matrix that are rounded for a prediction, at most.
const ROWS_MAX: usize = 512;

/// A type that a tensor may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The type.
    pub ty: TensorType,
    /// Bytes of the tensor in a file.
    pub bytes: u64,
    /// What it is predicted to cost, in nats per token.
    pub cost: f64,
}

/// A matrix inside a tensor, and what errors in it cost.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub range: Range<usize>,
    pub curvature: Curvature,
    pub feedback: Feedback,
    /// Mean square of what each column saw, as importance matrices hold it.
    pub importance: Vec<f32>,
}

/// One tensor with its candidates.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// `[out, in]`.
    pub shape: Vec<usize>,
    /// What it may become.
    pub candidates: Vec<Candidate>,
    pub(crate) matrices: Vec<Matrix>,
}

/// All matrices of a model and what each type would cost them.
#[derive(Clone, Debug)]
pub struct Table {
    /// In the model's order.
    pub entries: Vec<Entry>,
}

/// How errors are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Judge {
    /// By what they do to the predictions: this crate's own way.
    #[default]
    Curvature,
    /// By their squares, weighted by what each column sees: the published way (llama.cpp's pull request 15550), for comparison.
    Squares,
}

/// How weights are rounded to a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Search {
    /// With feedback: this crate's own way. Types without a lattice get a search under the feedback's weights.
    #[default]
    Feedback,
    /// Under the importance of columns, as importance matrices hold it.
    Weighted,
    /// As the type's own quantiser does.
    Nearest,
}

/// The way in which a child is planned and rounded.
#[derive(Clone, Debug)]
pub struct Method {
    /// Types it may have; the parent's shapes decide which of them fit.
    pub types: Vec<TensorType>,
    /// How errors are judged.
    pub judge: Judge,
    /// How weights are rounded.
    pub search: Search,
    /// Threads that round.
    pub threads: usize,
}

impl Table {
    /// Predicts the cost of every one of `method`'s types for every matrix of `network`; `heard` is told the tensor.
    ///
    /// # Errors
    /// [`Error::Curvature`], [`Error::Quantize`].
    pub fn new(
        cpu: &Cpu,
        (network, params): (&Network, &[f32]),
        statistics: &Statistics,
        method: &Method,
        heard: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for (tensor, range) in network.layout().iter().filter(|(t, _)| t.shape.len() > 1) {
            heard(&tensor.name);
            let parts = statistics.parts.range(range.clone()).map(|(_, part)| part);
            let matrices = parts.map(|part| {
                let curvature = Curvature::new(part, statistics.tokens);
                let feedback =
                    curvature.feedback().ok_or_else(|| Error::Curvature { name: tensor.name.clone() })?;
                let per_token = 1.0 / statistics.tokens.max(1) as f64;
                let importance = part.squares.iter().map(|s| (s * per_token) as f32).collect();
                Ok(Matrix { range: part.range.clone(), curvature, feedback, importance })
            });
            let mut entry = Entry {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                candidates: Vec::new(),
                matrices: matrices.collect::<Result<_, Error>>()?,
            };
            for (ty, bytes) in candidates(&tensor.shape, &method.types) {
                let cost = entry.predict(cpu, params, ty, method)?;
                entry.candidates.push(Candidate { ty, bytes, cost });
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}

impl Entry {
    fn predict(&self, cpu: &Cpu, params: &[f32], ty: TensorType, method: &Method) -> Result<f64, Error> {
        let inputs = self.shape[self.shape.len() - 1];
        let costs = self.matrices.iter().map(|m| m.predict(cpu, params, inputs, ty, method));
        costs.sum::<Result<f64, _>>().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: hob_quant::Error) -> Error {
        Error::Quantize { name: self.name.clone(), source }
    }

    /// The tensor's bytes as `ty`.
    ///
    /// # Errors
    /// [`Error::Quantize`].
    pub fn round(&self, params: &[f32], ty: TensorType, method: &Method) -> Result<Vec<u8>, Error> {
        let inputs = self.shape[self.shape.len() - 1];
        let mut bytes = Vec::new();
        for m in &self.matrices {
            let how = m.rounding(method.search);
            let part = round_matrix(ty, &params[m.range.clone()], inputs, how, method.threads);
            bytes.extend(part.map_err(|source| self.failed(source))?);
        }
        Ok(bytes)
    }
}

impl Matrix {
    fn rounding(&self, search: Search) -> Rounding<'_> {
        match search {
            Search::Feedback => Rounding::Feedback(&self.feedback),
            Search::Weighted => Rounding::Weighted(&self.importance),
            Search::Nearest => Rounding::Nearest,
        }
    }

    /// What this matrix would cost as `ty`, from a sample of its rows.
    fn predict(
        &self,
        cpu: &Cpu,
        params: &[f32],
        inputs: usize,
        ty: TensorType,
        method: &Method,
    ) -> Result<f64, hob_quant::Error> {
        let rows = self.range.len() / inputs;
        let step = rows.div_ceil(ROWS_MAX);
        let numbers: Vec<usize> = (0..rows).step_by(step).collect();
        let row = |r: &usize| &params[self.range.start + r * inputs..][..inputs];
        let w: Vec<f32> = numbers.iter().flat_map(row).copied().collect();
        let bytes = round_matrix(ty, &w, inputs, self.rounding(method.search), method.threads)?;
        let mut e = vec![0.0; w.len()];
        for (bytes, e) in bytes.chunks_exact(bytes.len() / numbers.len()).zip(e.chunks_exact_mut(inputs)) {
            dequantize_row(ty, bytes, e);
        }
        e.iter_mut().zip(&w).for_each(|(q, w)| *q = w - *q);
        Ok(match method.judge {
            Judge::Curvature => {
                let weight = |rows: &mut dyn Iterator<Item = usize>| {
                    rows.map(|r| self.curvature.row_weight(r)).sum::<f64>()
                };
                let (seen, all) = (weight(&mut numbers.iter().copied()), weight(&mut (0..rows)));
                // The sampled rows stand for all, each as much as its outputs matter.
                let scale = if seen > 0.0 { all / seen } else { step as f64 };
                scale * self.curvature.cost(cpu, &e, &numbers)
            }
            Judge::Squares => {
                let row = |e: &[f32]| {
                    e.iter().zip(&self.importance).map(|(e, h)| f64::from(e * e * h)).sum::<f64>()
                };
                step as f64 * e.chunks_exact(inputs).map(row).sum::<f64>()
            }
        })
    }
}
