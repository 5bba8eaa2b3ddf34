//! One forward and one backward pass over a batch, and everything they keep between them.

mod attention;
mod gating;
mod layer;

use crate::layout::{Numbers, Sink};
use crate::network::{Linear, Network, NormAt};
use crate::ranges::round_to_step;
use gating::Gated;
use hob_kernels::{Buffer, Cpu, MatrixMut, MatrixView, RopeAngles, Sum};
use std::ops::Range;

/// Token ids of whole sequences, one after the other, and which of them belong together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[T]`.
    pub tokens: &'a [u32],
    /// Where the document of each token begins in `tokens`, `[T]`: nothing before it is seen. Not before the sequence.
    pub documents: &'a [usize],
    /// Tokens of a sequence.
    pub sequence: usize,
}

/// What a backward pass needs of one layer beside its input.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The residual stream between the layer's parts, `[T, D]`.
    x_mid: Vec<f32>,
    /// What the products of both parts see, `[T, D]`.
    attention_in: Vec<f32>,
    ffn_in: Vec<f32>,
    /// Queries and keys before their norms, where they have any.
    q_raw: Vec<f32>,
    k_raw: Vec<f32>,
    /// Values before theirs, where they are not the raw keys.
    v_raw: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    log_sums: Vec<f32>,
    out: Vec<f32>,
    /// What the parts add, before their norms, where they have any.
    attention_out: Vec<f32>,
    ffn_out: Vec<f32>,
    /// `[T, F]`, before the activation.
    gate: Vec<f32>,
    up: Vec<f32>,
    gated: Gated,
    /// The stream before it is scaled, where the layer does that.
    x_end: Vec<f32>,
}

/// Keys and values that several layers read, `[T, K * Dh]`, and the gradients that the borrowers leave.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    k: Vec<f32>,
    v: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

/// Memory of passes, kept from step to step; it grows with the largest batch.
#[derive(Debug, Default)]
pub struct Workspace {
    recompute: bool,
    /// The residual stream at each layer's start, `[T, D]`.
    inputs: Vec<Vec<f32>>,
    /// One per layer, or one for all where layers are computed again.
    saved: Vec<Saved>,
    /// The residual stream, and its gradient in backward.
    x: Vec<f32>,
    /// What the head sees, `[T, D]`.
    pub(crate) hidden: Vec<f32>,
    /// Its gradient, set by the objective.
    pub(crate) d_hidden: Vec<f32>,
    angles: Vec<RopeAngles>,
    /// The first token each token sees, per window.
    first: Vec<(usize, Vec<usize>)>,
    /// Of [`Network::lenders`].
    lent: Vec<Lent>,
    /// Gradient by the first stream that comes from layers' own inputs, `[T, D]`; empty where there are none.
    d_first: Vec<f32>,
}

impl Workspace {
    /// No memory yet.
    ///
    /// With `recompute` only the stream at each layer's start is kept, and a layer's forward pass runs again before its backward
    /// pass: a third more work for a small part of the memory.
    pub fn new(recompute: bool) -> Self {
        Self { recompute, ..Self::default() }
    }

    /// Changes what layers keep for `saved`, which several batches share that are in a layer one after the other.
    pub(crate) fn swap_saved(&mut self, saved: &mut Vec<Saved>) {
        debug_assert!(self.recompute, "else each layer keeps its own");
        std::mem::swap(&mut self.saved, saved);
    }

    /// Lets go of the stream before layer `i`.
    pub(crate) fn forget(&mut self, i: usize) {
        self.inputs[i] = Vec::new();
    }

    /// Memory for gradients of `tokens` tokens beside that by the stream: zeros.
    pub(crate) fn size_gradients(&mut self, network: &Network, tokens: usize) {
        let width = network.spec.hidden;
        sized(&mut self.d_hidden, tokens * width);
        sized(&mut self.d_first, if network.per_layer.is_some() { tokens * width } else { 0 }).fill(0.0);
        for (lent, layer) in self.lent.iter_mut().zip(&network.lenders) {
            let count = tokens * network.layers[*layer].lent_width() / 2;
            [&mut lent.dk, &mut lent.dv].into_iter().for_each(|x| sized(x, count).fill(0.0));
        }
    }

