//! From logits to a token id.
//!
//! The steps, in this order:
//!
//! 1. log-probabilities are read, if asked for, from the untouched logits;
//! 2. logit bias; repetition, presence and frequency penalties; DRY;
//! 3. banned tokens and the grammar's mask remove tokens for good;
//! 4. temperature 0: the largest logit wins, the lowest id on ties, and nothing below runs;
//! 5. the steps of [`SamplerConfig::order`]: top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature by default;
//!    with mirostat: temperature, then mirostat's own truncation, and none of the others;
//! 6. the draw, from the probabilities of what is left, walking ids upwards.
//!
//! Probabilities are renormalised over what is left at every step. Random numbers come from one stream per sequence
//! ([`Rng`]); XTC takes one when it is on, the draw takes one. Arithmetic is sequential and uses no platform library,
//! so a seed gives the same tokens on every machine and with any number of threads.
//!
//! Read `config.rs` for the options, `candidates.rs` for the truncation steps.

mod candidates;
mod config;
mod dry;
mod history;
mod logprobs;
mod mask;
mod math;
mod rng;
#[cfg(test)]
mod tests;

pub use config::{DEFAULT_ORDER, DryConfig, LOGPROBS_MAX, Mirostat, SamplerConfig, Step, Window};
pub use logprobs::TokenLogprob;
pub use mask::TokenMask;
pub use rng::Rng;

use candidates::Candidates;
use history::History;
use logprobs::RawLogprobs;

use crate::{Error, Result};

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Present when [`SamplerConfig::logprobs`] asks for it.
    pub logprob: Option<TokenLogprob>,
}

/// The sampling state of one sequence: options, random stream, recent tokens, mirostat's level.
///
/// A clone continues independently with the same stream, which is what speculation needs for rolling back.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: SamplerConfig,
    vocab_count: usize,
    rng: Rng,
    history: History,
    mirostat_mu: f64,
    candidates: Candidates,
}

impl Sampler {
    /// A sampler for logits of `vocab_count` tokens, with no token seen yet.
    ///
    /// # Errors
    /// [`Error::SamplerOption`] if `config` is out of range.
    pub fn new(config: SamplerConfig, vocab_count: usize) -> Result<Self> {
        config.validate(vocab_count)?;
        let rng = Rng::new(config.seed);
        let history = History::new(&config);
        let mirostat_mu = config.mirostat.map_or(0.0, |m| 2.0 * f64::from(m.tau));
        Ok(Self { config, vocab_count, rng, history, mirostat_mu, candidates: Candidates::default() })
    }

    /// The options in use.
    pub fn config(&self) -> &SamplerConfig {
        &self.config
    }

    /// Tells the penalties about a token of the sequence: each prompt token, then each token that was chosen or forced.
    pub fn accept(&mut self, id: u32) {
        self.history.push(id);
    }

    /// Chooses a token; the caller passes it to [`Sampler::accept`] if it keeps it.
    ///
    /// `logits`: `[V]`, overwritten. `allowed`: tokens outside it (and past its end) are not chosen.
    /// Advances the random stream and mirostat's level, except at temperature 0. Panics if `logits` is not `V` long.
    ///
    /// # Errors
    /// [`Error::LogitNotFinite`] for NaN or infinite logits, [`Error::NoTokenLeft`] if nothing may be chosen.
    pub fn sample(&mut self, logits: &mut [f32], allowed: Option<&TokenMask>) -> Result<Sampled> {
        assert_eq!(
            logits.len(),
            self.vocab_count,
            "logits must cover the vocabulary the sampler was made for"
        );
        check_finite(logits)?;
        let raw = self.config.logprobs.map(|n| RawLogprobs::new(logits, n as usize));
        self.penalise(logits);
        for &id in &self.config.banned {
            logits[id as usize] = f32::NEG_INFINITY;
        }
        if let Some(mask) = allowed {
            mask.apply(logits);
        }
        let id = self.choose(logits).ok_or_else(|| Error::NoTokenLeft {
            allowed: allowed.map_or(self.vocab_count, TokenMask::allowed_count),
            banned: self.config.banned.len(),
        })?;
        Ok(Sampled { id, logprob: raw.map(|r| r.of(id)) })
    }

    fn penalise(&self, logits: &mut [f32]) {
        for &(id, bias) in &self.config.logit_bias {
            shift(&mut logits[id as usize], bias);
        }
        self.history.penalise(&self.config, logits);
        if self.config.dry.multiplier > 0.0 {
            dry::penalise(&self.config.dry, self.history.last(self.config.dry.window.count()), logits);
        }
    }

    fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        if self.config.temperature == 0.0 {
            return argmax(logits);
        }
        if let Some(m) = self.config.mirostat {
            return self.choose_mirostat(logits, m);
        }
        let order = std::mem::take(&mut self.config.order);
        let first = order.iter().find(|s| self.is_on(**s));
        if first == Some(&Step::TopK) {
            self.candidates.fill_top_k(logits, self.config.top_k as usize);
        } else {
            self.candidates.fill_all(logits);
        }
        if !self.candidates.list.is_empty() {
            order.iter().for_each(|s| self.apply(*s));
        }
        self.config.order = order;
        self.draw()
    }

    fn draw(&mut self) -> Option<u32> {
        if self.candidates.list.is_empty() {
            return None;
        }
        Some(self.candidates.draw(self.rng.next_unit()))
    }

    fn choose_mirostat(&mut self, logits: &[f32], m: Mirostat) -> Option<u32> {
        self.candidates.fill_all(logits);
        if self.candidates.list.is_empty() {
            return None;
        }
        self.apply(Step::Temperature);
        let zero = self.candidates.truncate_surprise(self.mirostat_mu);
        let id = self.draw()?;
        let surprise_bits = (zero - self.candidates.logit_of(id)) * std::f64::consts::LOG2_E;
        self.mirostat_mu -= f64::from(m.eta) * (surprise_bits - f64::from(m.tau));
        Some(id)
    }

    fn is_on(&self, step: Step) -> bool {
        let c = &self.config;
        match step {
            Step::TopNSigma => c.top_n_sigma.is_some(),
            Step::TopK => c.top_k > 0,
            Step::TypicalP => c.typical_p < 1.0,
            Step::TopP => c.top_p < 1.0,
            Step::MinP => c.min_p > 0.0,
            Step::Xtc => c.xtc_probability > 0.0 && c.xtc_threshold <= 0.5,
            Step::Temperature => c.temperature != 1.0 || c.dynamic_temperature_range > 0.0,
        }
    }

    fn apply(&mut self, step: Step) {
        if !self.is_on(step) {
            return;
        }
        let (c, list) = (&self.config, &mut self.candidates);
        match step {
            Step::TopNSigma => list.top_n_sigma(f64::from(c.top_n_sigma.unwrap_or(0.0))),
            Step::TopK => list.top_k(c.top_k as usize),
            Step::TypicalP => list.typical_p(f64::from(c.typical_p)),
            Step::TopP => list.top_p(f64::from(c.top_p)),
            Step::MinP => list.min_p(f64::from(c.min_p)),
            Step::Xtc => {
                if self.rng.next_unit() < f64::from(c.xtc_probability) {
                    list.xtc(f64::from(c.xtc_threshold));
                }
            }
            Step::Temperature => temperature(c, list),
        }
    }
}

fn temperature(config: &SamplerConfig, list: &mut Candidates) {
    let (t, range) = (config.temperature, config.dynamic_temperature_range);
    let t = if range > 0.0 {
        let (low, high) = (f64::from((t - range).max(0.0)), f64::from(t + range));
        list.dynamic_temperature(low, high, f64::from(config.dynamic_temperature_exponent))
    } else {
        t
    };
    if t > 0.0 {
        list.temperature(t);
    } else {
        list.top_k(1);
    }
}

/// Adds `by` to a logit. Infinities have a meaning here (removed), so an overflow stops at the largest finite number.
fn shift(logit: &mut f32, by: f32) {
    *logit = (*logit + by).clamp(f32::MIN, f32::MAX);
}

fn check_finite(logits: &[f32]) -> Result<()> {
    const EXPONENT: u32 = 0x7f80_0000;
    let broken = |l: &f32| l.to_bits() & EXPONENT == EXPONENT;
    // Without an early exit the loop is a plain vector loop; the place is looked for only when there is one.
    if !logits.iter().fold(false, |any, l| any | broken(l)) {
        return Ok(());
    }
    let found = logits.iter().enumerate().find(|(_, l)| broken(l));
    found.map_or(Ok(()), |(id, &value)| Err(Error::LogitNotFinite { id: id as u32, value }))
}

/// Logits whose maximum is taken at a time; only the block that holds the maximum is searched for its place.
const ARGMAX_BLOCK: usize = 1024;

/// The lowest id with the largest logit; `None` if every logit is negative infinity.
fn argmax(logits: &[f32]) -> Option<u32> {
    let mut best = (f32::NEG_INFINITY, 0);
    for (b, block) in logits.chunks(ARGMAX_BLOCK).enumerate() {
        let max = math::largest(block);
        if max > best.0 {
            best = (max, b);
        }
    }
    let (max, block) = best;
    let start = block * ARGMAX_BLOCK;
    let found = logits[start..].iter().position(|l| *l == max && max > f32::NEG_INFINITY);
    found.map(|i| (start + i) as u32)
}
