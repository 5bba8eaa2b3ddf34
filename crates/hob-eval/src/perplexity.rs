//! Perplexity: `exp` of the mean negative log-likelihood of the scored tokens. `score.rs` says which those are.

use hob_kernels::{Cpu, KvType};
use hob_model::Model;
use serde::Serialize;

use crate::score::{Moments, Pass, log_sum_exp};
use crate::{Error, Windows};

/// A perplexity and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Perplexity {
    /// `exp(nll)`.
    pub perplexity: f64,
    /// Its standard error: `perplexity * nll_error`.
    pub perplexity_error: f64,
    /// Mean negative log-likelihood of a scored token, in nats.
    pub nll: f64,
    /// Its standard error.
    pub nll_error: f64,
    /// Tokens scored.
    pub tokens: u64,
    /// Windows they stand in.
    pub windows: u64,
}

impl Perplexity {
    pub(crate) fn new(nlls: &Moments, windows: u64) -> Self {
        let (nll, nll_error) = (nlls.mean(), nlls.error());
        let perplexity = nll.exp();
        Self {
            perplexity,
            perplexity_error: perplexity * nll_error,
            nll,
            nll_error,
            tokens: nlls.count,
            windows,
        }
    }
}

/// Perplexity of `model` on a stream of tokens, of which one window is held at a time. `progress` hears the figure after
/// each window.
///
/// # Errors
/// [`Error::TooFewTokens`] without a full window, [`Error::NotFinite`], and what the model refuses.
pub fn perplexity(
    model: &Model,
    cpu: &Cpu,
    tokens: impl IntoIterator<Item = u32>,
    windows: Windows,
    progress: &mut dyn FnMut(&Perplexity),
) -> Result<Perplexity, Error> {
    let mut cut = windows.cut(tokens);
    let (mut nlls, mut done) = (Moments::default(), 0);
    while let Some(window) = cut.next() {
        score(model, cpu, windows.kv, window, windows.first_scored(), &mut nlls)?;
        done += 1;
        progress(&Perplexity::new(&nlls, done));
    }
    if done == 0 { Err(cut.too_few()) } else { Ok(Perplexity::new(&nlls, done)) }
}

/// Negative log-likelihood of `tokens[known..]`, each given all before it: the sum in nats. At least one token must be known.
///
/// # Errors
/// [`Error::TooFewTokens`] where nothing is known or nothing to be scored, [`Error::NotFinite`], and what the model refuses.
pub fn nll(model: &Model, cpu: &Cpu, kv: KvType, tokens: &[u32], known: usize) -> Result<f64, Error> {
    if known == 0 || tokens.len() <= known {
        return Err(Error::TooFewTokens { found: tokens.len(), needed: known.max(1) + 1 });
    }
    let mut nlls = Moments::default();
    score(model, cpu, kv, tokens, known - 1, &mut nlls)?;
    Ok(nlls.sum())
}

/// Adds the negative log-likelihoods of `tokens[first + 1..]`.
fn score(
    model: &Model,
    cpu: &Cpu,
    kv: KvType,
    tokens: &[u32],
    first: usize,
    nlls: &mut Moments,
) -> Result<(), Error> {
    let mut targets = tokens[first + 1..].iter();
    let mut pass = Pass::new(model, cpu, kv, &tokens[..tokens.len() - 1], first)?;
    while let Some(logits) = pass.next()? {
        for (row, &target) in logits.chunks_exact(model.spec().vocab).zip(targets.by_ref()) {
            let (total, _) = log_sum_exp(row).ok_or(Error::NotFinite { token: nlls.count })?;
            let target = row.get(target as usize).copied().unwrap_or(f32::NEG_INFINITY);
            nlls.add(total - f64::from(target));
        }
    }
    Ok(())
}
