//! Speed of making vectors of texts.

use std::time::Instant;

use hob_model::spec::Pooling;
use serde::Serialize;

use super::{Speed, Subject, prompt, repeated};
use crate::Error;

/// Texts to make vectors of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Vectors {
    /// Texts given at once.
    pub texts: usize,
    /// Tokens of each.
    pub tokens: usize,
}

/// Speed of making vectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorSpeed {
    /// What was made.
    #[serde(flatten)]
    pub what: Vectors,
    /// Vectors a second.
    pub vectors_s: Speed,
    /// Billions of multiply-accumulates with weights a second that these are.
    pub gmacs: f64,
    /// The share of the 8-bit dot peak, median to median.
    pub of_int8_peak: Option<f64>,
}

/// Calls of a run, so that a short one is not lost in the clock.
const CALLS: usize = 8;

pub(super) fn measure(on: &Subject<'_>, what: Vectors) -> Result<VectorSpeed, Error> {
    let texts: Vec<Vec<u32>> =
        (0..what.texts.max(1)).map(|i| prompt(on.model, what.tokens.max(1) + i).split_off(i)).collect();
    let pooling = on.model.pooling().unwrap_or(Pooling::Mean);
    let rates = repeated(on.bench, || {
        let start = Instant::now();
        for _ in 0..CALLS {
            on.engine.embed_many(&texts, Some(pooling))?;
        }
        Ok((CALLS * texts.len()) as f64 / start.elapsed().as_secs_f64())
    })?;
    let vectors_s = Speed::of(rates);
    let gmacs = (on.traffic.decode_macs * what.tokens as u64) as f64 * vectors_s.median / 1e9;
    let of_int8_peak = on.limits.and_then(|l| l.int8.as_ref()).map(|p| gmacs / p.gmacs.median);
    Ok(VectorSpeed { what, vectors_s, gmacs, of_int8_peak })
}
