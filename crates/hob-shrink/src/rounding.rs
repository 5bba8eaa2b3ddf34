//! From a matrix to stored blocks: each element to its nearest, scales searched under weights, or with feedback, so that later
//! columns make up for the errors of earlier ones.

use crate::Feedback;
use hob_kernels::{Cpu, MatrixMut, MatrixView, Precision, Sum};
use hob_quant::{
    Aims, CodeFormat, Error, Lattice, RowFormat, TensorType, has_codebook, quantize_block_towards,
    quantize_row, quantize_row_weighted,
};
use hob_train::in_threads;
use std::ops::Range;

/// Weights that are rounded together: as many numbers are kept for their errors.
const WEIGHTS: usize = 1 << 25;

/// Columns that are settled before the errors of all rows are multiplied with the factors of the next ones.
const COLUMNS: usize = 256;

/// How weights are rounded where each stands for itself.
#[derive(Clone, Copy, Debug)]
pub enum Rounding<'a> {
    /// As the type's own quantiser does.
    Nearest,
    /// Scales that lower the error weighted by this importance of columns, `[in]`.
    Weighted(&'a [f32]),
}

/// Stores `w` (`[rows, in]`) as `format`.
///
/// # Errors
/// As `quantize_row`.
///
/// # Panics
/// When `inputs` is no whole number of blocks, or the lengths do not fit.
pub fn round_matrix(
    format: impl Into<RowFormat>,
    w: &[f32],
    inputs: usize,
    how: Rounding<'_>,
    threads: usize,
) -> Result<Vec<u8>, Error> {
    let format = format.into();
    let row_bytes = format.row_bytes(inputs).expect("whole blocks");
    let rows = w.len() / inputs;
    let mut bytes = vec![0; rows * row_bytes];
    let share = rows.div_ceil(threads.max(1)).max(1);
    let parts = w.chunks(share * inputs).zip(bytes.chunks_mut(share * row_bytes));
    in_threads(parts, |(w, bytes)| {
        let mut rows = w.chunks_exact(inputs).zip(bytes.chunks_exact_mut(row_bytes));
        rows.try_for_each(|(w, bytes)| match how {
            Rounding::Nearest => format.quantize_row(w, bytes),
            Rounding::Weighted(importance) => format.quantize_row_weighted(w, importance, bytes),
        })
    })?;
    Ok(bytes)
}

/// As [`round_matrix`], with feedback: each column aims at where it lowers what the row's errors cost together. Types that have
/// neither a lattice nor a codebook are searched under the feedback's weights.
///
/// # Errors
/// As `quantize_row`.
///
/// # Panics
/// As [`round_matrix`].
pub fn round_with_feedback(
    cpu: &Cpu,
    format: impl Into<RowFormat>,
    w: &[f32],
    inputs: usize,
    feedback: &Feedback,
    threads: usize,
) -> Result<Vec<u8>, Error> {
    let ty = match format.into() {
        RowFormat::Blocks(ty) => ty,
        RowFormat::Codes(codes) => return round_codes(codes, (w, inputs), feedback, threads),
    };
    if !Lattice::exists(ty) && !has_codebook(ty) {
        return round_matrix(ty, w, inputs, Rounding::Weighted(&feedback.weights), threads);
    }
    let row_bytes = ty.row_bytes(inputs).expect("whole blocks");
    let mut bytes = vec![0; w.len() / inputs * row_bytes];
    let rows = (WEIGHTS / inputs).max(1);
    for (w, bytes) in w.chunks(rows * inputs).zip(bytes.chunks_mut(rows * row_bytes)) {
        round_rows(cpu, ty, (w, inputs), feedback, threads, bytes)?;
    }
    Ok(bytes)
}

