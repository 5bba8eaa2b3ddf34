//! What every matrix of a model sees of a text, and how much the predictions depend on what it makes of it.
//!
//! Fisher's information is the curvature of the divergence of a model from itself. Labels are drawn from the model's own
//! distribution; then the expected square of the loss's gradient is that curvature. For `y = x w^T` the gradient by `w` is
//! `dy^T x` of every token, and its square is approximated by a product of one factor per side (Martens and Grosse,
//! arXiv:1503.05671), with the input's side weighted by how much each token matters:
//!
//! `divergence(w + e) = 1/2 sum over o of r[o] e[o] H e[o]^T`, `H = mean over tokens of s x^T x`, `s = sum over o of dy[o]^2`,
//! `r[o]` the share of output `o` in the sum of all `s`.

use hob_kernels::{Cpu, MatrixMut, MatrixView, Precision, Sum};
use hob_model::spec::TensorSpec;
use hob_train::data::Sequences;
use hob_train::{Batch, Goal, Network, Seen, Use, Workspace};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

/// Sequences that are computed at a time.
pub(crate) const AT_ONCE: usize = 4;

/// What one matrix saw.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it stands in the parameters: `out` rows of `inputs`.
    pub range: Range<usize>,
    /// Columns.
    pub inputs: usize,
    /// Sum over tokens of `s x^T x`, `[in, in]`; empty where it was only looked up.
    pub products: Vec<f32>,
    /// Sum over tokens of the squared gradient by each output, `[out]`.
    pub outputs: Vec<f64>,
    /// Sum over tokens of `x^2`, `[in]`: what importance matrices hold.
    pub squares: Vec<f64>,
    /// What was looked up, where rows were.
    pub lookups: Option<Lookups>,
}

/// What rows that are looked up saw. Columns that different layers look up have nothing to do with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookups {
    /// Columns that are looked up together (`C`).
    pub width: usize,
    /// Sum over tokens of `dy^T dy`, `[in / C, C, C]`.
    pub blocks: Vec<f32>,
    /// How often each row was, `[out]`.
    pub counts: Vec<u32>,
}

impl Lookups {
    /// The form of whole rows, `[in, in]`.
    pub fn form(&self) -> Vec<f32> {
        let c = self.width;
        let inputs = self.blocks.len() / c;
        let mut form = vec![0.0; inputs * inputs];
        for (row, (to, from)) in form.chunks_exact_mut(inputs).zip(self.blocks.chunks_exact(c)).enumerate() {
            to[row / c * c..][..c].copy_from_slice(from);
        }
        form
    }
}

/// What all matrices of a model saw.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// By the start of their range.
    pub parts: BTreeMap<usize, Part>,
    /// Tokens seen.
    pub tokens: usize,
}

/// Numbers of the form of a tensor's matrix.
pub(crate) fn form_numbers(tensor: &TensorSpec) -> u64 {
    if tensor.shape.len() > 1 { (tensor.shape[tensor.shape.len() - 1] as u64).pow(2) } else { 0 }
}

impl Part {
    pub(crate) fn new(range: Range<usize>, inputs: usize) -> Self {
        let outputs = range.len() / inputs;
        Self {
            range,
            inputs,
            products: vec![0.0; inputs * inputs],
            outputs: vec![0.0; outputs],
            squares: vec![0.0; inputs],
            lookups: None,
        }
    }

    fn product(&mut self, cpu: &Cpu, x: &[f32], dy: &[f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs.len());
        let mut weighted = x.to_vec();
        for (x, dy) in weighted.chunks_exact_mut(inputs).zip(dy.chunks_exact(outputs)) {
            x.iter().zip(&mut self.squares).for_each(|(x, s)| *s += f64::from(*x) * f64::from(*x));
            dy.iter().zip(&mut self.outputs).for_each(|(g, s)| *s += f64::from(*g) * f64::from(*g));
            let energy: f32 = dy.iter().map(|g| g * g).sum();
            x.iter_mut().for_each(|x| *x *= energy.sqrt());
        }
        add_square(cpu, &weighted, inputs, &mut self.products);
    }

    fn rows(
        &mut self,
        cpu: &Cpu,
        rows: impl Iterator<Item = usize>,
        columns: Range<usize>,
        (dy, scale): (&[f32], f32),
    ) {
        let (width, outputs) = (columns.len(), self.outputs.len());
        let fresh = || Lookups { width, blocks: vec![0.0; self.inputs * width], counts: vec![0; outputs] };
        let Lookups { blocks, counts, .. } = self.lookups.get_or_insert_with(fresh);
        let dy: Vec<f32> = dy.iter().map(|g| g * scale).collect();
        add_square(cpu, &dy, width, &mut blocks[columns.start * width..columns.end * width]);
        // Every token looks its row up once for each layer: that is one use of the row.
        if columns.start == 0 {
            rows.for_each(|row| counts[row] += 1);
        }
    }
}

/// `to += x^T x` for `x` of `[T, width]`.
fn add_square(cpu: &Cpu, x: &[f32], width: usize, to: &mut [f32]) {
    let x = MatrixView::new(x, x.len() / width, width);
    cpu.gemm(x.transposed(), x, MatrixMut::new(to, width, width), Sum::Add, Precision::F32);
}

impl Statistics {
    /// Adds what a matrix of `network` saw.
    pub(crate) fn hear(&mut self, cpu: &Cpu, network: &Network, seen: Seen<'_>) {
        let (Use::Product { inputs, .. } | Use::Rows { inputs, .. }) = seen.what;
        let part = self.parts.entry(seen.weight.start);
        let part = part.or_insert_with(|| match seen.what {
            Use::Product { .. } => Part::new(seen.weight.clone(), inputs),
            Use::Rows { .. } => Part { products: Vec::new(), ..Part::new(seen.weight.clone(), inputs) },
        });
        match seen.what {
            Use::Product { x, dy, .. } => part.product(cpu, x, dy),
            Use::Rows { columns, scale, tokens, dy, .. } => {
                let rows = tokens.iter().map(|t| network.spec().embedding.row(*t));
                part.rows(cpu, rows, columns, (dy, scale));
            }
        }
    }

    /// Reads `text` with the model that `params` are; `heard` is told the tokens done.
    pub fn collect(
        cpu: &Cpu,
        network: &Network,
        params: &[f32],
        text: &Sequences,
        sequence: usize,
        seed: u64,
        heard: &mut dyn FnMut(usize),
    ) -> Self {
        let all = RefCell::new(Self::default());
        let mut work = Workspace::new(false);
        let watch = |seen: Seen<'_>| all.borrow_mut().hear(cpu, network, seen);
        for (number, start) in (0..text.tokens.len()).step_by(AT_ONCE * sequence).enumerate() {
            let range = start..(start + AT_ONCE * sequence).min(text.tokens.len());
            let documents: Vec<usize> = text.documents[range.clone()].iter().map(|d| d - start).collect();
            let batch = Batch { tokens: &text.tokens[range.clone()], documents: &documents, sequence };
            let weights = vec![1.0; batch.tokens.len()];
            network.forward(cpu, params, &batch, &mut work);
            let goal = Goal::Own(seed.wrapping_add(number as u64));
            network.watch(cpu, params, &batch, &mut work, (goal, &weights), &watch);
            all.borrow_mut().tokens += batch.tokens.len();
            heard(all.borrow().tokens);
        }
        all.into_inner()
    }
}
