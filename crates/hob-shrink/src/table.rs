//! What each type would cost each tensor, predicted from the curvature.

use crate::menu::Menu;
use crate::work::{Place, WorkFile};
use crate::{Curvature, Error, Feedback, Rounding, Statistics, round_matrix, round_with_feedback};
use hob_kernels::Cpu;
use hob_model::spec::TensorSpec;
use hob_quant::RowFormat;
use hob_train::Numbers;
use std::ops::Range;

/// Rows of a matrix that are rounded for a prediction, at most.
const ROWS_MAX: usize = 512;

/// Weights that are, where that many rows are more: types with codebooks take a second for a million.
const WEIGHTS_MAX: usize = 1 << 18;

/// A type that a tensor may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The format.
    pub format: RowFormat,
    /// Bytes of the tensor in a file.
    pub bytes: u64,
    /// What it is predicted to cost, in nats per token.
    pub cost: f64,
}

/// A matrix inside a tensor, and what errors in it cost.
struct Matrix {
    range: Range<usize>,
    curvature: Curvature,
    feedback: Feedback,
    /// Mean square of what each column saw, as importance matrices hold it.
    importance: Vec<f32>,
}

/// The same matrix, once its costs are predicted.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub range: Range<usize>,
    pub place: Place,
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
    pub(crate) matrices: Vec<Kept>,
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
    /// What each matrix may become.
    pub menu: Menu,
    /// How errors are judged.
    pub judge: Judge,
    /// How weights are rounded.
    pub search: Search,
    /// Threads that round.
    pub threads: usize,
}

impl Entry {
    /// Predicts the cost of every format that `method` has for `tensor`, which stands at `range` and whose numbers are in `params`;
    /// what rounding will need goes to `work`.
    pub(crate) fn new(
        cpu: &Cpu,
        (tensor, range): (&TensorSpec, Range<usize>),
        params: Numbers<'_>,
        statistics: &Statistics,
        method: &Method,
        work: &mut WorkFile,
    ) -> Result<Self, Error> {
        let mut entry = Self {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            candidates: Vec::new(),
            matrices: Vec::new(),
        };
        let inputs = tensor.shape[tensor.shape.len() - 1];
        let formats = method.menu.candidates(tensor);
        entry.candidates.extend(formats.map(|(format, bytes)| Candidate { format, bytes, cost: 0.0 }));
        for (_, part) in statistics.parts.range(range) {
            let curvature = Curvature::new(part, statistics.tokens);
            let feedback =
                curvature.feedback(cpu).ok_or_else(|| Error::Curvature { name: tensor.name.clone() })?;
            let per_token = 1.0 / statistics.tokens.max(1) as f64;
            let importance = part.squares.iter().map(|s| (s * per_token) as f32).collect();
            let matrix = Matrix { range: part.range.clone(), curvature, feedback, importance };
            for candidate in &mut entry.candidates {
                let cost = matrix.predict(cpu, params, inputs, candidate.format, method);
                candidate.cost += cost.map_err(|source| failed(&tensor.name, source))?;
            }
            let place = work.keep(&matrix.feedback, &matrix.importance)?;
            entry.matrices.push(Kept { range: matrix.range, place });
        }
        Ok(entry)
    }

    /// The tensor's bytes as `format`; its numbers are in `params`, and `work` has what was learned of it.
    ///
    /// # Errors
    /// [`Error::Quantize`], [`Error::Work`].
    pub(crate) fn round(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        format: RowFormat,
        method: &Method,
        work: &WorkFile,
    ) -> Result<Vec<u8>, Error> {
        let inputs = self.shape[self.shape.len() - 1];
        let mut bytes = Vec::new();
        for m in &self.matrices {
            let (feedback, importance) = work.read(m.place)?;
            let part = round(cpu, format, (params.at(&m.range), inputs), (&feedback, &importance), method);
            bytes.extend(part.map_err(|source| failed(&self.name, source))?);
        }
        Ok(bytes)
    }
}

fn failed(name: &str, source: hob_quant::Error) -> Error {
    Error::Quantize { name: name.to_owned(), source }
}

/// Stores `w` (`[rows, in]`) as `format` in `method`'s way.
fn round(
    cpu: &Cpu,
    format: RowFormat,
    (w, inputs): (&[f32], usize),
    (feedback, importance): (&Feedback, &[f32]),
    method: &Method,
) -> Result<Vec<u8>, hob_quant::Error> {
    let threads = method.threads;
    match method.search {
        Search::Feedback => round_with_feedback(cpu, format, w, inputs, feedback, threads),
        Search::Weighted => round_matrix(format, w, inputs, Rounding::Weighted(importance), threads),
        Search::Nearest => round_matrix(format, w, inputs, Rounding::Nearest, threads),
    }
}

impl Matrix {
    /// What this matrix would cost as `format`, from a sample of its rows.
    fn predict(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        inputs: usize,
        format: RowFormat,
        method: &Method,
    ) -> Result<f64, hob_quant::Error> {
        let rows = self.range.len() / inputs;
        let step = rows.div_ceil(ROWS_MAX.min(WEIGHTS_MAX.div_ceil(inputs)));
        let numbers: Vec<usize> = (0..rows).step_by(step).collect();
        let all = params.at(&self.range);
        let row = |r: &usize| &all[r * inputs..][..inputs];
        let w: Vec<f32> = numbers.iter().flat_map(row).copied().collect();
        let bytes = round(cpu, format, (&w, inputs), (&self.feedback, &self.importance), method)?;
        let mut e = vec![0.0; w.len()];
        format.dequantize(inputs, &bytes, &mut e);
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