/// Stores some rows with feedback.
fn round_rows(
    cpu: &Cpu,
    ty: TensorType,
    (w, inputs): (&[f32], usize),
    feedback: &Feedback,
    threads: usize,
    bytes: &mut [u8],
) -> Result<(), Error> {
    let rows = w.len() / inputs;
    let row_bytes = bytes.len() / rows;
    // Error of every settled column, `w - q`.
    let mut errors = vec![0.0; rows * inputs];
    let share = rows.div_ceil(threads.max(1)).max(1);
    let step = COLUMNS.next_multiple_of(ty.block_size());
    for start in (0..inputs).step_by(step) {
        let columns = step.min(inputs - start);
        let mut aims = vec![0.0; rows * columns];
        for (aim, w) in aims.chunks_exact_mut(columns).zip(w.chunks_exact(inputs)) {
            aim.copy_from_slice(&w[start..start + columns]);
        }
        // What all columns before these have left to make up for: most of the work is this product.
        if start > 0 {
            let settled = MatrixView::of_wider(&errors, rows, start, inputs);
            let factors =
                MatrixView::of_wider(&feedback.transposed[start * inputs..], columns, start, inputs);
            let to = MatrixMut::new(&mut aims, rows, columns);
            cpu.gemm(settled, factors.transposed(), to, Sum::Add, Precision::F32);
        }
        let parts = w
            .chunks(share * inputs)
            .zip(aims.chunks(share * columns))
            .zip(errors.chunks_mut(share * inputs).zip(bytes.chunks_mut(share * row_bytes)));
        in_threads(parts, |((w, aims), (errors, bytes))| {
            let mut row = Row::new(ty, feedback, inputs);
            let ends = aims.chunks_exact(columns).zip(errors.chunks_exact_mut(inputs));
            let mut rows = w.chunks_exact(inputs).zip(ends).zip(bytes.chunks_exact_mut(row_bytes));
            rows.try_for_each(|((w, (aims, errors)), bytes)| {
                row.round(start..start + columns, w, aims, errors, bytes)
            })
        })?;
    }
    Ok(())
}

/// Scales of a group that are tried with feedback, as parts of the one that suits the group without.
const FACTORS: [f32; 5] = [1.0, 0.88, 0.94, 1.06, 1.12];

