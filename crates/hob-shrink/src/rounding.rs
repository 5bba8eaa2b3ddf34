//! From a matrix to stored blocks: each element to its nearest, scales searched under weights, or with feedback, so that later
//! columns make up for the errors of earlier ones.

use crate::Feedback;
use hob_quant::{Error, Lattice, TensorType, quantize_row, quantize_row_weighted};
use std::thread;

/// How weights are rounded.
#[derive(Clone, Copy, Debug)]
pub enum Rounding<'a> {
    /// As the type's own quantiser does.
    Nearest,
    /// Scales that lower the error weighted by this importance of columns, `[in]`.
    Weighted(&'a [f32]),
    /// With feedback: each column aims at where it lowers what the row's errors cost together.
    Feedback(&'a Feedback),
}

/// Stores `w` (`[rows, in]`) as blocks of `ty`.
///
/// # Errors
/// As `quantize_row`.
///
/// # Panics
/// When `inputs` is no whole number of blocks, or the lengths do not fit.
pub fn round_matrix(
    ty: TensorType,
    w: &[f32],
    inputs: usize,
    how: Rounding<'_>,
    threads: usize,
) -> Result<Vec<u8>, Error> {
    let row_bytes = ty.row_bytes(inputs).expect("whole blocks");
    let rows = w.len() / inputs;
    let mut bytes = vec![0; rows * row_bytes];
    let share = rows.div_ceil(threads.max(1)).max(1);
    let parts = w.chunks(share * inputs).zip(bytes.chunks_mut(share * row_bytes));
    let round = |w: &[f32], bytes: &mut [u8]| {
        let mut row = Row::new(ty, how, inputs);
        w.chunks_exact(inputs)
            .zip(bytes.chunks_exact_mut(row_bytes))
            .try_for_each(|(w, bytes)| row.round(w, bytes))
    };
    let round = &round;
    thread::scope(|scope| {
        let running: Vec<_> = parts.map(|(w, bytes)| scope.spawn(move || round(w, bytes))).collect();
        running.into_iter().try_for_each(|t| t.join().expect("rounding does not panic"))
    })?;
    Ok(bytes)
}

/// Memory for rounding row after row.
struct Row<'a> {
    ty: TensorType,
    how: Rounding<'a>,
    /// Error of every settled column, `w - q`.
    errors: Vec<f32>,
    /// Where the columns of a block aim, before the feedback inside of it.
    aims: Vec<f32>,
    codes: Vec<u8>,
    trial: Trial,
    best: Trial,
}

/// One way to store a block.
#[derive(Clone, Default)]
struct Trial {
    bytes: Vec<u8>,
    errors: Vec<f32>,
    cost: f32,
}

impl<'a> Row<'a> {
    fn new(ty: TensorType, how: Rounding<'a>, inputs: usize) -> Self {
        let (n, bytes) = (ty.block_size(), ty.block_bytes());
        let trial = Trial { bytes: vec![0; bytes], errors: vec![0.0; n], cost: 0.0 };
        Self {
            ty,
            how,
            errors: vec![0.0; inputs],
            aims: vec![0.0; n],
            codes: vec![0; n],
            best: trial.clone(),
            trial,
        }
    }

    fn round(&mut self, w: &[f32], bytes: &mut [u8]) -> Result<(), Error> {
        match self.how {
            Rounding::Nearest => quantize_row(self.ty, w, bytes),
            Rounding::Weighted(importance) => quantize_row_weighted(self.ty, w, importance, bytes),
            Rounding::Feedback(feedback) if Lattice::exists(self.ty) => {
                self.with_feedback(feedback, w, bytes)
            }
            Rounding::Feedback(feedback) => quantize_row_weighted(self.ty, w, &feedback.weights, bytes),
        }
    }

    fn with_feedback(&mut self, feedback: &Feedback, w: &[f32], bytes: &mut [u8]) -> Result<(), Error> {
        let n = self.ty.block_size();
        let inputs = w.len();
        for (b, block) in bytes.chunks_exact_mut(self.ty.block_bytes()).enumerate() {
            let start = b * n;
            for (i, aim) in self.aims.iter_mut().enumerate() {
                let m = &feedback.transposed[(start + i) * inputs..][..start];
                *aim = w[start + i] + dot(&self.errors[..start], m);
            }
            let weights = &feedback.weights[start..start + n];
            // The scales that suit the aims are not always those that suit the weights: the better end counts.
            quantize_row_weighted(self.ty, &self.aims, weights, &mut self.trial.bytes)?;
            self.settle(feedback, w, start);
            std::mem::swap(&mut self.trial, &mut self.best);
            quantize_row(self.ty, &self.aims, &mut self.trial.bytes)?;
            self.settle(feedback, w, start);
            if self.trial.cost < self.best.cost {
                std::mem::swap(&mut self.trial, &mut self.best);
            }
            self.errors[start..start + n].copy_from_slice(&self.best.errors);
            block.copy_from_slice(&self.best.bytes);
        }
        Ok(())
    }

    /// Chooses the codes of the trial's block for its scales, column after column.
    fn settle(&mut self, feedback: &Feedback, w: &[f32], start: usize) {
        let inputs = w.len();
        let lattice = Lattice::of(self.ty, &self.trial.bytes);
        let Trial { bytes, errors, cost } = &mut self.trial;
        *cost = 0.0;
        for i in 0..self.aims.len() {
            let m = &feedback.transposed[(start + i) * inputs + start..][..i];
            let aim = self.aims[i] + dot(&errors[..i], m);
            let (code, value) = lattice.nearest(i, aim);
            self.codes[i] = code;
            errors[i] = w[start + i] - value;
            *cost += feedback.weights[start + i] * (aim - value) * (aim - value);
        }
        lattice.store(&self.codes, bytes);
    }
}

/// In eight running sums, which vectorise.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
