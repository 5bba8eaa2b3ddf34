//! One layer: attention, the feed-forward part, the layer's own input, and its scale.

use super::{Lent, Pass, Saved, keep};
use crate::layout::Sink;
use crate::network::{Layer, NormAt};
use hob_kernels::Sum;
use std::ops::Range;

impl Pass<'_> {
    /// The layer, in place on the residual stream `x`; `first` is the stream before all layers.
    pub(super) fn forward(
        &self,
        layer: &Layer,
        first: &[f32],
        x: &mut [f32],
        s: &mut Saved,
        lent: &mut [Lent],
    ) {
        self.attend(layer, x, s, lent);
        self.feed(layer, x, s);
        if let Some(gating) = &layer.gating {
            self.gate(gating, first, x, &mut s.gated);
        }
        if let Some(at) = &layer.output_scale {
            keep(&mut s.x_end, x);
            self.cpu.scale(x, self.param(at)[0]);
        }
    }

    fn feed(&self, layer: &Layer, x: &mut [f32], s: &mut Saved) {
        keep(&mut s.x_mid, x);
        keep(&mut s.ffn_in, x);
        if let Some(norm) = &layer.ffn_in {
            self.norm(norm, self.net.spec.hidden, &mut s.ffn_in);
        }
        self.linear(&layer.gate, &s.ffn_in, &mut s.gate);
        self.linear(&layer.up, &s.ffn_in, &mut s.up);
        let mut inner = self.cpu.copy(&s.gate);
        self.cpu.gated(layer.act, &mut inner, &s.up);
        self.linear(&layer.down, &inner, &mut s.ffn_out);
        self.add_part(layer.ffn_out.as_ref(), &s.ffn_out, x);
    }

    /// Adds what a part made to the stream, normalised first where the layer has a norm there.
    pub(super) fn add_part(&self, norm: Option<&NormAt>, part: &[f32], x: &mut [f32]) {
        match norm {
            Some(norm) => {
                let mut part = self.cpu.copy(part);
                self.norm(norm, self.net.spec.hidden, &mut part);
                self.cpu.add(x, &part);
            }
            None => self.cpu.add(x, part),
        }
    }

    /// Turns the gradient `dx` of the layer's output into that of what is scaled, `x`.
    pub(super) fn scale_grad(&self, at: &Range<usize>, x: &[f32], dx: &mut [f32], grads: &mut Sink<'_>) {
        if let Some(to) = grads.at(at) {
            let dot = |(x, d): (&[f32], &[f32])| {
                x.iter().zip(d).map(|(x, d)| f64::from(*x) * f64::from(*d)).sum::<f64>()
            };
            let width = self.net.spec.hidden;
            to[0] += x.chunks_exact(width).zip(dx.chunks_exact(width)).map(dot).sum::<f64>() as f32;
        }
        self.cpu.scale(dx, self.param(at)[0]);
    }

    /// Turns the gradient `dx` by the stream behind the feed-forward part into that before it. Uses up what is saved.
    pub(super) fn ffn_grad(&self, layer: &Layer, s: &mut Saved, dx: &mut [f32], grads: &mut Sink<'_>) {
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
}