/// Stores rows of codes with feedback. A group's scale is settled when its columns are reached: of several the one with which the
/// errors of the group, fed back as they come, cost least.
fn round_codes(
    format: CodeFormat,
    (w, inputs): (&[f32], usize),
    feedback: &Feedback,
    threads: usize,
) -> Result<Vec<u8>, Error> {
    let row_bytes = format.row_bytes(inputs).expect("a format that fits was chosen");
    let rows = w.len() / inputs;
    let mut bytes = vec![0; rows * row_bytes];
    let share = rows.div_ceil(threads.max(1)).max(1);
    let parts = w.chunks(share * inputs).zip(bytes.chunks_mut(share * row_bytes));
    in_threads(parts, |(w, bytes)| {
        let mut row =
            CodeRow { format, feedback, w: &[], errors: vec![0.0; inputs], codes: vec![0.0; inputs] };
        for (w, bytes) in w.chunks_exact(inputs).zip(bytes.chunks_exact_mut(row_bytes)) {
            if let Some((position, &value)) = w.iter().enumerate().find(|(_, x)| !x.is_finite()) {
                return Err(Error::NotFinite { position, value });
            }
            row.w = w;
            let scales: Vec<f32> = (0..format.groups).map(|group| row.settle_group(group)).collect();
            format.store(&scales, &row.codes, bytes);
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// A row of codes that is being settled.
struct CodeRow<'a> {
    format: CodeFormat,
    feedback: &'a Feedback,
    w: &'a [f32],
    /// Error of every settled column, `w - q`.
    errors: Vec<f32>,
    codes: Vec<f32>,
}

impl CodeRow<'_> {
    /// Settles the columns of `group`; gives their scale.
    fn settle_group(&mut self, group: usize) -> f32 {
        let n = self.w.len();
        let width = n / self.format.groups;
        let columns = group * width..(group + 1) * width;
        let weights = &self.feedback.weights;
        let alone = self.format.fit(&self.w[columns.clone()], |i| weights[columns.start + i]);
        let trials = FACTORS.map(|factor| alone * factor);
        let mut best = (f32::INFINITY, alone);
        for scale in trials {
            let scale = CodeFormat::storable(scale);
            let cost = self.settle(columns.clone(), scale);
            if cost < best.0 {
                best = (cost, scale);
            }
        }
        self.settle(columns, best.1);
        best.1
    }

    /// Settles `columns` with `scale`; gives what their errors cost.
    fn settle(&mut self, columns: Range<usize>, scale: f32) -> f32 {
        let n = self.w.len();
        let mut cost = 0.0;
        for i in columns {
            let aim = self.w[i] + dot(&self.errors[..i], &self.feedback.transposed[i * n..][..i]);
            let code = self.format.nearest(aim, scale);
            let value = code * scale;
            self.codes[i] = code;
            self.errors[i] = self.w[i] - value;
            cost += self.feedback.weights[i] * (aim - value) * (aim - value);
        }
        cost
    }
}

/// Memory for rounding row after row.
struct Row<'a> {
    ty: TensorType,
    feedback: &'a Feedback,
    inputs: usize,
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
    fn new(ty: TensorType, feedback: &'a Feedback, inputs: usize) -> Self {
        let (n, bytes) = (ty.block_size(), ty.block_bytes());
        let trial = Trial { bytes: vec![0; bytes], errors: vec![0.0; n], cost: 0.0 };
        Self { ty, feedback, inputs, aims: vec![0.0; n], codes: vec![0; n], best: trial.clone(), trial }
    }

    /// Stores the columns `columns` of the row `w` in `bytes`. Where they aim after all columns before them is in `aims`; `errors`
    /// of the whole row gets theirs.
    fn round(
        &mut self,
        columns: Range<usize>,
        w: &[f32],
        aims: &[f32],
        errors: &mut [f32],
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let (n, block_bytes) = (self.ty.block_size(), self.ty.block_bytes());
        for start in columns.clone().step_by(n) {
            let settled = &errors[columns.start..start];
            for (i, aim) in self.aims.iter_mut().enumerate() {
                let at = (start + i) * self.inputs;
                let m = &self.feedback.transposed[at + columns.start..at + start];
                *aim = aims[start - columns.start + i] + dot(settled, m);
            }
            let block = &mut bytes[start / n * block_bytes..][..block_bytes];
            if has_codebook(self.ty) {
                self.eights(w, start, errors, block)?;
            } else {
                self.with_lattice(w, start, errors, block)?;
            }
        }
        Ok(())
    }

    fn with_lattice(
        &mut self,
        w: &[f32],
        start: usize,
        errors: &mut [f32],
        block: &mut [u8],
    ) -> Result<(), Error> {
        let n = self.ty.block_size();
        let weights = &self.feedback.weights[start..start + n];
        // The scales that suit the aims are not always those that suit the weights: the better end counts.
        quantize_row_weighted(self.ty, &self.aims, weights, &mut self.trial.bytes)?;
        self.settle(w, start);
        std::mem::swap(&mut self.trial, &mut self.best);
        quantize_row(self.ty, &self.aims, &mut self.trial.bytes)?;
        self.settle(w, start);
        if self.trial.cost < self.best.cost {
            std::mem::swap(&mut self.trial, &mut self.best);
        }
        errors[start..start + n].copy_from_slice(&self.best.errors);
        block.copy_from_slice(&self.best.bytes);
        Ok(())
    }

    /// As [`Row::with_lattice`], for types that store eight elements at a time.
    fn eights(&mut self, w: &[f32], start: usize, errors: &mut [f32], block: &mut [u8]) -> Result<(), Error> {
        let (n, feedback) = (self.ty.block_size(), self.feedback);
        let weights = &feedback.weights[start..start + n];
        let mut eights = Eights { feedback, w, start, aims: &self.aims, errors: vec![0.0; n] };
        quantize_block_towards(self.ty, &self.aims, weights, &mut eights, block)?;
        errors[start..start + n].copy_from_slice(&eights.errors);
        Ok(())
    }

    /// Chooses the codes of the trial's block for its scales, column after column.
    fn settle(&mut self, w: &[f32], start: usize) {
        let (feedback, inputs) = (self.feedback, self.inputs);
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

    /// Two steps, so that columns hear of errors before their own step.
    const COLS: usize = 512;

    /// What a matrix sees whose inputs hang together, and the matrix.
    fn part(rows: usize) -> (Part, Vec<f32>) {
        let (n, mut random) = (COLS, Random::new(8, 1));
        let mut part = Part::new(0..rows * n, n);
        for _ in 0..2 * n {
            let common: Vec<f32> = (0..16).map(|_| random.normal()).collect();
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
        let cpu = Cpu::new(1, Compute::Exact);
        let feedback = curvature.feedback(&cpu).unwrap();
        let cost = |format: RowFormat, bytes: &[u8]| {
            let mut e = vec![0.0; w.len()];
            format.dequantize(COLS, bytes, &mut e);
            e.iter_mut().zip(&w).for_each(|(q, w)| *q = w - *q);
            curvature.cost(&cpu, &e, &[0, 1, 2, 3])
        };
        use TensorType as T;
        let blocks =
            [T::Q4_0, T::Q2_K, T::Q4_K, T::IQ4_XS, T::IQ1_S, T::IQ2_XXS, T::IQ2_S, T::IQ3_XXS, T::IQ3_S];
        let codes = [CodeFormat::rows(2), CodeFormat::rows(4), CodeFormat { bits: 4, groups: 2 }];
        for ty in blocks.map(RowFormat::from).into_iter().chain(codes.map(RowFormat::Codes)) {
            let how = Rounding::Weighted(&feedback.weights);
            let alone = cost(ty, &round_matrix(ty, &w, COLS, how, 1).unwrap());
            let fed = round_with_feedback(&cpu, ty, &w, COLS, &feedback, 1).unwrap();
            assert!(cost(ty, &fed) < 0.5 * alone, "{ty}: {} for {alone}", cost(ty, &fed));
            assert!(fed == round_with_feedback(&cpu, ty, &w, COLS, &feedback, 3).unwrap(), "{ty}: threads");
        }
    }
}
