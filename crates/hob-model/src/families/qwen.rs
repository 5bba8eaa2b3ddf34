//! Qwen2.5 (biases on query, key and value) and Qwen3 (a norm on each query and key head instead).
//!
//! Sources: Qwen2.5 technical report, arXiv:2412.15115; Qwen3 technical report, arXiv:2505.09388.

use crate::spec::{ModelSpec, QkNorm};
use crate::{Config, Error};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let norm = c.rms_norm(0.0)?;
    let third = c.architecture() == "qwen3";
    Ok(c.base()?.each_attention(|_, a| {
        a.qkv_bias = !third;
        a.qk_norm = third.then_some(QkNorm::PerHead(norm));
    }))
}
