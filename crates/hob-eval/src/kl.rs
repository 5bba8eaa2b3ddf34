//! KL divergence between two models' next-token distributions over the same tokens: what a quantisation changed.
//!
//! The same positions are scored as for perplexity (`score.rs`). Both models run side by side, a few rows of logits at a
//! time, so that nothing is written to disk and memory does not grow with the vocabulary.

use hob_kernels::Cpu;
use hob_model::Model;
use serde::Serialize;

use crate::perplexity::Perplexity;
use crate::score::{Moments, Pass, log_sum_exp};
use crate::{Error, Windows};

/// How far a model's distributions are from a reference's. Divergences are in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Divergence {
    /// Mean of `KL(reference || other)` over the scored tokens.
    pub mean: f64,
    /// Its standard error.
    pub mean_error: f64,
    /// The divergence that half of the tokens stay below.
    pub median: f64,
    /// The divergence that 99 % of the tokens stay below.
    pub p99: f64,
    /// The divergence that 99.9 % of the tokens stay below.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Share of tokens where both models rank the same token first.
    pub same_top: f64,
    /// Its standard error.
    pub same_top_error: f64,
    /// Logarithm of the perplexities' ratio, other to reference: what a token costs more, in nats.
    pub log_ratio: f64,
    /// Its standard error, from the differences token by token, which vary much less than the perplexities do.
    pub log_ratio_error: f64,
    /// The reference's perplexity on the scored tokens.
    pub reference: Perplexity,
    /// The other model's.
    pub other: Perplexity,
}

/// One scored token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<'a> {
    /// What both models have read of the window.
    pub before: &'a [u32],
    /// What followed.
    pub next: u32,
    /// The token that the reference finds most probable, and the one that the other model does.
    pub tops: [u32; 2],
    /// `KL(reference || other)`, in nats.
    pub divergence: f64,
}

