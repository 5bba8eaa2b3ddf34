//! A layer's own input: what a table says of each token for this layer, mixed with what the first stream says, gated into the
//! stream (Gemma 3n and 4).
//!
//! `p = (norm(first project^T / sqrt D) + sqrt(P) table[token]) / sqrt 2`, `x += norm(out (gelu(gate x) * p))`.

use super::{Pass, Seen, Use, keep};
use crate::layout::Sink;
use crate::network::{Gating, PerLayer};
use hob_kernels::{Activation, Sum};

/// What the gradient needs.
#[derive(Debug, Default)]
pub(crate) struct Gated {
    /// The stream before, `[T, D]`.
    x: Vec<f32>,
    /// What the first stream says, before its norm, `[T, P]`.
    first: Vec<f32>,
    /// The layer's own input `p`.
    own: Vec<f32>,
    /// Before the activation.
    gate: Vec<f32>,
    /// What is added, before its norm, `[T, D]`.
    out: Vec<f32>,
}

const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;

impl Pass<'_> {
    fn per_layer(&self) -> &PerLayer {
        self.net.per_layer.as_ref().expect("layers with inputs of their own have a table")
    }

    /// Factor on the rows of the table.
    fn table_scale(&self) -> f32 {
        (self.per_layer().width as f32).sqrt() * HALF_ROOT
    }

    /// Factor on what the first stream is projected to.
    fn first_scale(&self) -> f32 {
        1.0 / (self.net.spec.hidden as f32).sqrt()
    }

    /// In place on the residual stream `x`; `first` is the stream before all layers.
    pub(super) fn gate(&self, gating: &Gating, first: &[f32], x: &mut [f32], s: &mut Gated) {
        keep(&mut s.x, x);
        self.own_input(gating, first, s);
        self.linear(&gating.gate, x, &mut s.gate);
        let mut inner = self.cpu.copy(&s.gate);
        self.cpu.gated(Activation::GeluTanh, &mut inner, &s.own);
        self.linear(&gating.project, &inner, &mut s.out);
        self.add_part(Some(&gating.norm), &s.out, x);
    }

    fn own_input(&self, gating: &Gating, first: &[f32], s: &mut Gated) {
        let at = self.per_layer();
        self.linear(&gating.from_stream, first, &mut s.first);
        self.cpu.scale(&mut s.first, self.first_scale());
        keep(&mut s.own, &s.first);
        self.norm(&at.norm, at.width, &mut s.own);
        let (scale, columns) = (self.table_scale(), self.net.layers.len() * at.width);
        for (id, own) in self.ids.iter().zip(s.own.chunks_exact_mut(at.width)) {
            let row = self.params.row(&at.table, columns, self.net.spec.embedding.row(*id));
            let row = &row[gating.columns.clone()];
            own.iter_mut().zip(row).for_each(|(own, t)| *own = *own * HALF_ROOT + t * scale);
        }
    }

    /// Turns the gradient `dx` by the stream behind into that before, and adds that by the first stream to `d_first`. Uses up
    /// what is saved.
    pub(super) fn gating_grad(
        &self,
        gating: &Gating,
        first: &[f32],
        s: &mut Gated,
        dx: &mut Vec<f32>,
        d_first: &mut Vec<f32>,
        grads: &mut Sink<'_>,
    ) {
        let mut d_out = self.cpu.copy(dx);
        self.norm_grad(&gating.norm, self.net.spec.hidden, &s.out, &mut d_out, grads);
        let mut inner = Vec::new();
        self.input_grad(&gating.project, &d_out, &mut inner, Sum::Replace);
        self.cpu.gated_grad(Activation::GeluTanh, &mut s.gate, &mut s.own, &mut inner);
        self.weight_grad(&gating.project, &inner, &d_out, grads);
        self.weight_grad(&gating.gate, &s.x, &s.gate, grads);
        self.input_grad(&gating.gate, &s.gate, dx, Sum::Add);
        let d_own = &mut s.own;
        self.table_grad(gating, d_own, grads);
        let at = self.per_layer();
        self.cpu.scale(d_own, HALF_ROOT);
        self.norm_grad(&at.norm, at.width, &s.first, d_own, grads);
        self.cpu.scale(d_own, self.first_scale());
        self.weight_grad(&gating.from_stream, first, d_own, grads);
        self.input_grad(&gating.from_stream, d_own, d_first, Sum::Add);
    }

    fn table_grad(&self, gating: &Gating, d_own: &[f32], grads: &mut Sink<'_>) {
        let (at, scale) = (self.per_layer(), self.table_scale());
        let inputs = self.net.layers.len() * at.width;
        if let Some(watch) = self.watch {
            let columns = gating.columns.clone();
            let what = Use::Rows { inputs, columns, scale, tokens: self.ids, dy: d_own };
            watch(Seen { weight: &at.table, what });
        }
        if let Some(grads) = grads.at(&at.table) {
            let rows = grads.chunks_exact_mut(inputs).map(|row| &mut row[gating.columns.clone()]);
            super::add_rows(rows, self.ids, d_own, scale, |id| self.net.spec.embedding.row(id));
        }
    }
}
