//! One pass of a model over a window of tokens, giving logits a few rows at a time.
//!
//! What is scored, here and for KL divergence, is what llama.cpp's perplexity tool scores, so that figures compare
//! (`tools/perplexity/perplexity.cpp`, read at commit 050fc7f):
//!
//! - the text's tokens, BOS included where the vocabulary wants one, are cut into windows of `length` tokens; what does
//!   not fill a window is left out;
//! - each window starts with an empty cache, and its first token is replaced by BOS where the vocabulary wants one;
//! - the first half of a window is context only: the tokens at `length / 2 + 1 .. length` are scored, each by the logits
//!   of the token before it.

use hob_kernels::{Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};

use crate::Error;

/// Tokens of one forward pass; bounds the memory for activations.
const STEP_TOKENS: usize = 512;
/// Memory for logits at a time. A row of 262,144 takes 1 MiB.
const LOGITS_BYTES: usize = 16 << 20;

/// How a token stream is cut.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Tokens of a window, at least 4. llama.cpp's default is 512.
    pub length: usize,
    /// Takes the place of each window's first token. Give the vocabulary's BOS where it adds one to texts.
    pub bos: Option<u32>,
    /// Windows to score at most.
    pub count_max: Option<usize>,
    /// Element type of the cache; llama.cpp's default is f16.
    pub kv: KvType,
}

impl Default for Windows {
    fn default() -> Self {
        Self { length: 512, bos: None, count_max: None, kv: KvType::F16 }
    }
}

impl Windows {
    /// The windows of `tokens`, each with its first token replaced.
    pub(crate) fn cut(self, tokens: impl IntoIterator<Item = u32>) -> Cut<impl Iterator<Item = u32>> {
        assert!(self.length >= 4, "a window has tokens to score and tokens before them");
        Cut { tokens: tokens.into_iter(), windows: self, given: 0, window: Vec::with_capacity(self.length) }
    }

    /// Index of the first token whose logits are scored.
    pub(crate) fn first_scored(self) -> usize {
        self.length / 2
    }
}

/// A stream of tokens, window by window.
pub(crate) struct Cut<I> {
    tokens: I,
    windows: Windows,
    given: usize,
    window: Vec<u32>,
}

impl<I: Iterator<Item = u32>> Cut<I> {
    /// The next full window, or `None` at the end.
    pub fn next(&mut self) -> Option<&[u32]> {
        if self.windows.count_max.is_some_and(|max| self.given >= max) {
            return None;
        }
        self.window.clear();
        self.window.extend(self.tokens.by_ref().take(self.windows.length));
        if self.window.len() < self.windows.length {
            return None;
        }
        if let Some(bos) = self.windows.bos {
            self.window[0] = bos;
        }
        self.given += 1;
        Some(&self.window)
    }

    /// The error for a stream that had no full window; `window` then holds what it had.
    pub fn too_few(&self) -> Error {
        Error::TooFewTokens { found: self.window.len(), needed: self.windows.length }
    }
}

/// A model running over one window.
pub(crate) struct Pass<'a> {
    model: &'a Model,
    cpu: &'a Cpu,
    kv: SequenceKv,
    /// Hidden states of the scored positions that are computed, `[rows, D]`.
    hidden: Vec<f32>,
    /// The tokens whose logits are wanted and not computed yet.
    rest: &'a [u32],
    rows: usize,
}

impl<'a> Pass<'a> {
    /// Runs the context `tokens[..first]`; the logits of `tokens[first..]` are then there to be taken.
    pub fn new(
        model: &'a Model,
        cpu: &'a Cpu,
        kv: KvType,
        tokens: &'a [u32],
        first: usize,
    ) -> Result<Self, Error> {
        if !model.spec().is_generative() {
            return Err(Error::NotGenerative);
        }
        let long = model.switch_length().is_some_and(|limit| tokens.len() > limit);
        let rows = (LOGITS_BYTES / (4 * model.spec().vocab)).max(1);
        let kv = SequenceKv::new(model.spec(), kv, long);
        let mut pass = Self { model, cpu, kv, hidden: Vec::new(), rest: &tokens[first..], rows };
        for tokens in tokens[..first].chunks(STEP_TOKENS) {
            pass.step(tokens, Wanted::Nothing)?;
        }
        Ok(pass)
    }