    /// All gradients on their way back.
    pub(crate) fn gradients(&self) -> impl Iterator<Item = &Vec<f32>> {
        let lent = self.lent.iter().flat_map(|l| [&l.dk, &l.dv]);
        [&self.d_hidden, &self.d_first].into_iter().chain(lent)
    }

    /// As [`Workspace::gradients`].
    pub(crate) fn gradients_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let lent = self.lent.iter_mut().flat_map(|l| [&mut l.dk, &mut l.dv]);
        [&mut self.d_hidden, &mut self.d_first].into_iter().chain(lent)
    }

    /// What the head sees of the last batch, `[T, D]`.
    pub fn hidden(&self) -> &[f32] {
        &self.hidden
    }
}

/// `v` with `len` elements of any value.
fn sized(v: &mut Vec<f32>, len: usize) -> &mut [f32] {
    v.resize(len, 0.0);
    v
}

/// A copy of `from` in `v`.
fn keep(v: &mut Vec<f32>, from: &[f32]) {
    v.clear();
    v.extend_from_slice(from);
}

/// What one matrix saw in a backward pass.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Where the matrix stands in the layout.
    pub weight: &'a Range<usize>,
    /// What it saw.
    pub what: Use<'a>,
}

/// How a matrix was used.
#[derive(Clone, Debug)]
pub enum Use<'a> {
    /// `y = x w^T`.
    Product {
        /// Columns of the matrix (`in`).
        inputs: usize,
        /// `[T, in]`.
        x: &'a [f32],
        /// Gradient of the loss by `y`, `[T, out]`.
        dy: &'a [f32],
    },
    /// Rows were looked up.
    Rows {
        /// Columns of the matrix.
        inputs: usize,
        /// Those that were.
        columns: Range<usize>,
        /// What they were multiplied with.
        scale: f32,
        /// `[T]`.
        tokens: &'a [u32],
        /// Gradient of the loss by what came out, `[T, columns]`.
        dy: &'a [f32],
    },
}

/// Hears what every matrix saw.
pub(crate) type Watch<'a> = &'a dyn Fn(Seen<'_>);

/// Hears what goes through every matrix.
pub type Listen<'a> = &'a dyn Fn(Heard<'_>);

/// What goes through a matrix in a forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Where the matrix stands in the layout.
    pub weight: &'a Range<usize>,
    /// Its columns (`in`).
    pub inputs: usize,
    /// What it is multiplied with, `[T, in]`.
    pub x: &'a [f32],
    /// What comes out, `[T, out]`; nothing where that was not computed.
    pub y: &'a [f32],
}

/// What every step of a pass needs.
struct Pass<'a> {
    cpu: &'a Cpu,
    net: &'a Network,
    params: Numbers<'a>,
    watch: Option<Watch<'a>>,
    listen: Option<Listen<'a>>,
    /// Tokens of the batch.
    tokens: usize,
    ids: &'a [u32],
    sequence: usize,
    angles: &'a [RopeAngles],
    first: &'a [(usize, Vec<usize>)],
}

impl Network {
    /// Computes what the head sees of `batch` into `work`.
    ///
    /// # Panics
    /// When a token is outside of the vocabulary, or the batch is not whole sequences.
    pub fn forward(&self, cpu: &Cpu, params: &[f32], batch: &Batch<'_>, work: &mut Workspace) {
        assert_eq!(params.len(), self.layout.len(), "the parameters of this network");
        let params = Numbers::all(params);
        self.enter(params, batch, work);
        for i in 0..self.layers.len() {
            self.forward_layer(cpu, params, i, batch, work, None);
        }
        self.leave(cpu, params, batch, work);
    }

