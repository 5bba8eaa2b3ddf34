//! One forward and one backward pass over a batch, and everything they keep between them.

use crate::layout::{Numbers, Sink};
use crate::network::{Layer, Linear, Network, NormAt};
use hob_kernels::ops::training::attention::{Gradients, Inputs};
use hob_kernels::{Cpu, MatrixMut, MatrixView, RopeAngles, Sum, TrainingAttention};
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
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where the matrix stands in the layout.
    pub weight: &'a Range<usize>,
    /// What it saw.
    pub what: Use<'a>,
}

/// How a matrix was used.
#[derive(Clone, Copy, Debug)]
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
        /// `[T]`.
        tokens: &'a [u32],
        /// Gradient of the loss by the rows, `[T, D]`.
        dy: &'a [f32],
    },
}

/// Hears what every matrix saw.
pub(crate) type Watch<'a> = &'a dyn Fn(Seen<'_>);

/// Hears where a matrix stands, how many columns it has, and what it is multiplied with, `[T, in]`.
pub type Listen<'a> = &'a dyn Fn(&Range<usize>, usize, &[f32]);

/// What every step of a pass needs.
struct Pass<'a> {
    cpu: &'a Cpu,
    net: &'a Network,
    params: Numbers<'a>,
    watch: Option<Watch<'a>>,
    listen: Option<Listen<'a>>,
    /// Tokens of the batch.
    tokens: usize,
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
        let Workspace { recompute, inputs, saved, x, angles, first, .. } = work;
        let pass = Pass { listen, ..self.pass(cpu, params, batch, angles, first, None) };
        keep(&mut inputs[i], x);
        pass.forward(&self.layers[i], x, &mut saved[if *recompute { 0 } else { i }]);
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
        self.enter_back(grads, batch, work, watch);
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
        let Workspace { recompute, inputs, saved, x, d_hidden, angles, first, .. } = work;
        let pass = self.pass(cpu, params, batch, angles, first, watch);
        let (layer, saved) = (&self.layers[i], &mut saved[if *recompute { 0 } else { i }]);
        if *recompute {
            keep(x, &inputs[i]);
            pass.forward(layer, x, saved);
        }
        let back: Vec<RopeAngles> = angles.iter().map(opposite).collect();
        pass.backward(layer, &inputs[i], saved, &back, d_hidden, grads);
    }

    /// What the embedding learns from the gradient by its rows.
    pub(crate) fn enter_back(
        &self,
        grads: &mut Sink<'_>,
        batch: &Batch<'_>,
        work: &Workspace,
        watch: Option<Watch<'_>>,
    ) {
        let (d, e, dy) = (self.spec.hidden, &self.spec.embedding, &work.d_hidden);
        if let Some(watch) = watch {
            watch(Seen { weight: &self.embedding, what: Use::Rows { tokens: batch.tokens, dy } });
        }
        if let Some(grads) = grads.at(&self.embedding) {
            add_rows(grads.chunks_exact_mut(d), batch.tokens, dy, e.scale, |id| e.row(id));
        }
    }

    fn pass<'a>(
        &'a self,
        cpu: &'a Cpu,
        params: Numbers<'a>,
        batch: &Batch<'_>,
        angles: &'a [RopeAngles],
        first: &'a [(usize, Vec<usize>)],
        watch: Option<Watch<'a>>,
    ) -> Pass<'a> {
        let (tokens, sequence) = (batch.tokens.len(), batch.sequence);
        Pass { cpu, net: self, params, watch, listen: None, tokens, sequence, angles, first }
    }

    fn prepare(&self, batch: &Batch<'_>, work: &mut Workspace) {
        work.inputs.resize_with(self.layers.len(), Vec::new);
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
        if let Some(listen) = self.listen {
            listen(&linear.weight, linear.inputs, x);
        }
        let y = sized(y, self.tokens * linear.outputs);
        let from = MatrixView::new(x, self.tokens, linear.inputs);
        let to = MatrixMut::new(y, self.tokens, linear.outputs);
        self.cpu.gemm(from, self.weight(linear).transposed(), to, Sum::Replace, self.net.precision);
        if let Some(bias) = &linear.bias {
            let bias = self.param(bias);
            y.chunks_exact_mut(linear.outputs)
                .for_each(|y| y.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
        }
    }

    /// Gradients of the weight and bias from the input `x` and the output's gradient `dy`.
    fn weight_grad(&self, linear: &Linear, x: &[f32], dy: &[f32], grads: &mut Sink<'_>) {
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

    fn first(&self, layer: &Layer) -> &[usize] {
        let found = self.first.iter().find(|(window, _)| *window == layer.window);
        &found.expect("prepared for every layer's window").1
    }

    fn attention<'b>(&'b self, layer: &Layer) -> TrainingAttention<'b> {
        TrainingAttention {
            heads: layer.heads,
            kv_heads: layer.kv_heads,
            head_dim: layer.head_dim,
            scale: layer.scale,
            softcap: layer.softcap,
            sequence: self.sequence,
            first: self.first(layer),
            precision: self.net.precision,
        }
    }

    /// Queries or keys from their raw projections: norm, then rotation.
    fn turn(&self, layer: &Layer, norm: Option<&NormAt>, heads: usize, raw: &mut Vec<f32>, x: &mut [f32]) {
        if let Some(norm) = norm {
            keep(raw, x);
            self.norm(norm, norm.weight.len(), x);
        }
        if let Some(rope) = layer.rope {
            self.cpu.rope(x, heads, layer.head_dim, self.net.spec.rope_layout, &self.angles[rope]);
        }
    }

    fn turn_back(
        &self,
        layer: &Layer,
        norm: Option<&NormAt>,
        raw: &[f32],
        back: &[RopeAngles],
        dx: &mut [f32],
        grads: &mut Sink<'_>,
    ) {
        if let Some(rope) = layer.rope {
            let heads = dx.len() / self.tokens / layer.head_dim;
            self.cpu.rope(dx, heads, layer.head_dim, self.net.spec.rope_layout, &back[rope]);
        }
        if let Some(norm) = norm {
            self.norm_grad(norm, norm.weight.len(), raw, dx, grads);
        }
    }

    /// The layer, in place on the residual stream `x`.
    fn forward(&self, layer: &Layer, x: &mut [f32], s: &mut Saved) {
        let d = self.net.spec.hidden;
        keep(&mut s.attention_in, x);
        if let Some(norm) = &layer.attention_in {
            self.norm(norm, d, &mut s.attention_in);
        }
        self.linear(&layer.q, &s.attention_in, &mut s.q);
        self.linear(&layer.k, &s.attention_in, &mut s.k);
        self.linear(&layer.v, &s.attention_in, &mut s.v);
        self.turn(layer, layer.q_norm.as_ref(), layer.heads, &mut s.q_raw, &mut s.q);
        self.turn(layer, layer.k_norm.as_ref(), layer.kv_heads, &mut s.k_raw, &mut s.k);
        let inputs = Inputs { q: &s.q, k: &s.k, v: &s.v };
        let (out, log_sums) =
            (sized(&mut s.out, s.q.len()), sized(&mut s.log_sums, self.tokens * layer.heads));
        self.cpu.training_attention(&self.attention(layer), inputs, out, log_sums);
        self.linear(&layer.output, &s.out, &mut s.attention_out);
        self.add_part(layer.attention_out.as_ref(), &s.attention_out, x);
        keep(&mut s.x_mid, x);
        keep(&mut s.ffn_in, x);
        if let Some(norm) = &layer.ffn_in {
            self.norm(norm, d, &mut s.ffn_in);
        }
        self.linear(&layer.gate, &s.ffn_in, &mut s.gate);
        self.linear(&layer.up, &s.ffn_in, &mut s.up);
        let mut inner = self.cpu.copy(&s.gate);
        self.cpu.gated(layer.act, &mut inner, &s.up);
        self.linear(&layer.down, &inner, &mut s.ffn_out);
        self.add_part(layer.ffn_out.as_ref(), &s.ffn_out, x);
    }

    /// Adds what a part made to the stream, normalised first where the layer has a norm there.
    fn add_part(&self, norm: Option<&NormAt>, part: &[f32], x: &mut [f32]) {
        match norm {
            Some(norm) => {
                let mut part = self.cpu.copy(part);
                self.norm(norm, self.net.spec.hidden, &mut part);
                self.cpu.add(x, &part);
            }
            None => self.cpu.add(x, part),
        }
    }

    /// Turns the gradient `dx` of the layer's output into that of its input. Uses up what is saved.
    fn backward(
        &self,
        layer: &Layer,
        x_in: &[f32],
        s: &mut Saved,
        back: &[RopeAngles],
        dx: &mut [f32],
        grads: &mut Sink<'_>,
    ) {
        self.ffn_grad(layer, s, dx, grads);
        self.attention_grad(layer, x_in, s, back, dx, grads);
    }

    fn ffn_grad(&self, layer: &Layer, s: &mut Saved, dx: &mut [f32], grads: &mut Sink<'_>) {
        let d = self.net.spec.hidden;
        let mut d_part = self.cpu.copy(dx);
        if let Some(norm) = &layer.ffn_out {
            self.norm_grad(norm, d, &s.ffn_out, &mut d_part, grads);
        }
        let mut inner = Vec::new();
        self.input_grad(&layer.down, &d_part, &mut inner, Sum::Replace);
        self.cpu.gated_grad(layer.act, &mut s.gate, &mut s.up, &mut inner);
        self.weight_grad(&layer.down, &inner, &d_part, grads);
        let mut d_in = std::mem::take(&mut s.ffn_out);
        self.input_grad(&layer.gate, &s.gate, &mut d_in, Sum::Replace);
        self.input_grad(&layer.up, &s.up, &mut d_in, Sum::Add);
        self.weight_grad(&layer.gate, &s.ffn_in, &s.gate, grads);
        self.weight_grad(&layer.up, &s.ffn_in, &s.up, grads);
        if let Some(norm) = &layer.ffn_in {
            self.norm_grad(norm, d, &s.x_mid, &mut d_in, grads);
        }
        self.cpu.add(dx, &d_in);
        s.ffn_out = d_in;
    }

    fn attention_grad(
        &self,
        layer: &Layer,
        x_in: &[f32],
        s: &mut Saved,
        back: &[RopeAngles],
        dx: &mut [f32],
        grads: &mut Sink<'_>,
    ) {
        let d = self.net.spec.hidden;
        let mut d_part = self.cpu.copy(dx);
        if let Some(norm) = &layer.attention_out {
            self.norm_grad(norm, d, &s.attention_out, &mut d_part, grads);
        }
        let mut d_out = Vec::new();
        self.input_grad(&layer.output, &d_part, &mut d_out, Sum::Replace);
        self.weight_grad(&layer.output, &s.out, &d_part, grads);
        let [mut dq, mut dk, mut dv] = [&s.q, &s.k, &s.v].map(|x| self.cpu.buffer(x.len()));
        let inputs = Inputs { q: &s.q, k: &s.k, v: &s.v };
        let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv };
        self.cpu.training_attention_grad(
            &self.attention(layer),
            inputs,
            &s.out,
            &s.log_sums,
            &d_out,
            gradients,
        );
        self.turn_back(layer, layer.q_norm.as_ref(), &s.q_raw, back, &mut dq, grads);
        self.turn_back(layer, layer.k_norm.as_ref(), &s.k_raw, back, &mut dk, grads);
        let mut d_in = std::mem::take(&mut s.attention_out);
        for (i, (linear, dy)) in [(&layer.q, &dq), (&layer.k, &dk), (&layer.v, &dv)].into_iter().enumerate() {
            self.input_grad(linear, dy, &mut d_in, if i == 0 { Sum::Replace } else { Sum::Add });
            self.weight_grad(linear, &s.attention_in, dy, grads);
        }
        if let Some(norm) = &layer.attention_in {
            self.norm_grad(norm, d, x_in, &mut d_in, grads);
        }
        self.cpu.add(dx, &d_in);
        s.attention_out = d_in;
    }
}
