//! The attention part of a layer, and its gradient. Layers may read keys and values of an earlier one.

use super::{Lent, Pass, Saved, keep, sized};
use crate::layout::Sink;
use crate::network::{Layer, NormAt};
use hob_kernels::ops::training::attention::{Gradients, Inputs};
use hob_kernels::{Buffer, RopeAngles, Sum, TrainingAttention};

impl Pass<'_> {
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

    /// Turns the gradient `dx` by the stream behind attention into that before it, `x_in`. Uses up what is saved.
    #[allow(clippy::too_many_arguments, reason = "the running step in its parts")]
    pub(super) fn attention_grad(
        &self,
        layer: &Layer,
        x_in: &[f32],
        s: &mut Saved,
        lent: &mut [Lent],
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
        let (mut dq, mut dk, mut dv) = self.scores_grad(layer, s, lent, &d_out);
        self.turn_back(layer, layer.q_norm.as_ref(), &s.q_raw, back, &mut dq, grads);
        let mut d_in = std::mem::take(&mut s.attention_out);
        self.input_grad(&layer.q, &dq, &mut d_in, Sum::Replace);
        self.weight_grad(&layer.q, &s.attention_in, &dq, grads);
        match layer.borrows {
            Some(slot) => {
                let lent = &mut lent[slot];
                self.cpu.add(&mut lent.dk, &dk);
                self.cpu.add(&mut lent.dv, &dv);
            }
            None => {
                self.keys_grad(layer, s, back, (&mut dk, &mut dv), grads);
                for (linear, dy) in [(&layer.k, &dk), (&layer.v, &dv)] {
                    let Some(linear) = linear else { continue };
                    self.input_grad(linear, dy, &mut d_in, Sum::Add);
                    self.weight_grad(linear, &s.attention_in, dy, grads);
                }
            }
        }
        if let Some(norm) = &layer.attention_in {
            self.norm_grad(norm, d, x_in, &mut d_in, grads);
        }
        self.cpu.add(dx, &d_in);
        s.attention_out = d_in;
    }

    /// Attention, in place on the residual stream `x`.
    pub(super) fn attend(&self, layer: &Layer, x: &mut [f32], s: &mut Saved, lent: &mut [Lent]) {
        keep(&mut s.attention_in, x);
        if let Some(norm) = &layer.attention_in {
            self.norm(norm, self.net.spec.hidden, &mut s.attention_in);
        }
        self.linear(&layer.q, &s.attention_in, &mut s.q);
        self.turn(layer, layer.q_norm.as_ref(), layer.heads, &mut s.q_raw, &mut s.q);
        self.keys(layer, s);
        if let Some(slot) = layer.lends {
            keep(&mut lent[slot].k, &s.k);
            keep(&mut lent[slot].v, &s.v);
        }
        let out = sized(&mut s.out, s.q.len());
        let log_sums = sized(&mut s.log_sums, self.tokens * layer.heads);
        let (k, v) = layer.borrows.map_or((&s.k, &s.v), |slot| (&lent[slot].k, &lent[slot].v));
        self.cpu.training_attention(&self.attention(layer), Inputs { q: &s.q, k, v }, out, log_sums);
        self.linear(&layer.output, &s.out, &mut s.attention_out);
        self.add_part(layer.attention_out.as_ref(), &s.attention_out, x);
    }

    /// The layer's own keys and values, where it has them.
    fn keys(&self, layer: &Layer, s: &mut Saved) {
        let Some(linear) = &layer.k else { return };
        self.linear(linear, &s.attention_in, &mut s.k);
        match &layer.v {
            Some(linear) => self.linear(linear, &s.attention_in, &mut s.v),
            None => keep(&mut s.v, &s.k),
        }
        self.turn(layer, layer.k_norm.as_ref(), layer.kv_heads, &mut s.k_raw, &mut s.k);
        if let Some(eps) = layer.value_norm {
            keep(&mut s.v_raw, &s.v);
            self.cpu.rms_norm(&mut s.v, layer.head_dim, None, eps);
        }
    }

    /// Turns gradients by a layer's own keys and values into those by their projections, `dk` into both where values are keys.
    fn keys_grad(
        &self,
        layer: &Layer,
        s: &Saved,
        back: &[RopeAngles],
        (dk, dv): (&mut [f32], &mut [f32]),
        grads: &mut Sink<'_>,
    ) {
        self.turn_back(layer, layer.k_norm.as_ref(), &s.k_raw, back, dk, grads);
        if let Some(eps) = layer.value_norm {
            self.cpu.rms_norm_grad(&s.v_raw, dv, layer.head_dim, None, eps);
        }
        if layer.v.is_none() {
            self.cpu.add(dk, dv);
        }
    }

    /// Gradients by queries, keys and values from `d_out`, that by what attention gives; for keys and values that others read
    /// with what those left.
    fn scores_grad(
        &self,
        layer: &Layer,
        s: &Saved,
        lent: &[Lent],
        d_out: &[f32],
    ) -> (Buffer<f32>, Buffer<f32>, Buffer<f32>) {
        let (k, v) = layer.borrows.map_or((&s.k, &s.v), |slot| (&lent[slot].k, &lent[slot].v));
        let [mut dq, mut dk, mut dv] = [&s.q, k, v].map(|x| self.cpu.buffer(x.len()));
        let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv };
        let inputs = Inputs { q: &s.q, k, v };
        self.cpu.training_attention_grad(
            &self.attention(layer),
            inputs,
            &s.out,
            &s.log_sums,
            d_out,
            gradients,
        );
        if let Some(slot) = layer.lends {
            self.cpu.add(&mut dk, &lent[slot].dk);
            self.cpu.add(&mut dv, &lent[slot].dv);
        }
        (dq, dk, dv)
    }
}