    /// Embeds the tokens of `batch`.
    pub(crate) fn enter(&self, params: Numbers<'_>, batch: &Batch<'_>, work: &mut Workspace) {
        let tokens = batch.tokens.len();
        assert!(batch.sequence > 0 && tokens.is_multiple_of(batch.sequence), "whole sequences");
        assert_eq!(batch.documents.len(), tokens, "a document per token");
        self.prepare(batch, work);
        self.embed(params, batch.tokens, sized(&mut work.x, tokens * self.spec.hidden));
    }

    /// Takes the stream through layer `i`, and keeps its beginning for the way back.
    pub(crate) fn forward_layer(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        i: usize,
        batch: &Batch<'_>,
        work: &mut Workspace,
        listen: Option<Listen<'_>>,
    ) {
        let Workspace { recompute, inputs, saved, x, angles, first, lent, .. } = work;
        let pass = Pass { listen, ..self.pass(cpu, params, batch, angles, first, None) };
        keep(&mut inputs[i], x);
        pass.forward(&self.layers[i], &inputs[0], x, &mut saved[if *recompute { 0 } else { i }], lent);
    }

    /// What the head sees of the stream.
    pub(crate) fn leave(&self, cpu: &Cpu, params: Numbers<'_>, batch: &Batch<'_>, work: &mut Workspace) {
        let Workspace { x, hidden, angles, first, .. } = work;
        keep(hidden, x);
        if let Some(norm) = &self.final_norm {
            self.pass(cpu, params, batch, angles, first, None).norm(norm, self.spec.hidden, hidden);
        }
    }

