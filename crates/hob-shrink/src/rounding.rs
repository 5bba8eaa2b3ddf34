//! From a matrix to stored blocks: each element to its nearest, scales searched under weights, or with feedback, so that later
//! columns make up for the errors of earlier ones.

use crate::Feedback;
use hob_quant::{
    Aims, Error, Lattice, TensorType, has_codebook, quantize_block_towards, quantize_row,
    quantize_row_weighted,
};
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
            Rounding::Feedback(feedback) if has_codebook(self.ty) => self.eights(feedback, w, bytes),
            Rounding::Feedback(feedback) => quantize_row_weighted(self.ty, w, &feedback.weights, bytes),
        }
    }

    fn with_feedback(&mut self, feedback: &Feedback, w: &[f32], bytes: &mut [u8]) -> Result<(), Error> {
        let n = self.ty.block_size();
        for (b, block) in bytes.chunks_exact_mut(self.ty.block_bytes()).enumerate() {
            let start = b * n;
            self.aim(feedback, w, start);
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

    /// As [`Row::with_feedback`], for types that store eight elements at a time.
    fn eights(&mut self, feedback: &Feedback, w: &[f32], bytes: &mut [u8]) -> Result<(), Error> {
        let n = self.ty.block_size();
        for (b, block) in bytes.chunks_exact_mut(self.ty.block_bytes()).enumerate() {
            let start = b * n;
            self.aim(feedback, w, start);
            let weights = &feedback.weights[start..start + n];
            let mut eights = Eights { feedback, w, start, aims: &self.aims, errors: vec![0.0; n] };
            quantize_block_towards(self.ty, &self.aims, weights, &mut eights, block)?;
            let errors = eights.errors;
            self.errors[start..start + n].copy_from_slice(&errors);
        }
        Ok(())
    }

    /// Where the columns of the block at `start` aim after the blocks before it.
    fn aim(&mut self, feedback: &Feedback, w: &[f32], start: usize) {
        for (i, aim) in self.aims.iter_mut().enumerate() {
            let m = &feedback.transposed[(start + i) * w.len()..][..start];
            *aim = w[start + i] + dot(&self.errors[..start], m);
        }
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

/// The elements of one block, eight at a time.
struct Eights<'a> {
    feedback: &'a Feedback,
    w: &'a [f32],
    start: usize,
    /// Where they aim after the blocks before this one.
    aims: &'a [f32],
    /// Error of every settled element, `w - q`.
    errors: Vec<f32>,
}

impl Aims for Eights<'_> {
    fn aim(&mut self, run: usize, x: &mut [f32; 8]) {
        let settled = 8 * run;
        for (at, x) in (settled..).zip(x) {
            let m = &self.feedback.transposed[(self.start + at) * self.w.len() + self.start..][..settled];
            *x = self.aims[at] + dot(&self.errors[..settled], m);
        }
    }

    fn settle(&mut self, run: usize, values: &[f32; 8]) {
        for (at, value) in (8 * run..).zip(values) {
            self.errors[at] = self.w[self.start + at] - value;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Curvature, Part};
    use hob_base::Random;
    use hob_kernels::{Compute, Cpu};
    use hob_quant::dequantize_row;

    /// What a matrix of 256 columns sees whose inputs hang together, and the matrix.
    fn part(rows: usize) -> (Part, Vec<f32>) {
        let (n, mut random) = (256, Random::new(8, 1));
        let mut part = Part::new(0..rows * n, n);
        for _ in 0..2 * n {
            let common: Vec<f32> = (0..8).map(|_| random.normal()).collect();
            let x: Vec<f32> =
                (0..n).map(|i| common[i % 8] + 0.5 * common[i / 32] + 0.7 * random.normal()).collect();
            for (i, to) in part.products.iter_mut().enumerate() {
                *to += x[i / n] * x[i % n];
            }
        }
        part.outputs.fill(1.0);
        (part, (0..rows * n).map(|_| 0.05 * random.normal()).collect())
    }

    #[test]
    fn feedback_costs_less_than_weights_alone_for_every_type() {
        let rows = 4;
        let (part, w) = part(rows);
        let curvature = Curvature::new(&part, 512);
        let feedback = curvature.feedback(&Cpu::new(1, Compute::Exact)).unwrap();
        let cpu = Cpu::new(1, Compute::Exact);
        let cost = |ty: TensorType, how| {
            let bytes = round_matrix(ty, &w, 256, how, 1).unwrap();
            let mut e = vec![0.0; w.len()];
            dequantize_row(ty, &bytes, &mut e);
            e.iter_mut().zip(&w).for_each(|(q, w)| *q = w - *q);
            curvature.cost(&cpu, &e, &[0, 1, 2, 3])
        };
        use TensorType as T;
        for ty in [T::Q4_0, T::Q2_K, T::Q4_K, T::IQ4_XS, T::IQ1_S, T::IQ2_XXS, T::IQ2_S, T::IQ3_XXS, T::IQ3_S]
        {
            let alone = cost(ty, Rounding::Weighted(&feedback.weights));
            let fed = cost(ty, Rounding::Feedback(&feedback));
            assert!(fed < 0.5 * alone, "{ty}: {fed} for {alone}");
        }
    }
}
