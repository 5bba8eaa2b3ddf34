//! The feed-forward part of a layer: gated, plain, or dense beside experts.

use crate::model::{ExpertWeights, FfnWeights, GatedWeights};
use crate::spec::{Experts, Ffn, Norm};
use hob_kernels::{Activation, Buffer, Cpu, Linear, Projection};

impl FfnWeights {
    /// `input`: the normed stream; `stream`: the residual stream itself, which routers read. Both `[T, D]`; so is the result.
    pub(crate) fn run(
        &self,
        cpu: &Cpu,
        spec: &Ffn,
        input: &[f32],
        stream: &[f32],
        tokens: usize,
    ) -> Buffer<f32> {
        match (self, spec) {
            (FfnWeights::Gated(w), Ffn::Gated { act, .. }) => w.run(cpu, *act, input, tokens),
            (FfnWeights::Plain { up, down }, Ffn::Plain { act, .. }) => {
                let mut inner = project(cpu, up, input, tokens);
                cpu.activate(*act, &mut inner);
                project(cpu, down, &inner, tokens)
            }
            (
                FfnWeights::DenseAndExperts { dense, experts, .. },
                Ffn::DenseAndExperts { act, experts: shape, norm, .. },
            ) => {
                let mut out = dense.run(cpu, *act, input, tokens);
                cpu.rms_norm(&mut out, experts.dense_out.len(), Some(&experts.dense_out), norm.eps);
                let mixed = experts.run(cpu, *shape, *act, *norm, stream, tokens);
                cpu.add(&mut out, &mixed);
                out
            }
            _ => unreachable!("weights are bound from the same description"),
        }
    }
}

impl GatedWeights {
    fn run(&self, cpu: &Cpu, act: Activation, input: &[f32], tokens: usize) -> Buffer<f32> {
        let width = self.gate.weight.rows();
        let (mut gate, mut up) = (cpu.buffer(tokens * width), cpu.buffer(tokens * width));
        cpu.project(
            input,
            tokens,
            &mut [
                Projection { linear: &self.gate, out: &mut gate },
                Projection { linear: &self.up, out: &mut up },
            ],
        );
        cpu.gated(act, &mut gate, &up);
        project(cpu, &self.down, &gate, tokens)
    }
}

/// One layer over its input.
pub(crate) fn project(cpu: &Cpu, linear: &Linear, x: &[f32], tokens: usize) -> Buffer<f32> {
    let mut out = cpu.buffer(tokens * linear.weight.rows());
    cpu.project(x, tokens, &mut [Projection { linear, out: &mut out }]);
    out
}

impl ExpertWeights {
    /// Routes every token to its best experts and sums their outputs by weight. `stream`, result: `[T, D]`.
    fn run(
        &self,
        cpu: &Cpu,
        shape: Experts,
        act: Activation,
        norm: Norm,
        stream: &[f32],
        tokens: usize,
    ) -> Buffer<f32> {
        let d = self.input.len();
        let mut routed = cpu.copy(stream);
        cpu.rms_norm(&mut routed, d, None, norm.eps);
        let root = 1.0 / (d as f32).sqrt();
        for row in routed.chunks_exact_mut(d) {
            row.iter_mut().zip(&self.router_scale).for_each(|(x, s)| *x *= s * root);
        }
        let scores = project(cpu, &self.router, &routed, tokens);
        let mut input = cpu.copy(stream);
        cpu.rms_norm(&mut input, d, Some(&self.input), norm.eps);

        // Tokens are gathered by expert, so that each expert's weights are read once.
        let mut members: Vec<Vec<(usize, f32)>> = vec![Vec::new(); shape.count];
        for (t, scores) in scores.chunks_exact(shape.count).enumerate() {
            for (expert, weight) in route(scores, shape.active) {
                members[expert].push((t, weight * self.expert_scale[expert]));
            }
        }
        let mut out = cpu.buffer(tokens * d);
        out.fill(0.0);
        for (weights, members) in self.experts.iter().zip(members).filter(|(_, m)| !m.is_empty()) {
            let mut gathered = cpu.buffer(members.len() * d);
            for (row, &(t, _)) in gathered.chunks_exact_mut(d).zip(&members) {
                row.copy_from_slice(&input[t * d..(t + 1) * d]);
            }
            let result = weights.run(cpu, act, &gathered, members.len());
            for (&(t, weight), row) in members.iter().zip(result.chunks_exact(d)) {
                cpu.add_scaled(&mut out[t * d..(t + 1) * d], weight, row);
            }
        }
        cpu.rms_norm(&mut out, d, Some(&self.output), norm.eps);
        out
    }
}

/// The `active` best experts with weights that sum to one; ties go to the lower index.
fn route(scores: &[f32], active: usize) -> Vec<(usize, f32)> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut ranked: Vec<(usize, f32)> = scores.iter().map(|s| (s - largest).exp()).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(active);
    let total: f32 = ranked.iter().map(|(_, p)| p).sum();
    ranked.iter_mut().for_each(|(_, p)| *p /= total);
    ranked
}

#[cfg(test)]
mod tests {
    #[test]
    fn routing_takes_the_best_and_sums_to_one() {
        let chosen = super::route(&[0.0, 2.0, 1.0, 2.0], 3);
        assert_eq!(chosen.iter().map(|c| c.0).collect::<Vec<_>>(), [1, 3, 2]);
        assert!((chosen.iter().map(|c| c.1).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(chosen[0].1, chosen[1].1);
    }
}