    /// Adds the gradients of all parameters to `grads`, from `work.d_hidden` and what [`Network::forward`] left in `work`.
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        params: &[f32],
        grads: &mut Sink<'_>,
        batch: &Batch<'_>,
        work: &mut Workspace,
        watch: Option<Watch<'_>>,
    ) {
        let params = Numbers::all(params);
        self.leave_back(cpu, params, grads, batch, work);
        for i in (0..self.layers.len()).rev() {
            self.backward_layer(cpu, params, i, grads, batch, work, watch);
        }
        self.enter_back(cpu, grads, batch, work, watch);
    }

    /// Turns the gradient by what the head sees into that by the stream.
    pub(crate) fn leave_back(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        grads: &mut Sink<'_>,
        batch: &Batch<'_>,
        work: &mut Workspace,
    ) {
        work.size_gradients(self, batch.tokens.len());
        let Workspace { x, d_hidden, angles, first, .. } = work;
        if let Some(norm) = &self.final_norm {
            let pass = self.pass(cpu, params, batch, angles, first, None);
            pass.norm_grad(norm, self.spec.hidden, x, d_hidden, grads);
        }
    }

    /// Takes the gradient by the stream back through layer `i`.
    #[allow(clippy::too_many_arguments, reason = "those of a pass, and which layer")]
    pub(crate) fn backward_layer(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        i: usize,
        grads: &mut Sink<'_>,
        batch: &Batch<'_>,
        work: &mut Workspace,
        watch: Option<Watch<'_>>,
    ) {
        let Workspace { recompute, inputs, saved, x, d_hidden, angles, first, lent, d_first, .. } = work;
        let pass = self.pass(cpu, params, batch, angles, first, watch);
        let (layer, saved) = (&self.layers[i], &mut saved[if *recompute { 0 } else { i }]);
        if *recompute {
            keep(x, &inputs[i]);
            pass.forward(layer, &inputs[0], x, saved, lent);
        }
        if let Some(at) = &layer.output_scale {
            pass.scale_grad(at, &saved.x_end, d_hidden, grads);
        }
        if let Some(gating) = &layer.gating {
            pass.gating_grad(gating, &inputs[0], &mut saved.gated, d_hidden, d_first, grads);
        }
        pass.ffn_grad(layer, saved, d_hidden, grads);
        let back: Vec<RopeAngles> = angles.iter().map(opposite).collect();
        pass.attention_grad(layer, &inputs[i], saved, lent, &back, d_hidden, grads);
    }

    /// What the embedding learns from the gradient by its rows.
    pub(crate) fn enter_back(
        &self,
        cpu: &Cpu,
        grads: &mut Sink<'_>,
        batch: &Batch<'_>,
        work: &mut Workspace,
        watch: Option<Watch<'_>>,
    ) {
        let (d, e) = (self.spec.hidden, &self.spec.embedding);
        if self.per_layer.is_some() {
            cpu.add(&mut work.d_hidden, &work.d_first);
        }
        let dy = &work.d_hidden;
        if let Some(watch) = watch {
            let what = Use::Rows { inputs: d, columns: 0..d, scale: e.scale, tokens: batch.tokens, dy };
            watch(Seen { weight: &self.embedding, what });
        }
        if let Some(grads) = grads.at(&self.embedding) {
            add_rows(grads.chunks_exact_mut(d), batch.tokens, dy, e.scale, |id| e.row(id));
        }
    }

    fn pass<'a>(
        &'a self,
        cpu: &'a Cpu,
        params: Numbers<'a>,
        batch: &Batch<'a>,
        angles: &'a [RopeAngles],
        first: &'a [(usize, Vec<usize>)],
        watch: Option<Watch<'a>>,
    ) -> Pass<'a> {
        let (ids, sequence) = (batch.tokens, batch.sequence);
        Pass { cpu, net: self, params, watch, listen: None, tokens: ids.len(), ids, sequence, angles, first }
    }

    fn prepare(&self, batch: &Batch<'_>, work: &mut Workspace) {
        work.inputs.resize_with(self.layers.len(), Vec::new);
        work.lent.resize_with(self.lenders.len(), Lent::default);
        // Several batches may share what a layer keeps: then it is there already.
        work.saved.resize_with(if work.recompute { 1 } else { self.layers.len() }, Saved::default);
        let positions: Vec<usize> = (0..batch.tokens.len()).map(|t| t % batch.sequence).collect();
        work.angles = self.ropes.iter().map(|rope| rope.angles(&positions)).collect();
        work.first.clear();
        for layer in &self.layers {
            if work.first.iter().all(|(window, _)| *window != layer.window) {
                let seen = |(t, start): (usize, &usize)| (t + 1).saturating_sub(layer.window).max(*start);
                work.first.push((layer.window, batch.documents.iter().enumerate().map(seen).collect()));
            }
        }
    }

    fn embed(&self, params: Numbers<'_>, tokens: &[u32], x: &mut [f32]) {
        let (d, e) = (self.spec.hidden, &self.spec.embedding);
        let table = params.at(&self.embedding);
        for (id, row) in tokens.iter().zip(x.chunks_exact_mut(d)) {
            let from = &table[e.row(*id) * d..][..d];
            row.iter_mut().zip(from).for_each(|(x, w)| *x = w * e.scale);
        }
    }
}

/// The rotation back.
fn opposite(angles: &RopeAngles) -> RopeAngles {
    RopeAngles { sin: angles.sin.iter().map(|s| -s).collect(), ..angles.clone() }
}

/// `table[row(id)] += scale * x`, token after token: two tokens may be of one row.
fn add_rows<'a>(
    table: impl Iterator<Item = &'a mut [f32]>,
    tokens: &[u32],
    x: &[f32],
    scale: f32,
    row: impl Fn(u32) -> usize,
) {
    let mut table: Vec<&mut [f32]> = table.collect();
    let Some(width) = table.first().map(|r| r.len()) else { return };
    for (id, x) in tokens.iter().zip(x.chunks_exact(width)) {
        table[row(*id)].iter_mut().zip(x).for_each(|(g, x)| *g += scale * x);
    }
}