    fn step(&mut self, tokens: &[u32], wanted: Wanted) -> Result<Vec<f32>, Error> {
        Ok(self.model.forward(self.cpu, &mut [Step { tokens, kv: &mut self.kv, wanted }], None)?)
    }

    /// Logits of the next scored positions (`[rows, V]`), a bounded number of them; `None` when all are taken.
    pub fn next(&mut self) -> Result<Option<Vec<f32>>, Error> {
        let d = self.model.spec().hidden;
        if self.hidden.is_empty() {
            let (now, rest) = self.rest.split_at(self.rest.len().min(STEP_TOKENS));
            if now.is_empty() {
                return Ok(None);
            }
            self.hidden = self.step(now, Wanted::All)?;
            self.rest = rest;
        }
        let later = self.hidden.split_off((self.rows * d).min(self.hidden.len()));
        let now = std::mem::replace(&mut self.hidden, later);
        Ok(Some(self.model.logits(self.cpu, &now)))
    }
}

/// `log(sum(exp(row)))`, and the index of the largest element (the lowest of equals). `None` when the row holds NaN or
/// nothing but infinities.
pub(crate) fn log_sum_exp(row: &[f32]) -> Option<(f64, usize)> {
    let mut top = 0;
    for (i, x) in row.iter().enumerate() {
        if *x > row[top] || row[top].is_nan() {
            top = i;
        }
    }
    let max = row[top];
    let sum: f64 = row.iter().map(|x| f64::from((x - max).exp())).sum();
    let total = f64::from(max) + sum.ln();
    total.is_finite().then_some((total, top))
}

/// Sums of a sample, for its mean and the mean's standard error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    pub count: u64,
    sum: f64,
    squares: f64,
}

impl Moments {
    /// Adds a value.
    pub fn add(&mut self, x: f64) {
        self.count += 1;
        self.sum += x;
        self.squares += x * x;
    }

    /// The mean; zero of nothing.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// The sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The standard error of the mean, taking values for independent.
    pub fn error(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let variance = self.squares / self.count as f64 - self.mean().powi(2);
        (variance.max(0.0) / (self.count - 1) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_drop_the_rest_and_start_with_bos() {
        let windows = Windows { length: 4, bos: Some(99), ..Windows::default() };
        let mut cut = windows.cut(0..11);
        assert_eq!(cut.next(), Some([99, 1, 2, 3].as_slice()));
        assert_eq!(cut.next(), Some([99, 5, 6, 7].as_slice()));
        assert_eq!(cut.next(), None);
        let mut one = Windows { count_max: Some(1), bos: None, ..windows }.cut(0..11);
        assert_eq!(one.next(), Some([0, 1, 2, 3].as_slice()));
        assert_eq!(one.next(), None);
    }

    #[test]
    fn log_sum_exp_is_stable_and_finds_the_first_top() {
        let (total, top) = log_sum_exp(&[1000.0, 1000.0, -1000.0]).unwrap();
        assert!((total - (1000.0 + 2f64.ln())).abs() < 1e-9);
        assert_eq!(top, 0);
        assert!(log_sum_exp(&[0.0, f32::NAN]).is_none());
        assert!(log_sum_exp(&[f32::NAN, 0.0]).is_none());
        assert!(log_sum_exp(&[f32::INFINITY, 0.0]).is_none());
        assert!(log_sum_exp(&[f32::NEG_INFINITY; 2]).is_none());
    }

    #[test]
    fn moments_of_a_known_sample() {
        let mut m = Moments::default();
        [1.0, 2.0, 3.0, 4.0].into_iter().for_each(|x| m.add(x));
        assert_eq!((m.mean(), m.sum()), (2.5, 10.0));
        // Variance 1.25 over n, divided by n - 1.
        assert!((m.error() - (1.25f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
