//! Phi-3, Phi-3.5 and Phi-4-mini: the plain decoder with fused matrices, a partial rotary width and longrope.
//!
//! Source: Abdin et al., arXiv:2404.14219; checkpoint layout as published.

use crate::config::Key;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::spec::{Fused, ModelSpec};
use crate::{Config, Error};
use hob_kernels::Mask;

pub(super) static NAMES: HfNames = HfNames { layer: &[("ffn_up", "mlp.gate_up_proj")], ..LLAMA_NAMES };

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let window = c.opt_usize(Key("attention.sliding_window", "sliding_window"))?.filter(|&w| w > 0);
    let mut s = c.base()?.each_attention(|_, a| a.mask = Mask::Causal { window });
    s.fused = Fused { qkv: true, gate_up: true };
    Ok(s)
}