impl Pass<'_> {
    fn param(&self, range: &Range<usize>) -> &[f32] {
        self.params.at(range)
    }

    fn norm(&self, norm: &NormAt, width: usize, x: &mut [f32]) {
        self.cpu.rms_norm(x, width, Some(self.param(&norm.weight)), norm.eps);
    }

    /// Turns `dy` into `dx` for a norm over `x`.
    fn norm_grad(&self, norm: &NormAt, width: usize, x: &[f32], dy: &mut [f32], grads: &mut Sink<'_>) {
        let mut unwanted = Vec::new();
        let to = grads.at(&norm.weight).unwrap_or_else(|| sized(&mut unwanted, norm.weight.len()));
        self.cpu.rms_norm_grad(x, dy, width, Some((self.param(&norm.weight), to)), norm.eps);
    }

    fn weight(&self, linear: &Linear) -> MatrixView<'_> {
        MatrixView::new(self.param(&linear.weight), linear.outputs, linear.inputs)
    }

    /// `y = x w^T + b`.
    fn linear(&self, linear: &Linear, x: &[f32], y: &mut Vec<f32>) {
        let (steps, y) = (self.net.steps(&linear.weight), sized(y, self.tokens * linear.outputs));
        let rounded = self.rounded(x, steps.input);
        let from = MatrixView::new(rounded.as_deref().unwrap_or(x), self.tokens, linear.inputs);
        let to = MatrixMut::new(y, self.tokens, linear.outputs);
        self.cpu.gemm(from, self.weight(linear).transposed(), to, Sum::Replace, self.net.precision);
        if let Some(bias) = &linear.bias {
            let bias = self.param(bias);
            y.chunks_exact_mut(linear.outputs)
                .for_each(|y| y.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
        }
        if let Some(listen) = self.listen {
            listen(Heard { weight: &linear.weight, inputs: linear.inputs, x, y });
        }
        round_to_step(self.cpu, y, steps.output);
    }

    /// `x` as the matrix sees it, where that is not `x` itself.
    fn rounded(&self, x: &[f32], step: f32) -> Option<Buffer<f32>> {
        (step != 0.0).then(|| {
            let mut x = self.cpu.copy(x);
            round_to_step(self.cpu, &mut x, step);
            x
        })
    }

    /// Gradients of the weight and bias from the input `x` and the output's gradient `dy`.
    fn weight_grad(&self, linear: &Linear, x: &[f32], dy: &[f32], grads: &mut Sink<'_>) {
        let rounded = self.rounded(x, self.net.steps(&linear.weight).input);
        let x = rounded.as_deref().unwrap_or(x);
        if let Some(watch) = self.watch {
            let what = Use::Product { inputs: linear.inputs, x, dy };
            watch(Seen { weight: &linear.weight, what });
        }
        if let Some(to) = grads.at(&linear.weight) {
            let dy_view = MatrixView::new(dy, self.tokens, linear.outputs).transposed();
            let to = MatrixMut::new(to, linear.outputs, linear.inputs);
            let x = MatrixView::new(x, self.tokens, linear.inputs);
            self.cpu.gemm(dy_view, x, to, Sum::Add, self.net.precision);
        }
        if let Some(sums) = linear.bias.as_ref().and_then(|bias| grads.at(bias)) {
            for dy in dy.chunks_exact(linear.outputs) {
                sums.iter_mut().zip(dy).for_each(|(s, d)| *s += d);
            }
        }
    }

    /// `dx = dy w`, or added to it.
    fn input_grad(&self, linear: &Linear, dy: &[f32], dx: &mut Vec<f32>, sum: Sum) {
        let dx = sized(dx, self.tokens * linear.inputs);
        let from = MatrixView::new(dy, self.tokens, linear.outputs);
        let to = MatrixMut::new(dx, self.tokens, linear.inputs);
        self.cpu.gemm(from, self.weight(linear), to, sum, self.net.precision);
    }
}