/// What is told while two models read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard<'a> {
    /// A token was scored.
    Token(Scored<'a>),
    /// A window ended: the figures so far.
    Window(&'a Divergence),
}

/// Divergence of `other` from `reference` over a stream of tokens.
///
/// Holds one window, a few rows of logits of each model and 4 bytes per scored token.
///
/// # Errors
/// [`Error::Vocabularies`] when the models' differ, [`Error::TooFewTokens`] without a full window, [`Error::NotFinite`],
/// and what a model refuses.
pub fn kl_divergence(
    reference: &Model,
    other: &Model,
    cpu: &Cpu,
    tokens: impl IntoIterator<Item = u32>,
    windows: Windows,
    heard: &mut dyn FnMut(Heard<'_>),
) -> Result<Divergence, Error> {
    let (a, b) = (reference.spec().vocab, other.spec().vocab);
    if a != b {
        return Err(Error::Vocabularies { reference: a, other: b });
    }
    let mut cut = windows.cut(tokens);
    let mut tally = Tally::default();
    while let Some(window) = cut.next() {
        let (inputs, first) = (&window[..window.len() - 1], windows.first_scored());
        let mut p = Pass::new(reference, cpu, windows.kv, inputs, first)?;
        let mut q = Pass::new(other, cpu, windows.kv, inputs, first)?;
        let mut at = first + 1;
        // Rows come in equal numbers, since they depend on the vocabulary alone.
        while let (Some(p), Some(q)) = (p.next()?, q.next()?) {
            for (p, q) in p.chunks_exact(a).zip(q.chunks_exact(a)) {
                let (before, next) = (&window[..at], window[at]);
                let (divergence, tops) = tally.add(p, q, next as usize)?;
                heard(Heard::Token(Scored { before, next, tops, divergence }));
                at += 1;
            }
        }
        tally.windows += 1;
        heard(Heard::Window(&tally.divergence()));
    }
    if tally.windows == 0 { Err(cut.too_few()) } else { Ok(tally.divergence()) }
}

#[derive(Default)]
struct Tally {
    windows: u64,
    divergences: Moments,
    all: Vec<f32>,
    same_top: u64,
    /// What each token costs more with the other model.
    differences: Moments,
    reference: Moments,
    other: Moments,
}

impl Tally {
    /// Takes in the scores of one token; gives its divergence and what each model ranks first.
    fn add(&mut self, p: &[f32], q: &[f32], target: usize) -> Result<(f64, [u32; 2]), Error> {
        let broken = Error::NotFinite { token: self.divergences.count };
        let (Some((p_total, p_top)), Some((q_total, q_top))) = (log_sum_exp(p), log_sum_exp(q)) else {
            return Err(broken);
        };
        let mut sum = 0.0;
        for (&p, &q) in p.iter().zip(q) {
            let log_p = f64::from(p) - p_total;
            // A token that the reference excludes adds nothing, whatever the other model thinks of it.
            if p > f32::NEG_INFINITY {
                sum += log_p.exp() * (log_p - (f64::from(q) - q_total));
            }
        }
        // The sum of rounded terms may fall a little below zero, where the divergence of equals lies.
        let divergence = sum.max(0.0);
        self.divergences.add(divergence);
        self.all.push(divergence as f32);
        self.same_top += u64::from(p_top == q_top);
        let nll = |row: &[f32], total: f64| {
            total - f64::from(row.get(target).copied().unwrap_or(f32::NEG_INFINITY))
        };
        let (reference, other) = (nll(p, p_total), nll(q, q_total));
        self.reference.add(reference);
        self.other.add(other);
        self.differences.add(other - reference);
        Ok((divergence, [p_top, q_top].map(|top| top as u32)))
    }

    fn divergence(&self) -> Divergence {
        let mut sorted = self.all.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let same_top = self.same_top as f64 / self.all.len() as f64;
        Divergence {
            mean: self.divergences.mean(),
            mean_error: self.divergences.error(),
            median: quantile(&sorted, 0.5),
            p99: quantile(&sorted, 0.99),
            p999: quantile(&sorted, 0.999),
            max: quantile(&sorted, 1.0),
            log_ratio: self.differences.mean(),
            log_ratio_error: self.differences.error(),
            same_top,
            same_top_error: (same_top * (1.0 - same_top) / (self.all.len().max(2) - 1) as f64).sqrt(),
            reference: Perplexity::new(&self.reference, self.windows),
            other: Perplexity::new(&self.other, self.windows),
        }
    }
}

/// The value below which a share of `sorted` lies, between neighbours where it falls between them.
fn quantile(sorted: &[f32], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = share * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    f64::from(low) + at.fract() * (f64::from(high) - f64::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_of_known_distributions() {
        let mut tally = Tally::default();
        // p = (1/2, 1/2), q = (1/4, 3/4).
        tally.add(&[0.0, 0.0], &[0.0, 3f32.ln()], 0).unwrap();
        let expected = 0.5 * 2f64.ln() + 0.5 * (2.0f64 / 3.0).ln();
        let d = tally.divergence();
        assert!((d.mean - expected).abs() < 1e-7);
        assert_eq!(d.same_top, 0.0);
        assert!((d.reference.nll - 2f64.ln()).abs() < 1e-7);
        assert!((d.other.nll - 4f64.ln()).abs() < 1e-7);
        assert!((d.log_ratio - 2f64.ln()).abs() < 1e-7 && d.log_ratio_error == 0.0);
        // The same distribution, shifted logits.
        tally.add(&[1.0, 2.0, f32::NEG_INFINITY], &[4.0, 5.0, f32::NEG_INFINITY], 1).unwrap();
        let d = tally.divergence();
        assert!((d.mean - expected / 2.0).abs() < 1e-6);
        assert_eq!(d.same_top, 0.5);
        assert!((d.max - expected).abs() < 1e-7);
        assert!(matches!(tally.add(&[0.0, f32::NAN], &[0.0, 0.0], 0), Err(Error::NotFinite { token: 2 })));
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [0.0, 1.0, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 1.0].map(|s| quantile(&sorted, s)), [0.0, 1.5, 3.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
