//! The options of sampling, their defaults and ranges.

use crate::{Error, Result};

/// A truncation or temperature step; [`SamplerConfig::order`] lists them in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Keep tokens within `top_n_sigma` standard deviations of the largest logit.
    TopNSigma,
    /// Keep the `top_k` likeliest.
    TopK,
    /// Keep the tokens whose surprise is closest to the entropy, up to mass `typical_p`.
    TypicalP,
    /// Keep the likeliest up to mass `top_p`.
    TopP,
    /// Keep tokens at least `min_p` times as likely as the likeliest.
    MinP,
    /// Sometimes remove all but the least likely of the clearly likely tokens.
    Xtc,
    /// Divide logits by the temperature.
    Temperature,
}

/// The default order, that of llama.cpp.
pub const DEFAULT_ORDER: [Step; 7] =
    [Step::TopNSigma, Step::TopK, Step::TypicalP, Step::TopP, Step::MinP, Step::Xtc, Step::Temperature];

/// How many of the latest tokens (prompt included) a penalty looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many; zero switches the penalty off.
    Last(u32),
    /// All tokens of the sequence.
    Whole,
}

impl Window {
    pub(super) fn count(self) -> usize {
        match self {
            Self::Last(n) => n as usize,
            Self::Whole => usize::MAX,
        }
    }
}

/// DRY: penalises the token that would continue a repetition of what was said before.
///
/// Source: ggml-org/llama.cpp#9702, after oobabooga/text-generation-webui#5637.
#[derive(Clone, Debug, PartialEq)]
pub struct DryConfig {
    /// Size of the penalty; 0 (the default) switches DRY off. At least 0.
    pub multiplier: f32,
    /// Growth per repeated token; default 1.75, at least 1.
    pub base: f32,
    /// Repetitions shorter than this cost nothing; default 2, at least 1.
    pub allowed_length: u32,
    /// Where repetitions are looked for; default everything.
    pub window: Window,
    /// Token sequences across which no repetition is counted (newline, quote, ...). None by default: which ids these
    /// are is known to the tokenizer, so the caller gives them. No sequence may be empty.
    pub sequence_breakers: Vec<Vec<u32>>,
}

impl Default for DryConfig {
    fn default() -> Self {
        Self {
            multiplier: 0.0,
            base: 1.75,
            allowed_length: 2,
            window: Window::Whole,
            sequence_breakers: Vec::new(),
        }
    }
}

/// Mirostat 2: holds the surprise per token near a target, instead of all truncation steps.
///
/// Source: Basu et al., arXiv:2007.14966, algorithm 2. Surprise is measured before truncation, as there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mirostat {
    /// Target surprise in bits; default 5, above 0.
    pub tau: f32,
    /// Learning rate; default 0.1, above 0 and at most 1.
    pub eta: f32,
}

impl Default for Mirostat {
    fn default() -> Self {
        Self { tau: 5.0, eta: 0.1 }
    }
}

/// Everything that decides how a token is chosen. Plain data; [`SamplerConfig::validate`] checks the ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerConfig {
    /// Seed of the random stream; default 0. Same seed and logits, same tokens, on every platform.
    pub seed: u64,
    /// Default 0.8; 0 takes the largest logit (lowest id on ties) and no other step but the penalties; up to 100.
    pub temperature: f32,
    /// Dynamic temperature: half the width of the band around `temperature`; default 0 (off), up to 100.
    pub dynamic_temperature_range: f32,
    /// How the entropy moves the temperature through that band; default 1, above 0 and up to 100.
    pub dynamic_temperature_exponent: f32,
    /// Default 40; 0 is off.
    pub top_k: u32,
    /// Default 0.95; in [0, 1], 1 is off.
    pub top_p: f32,
    /// Default 0.05; in [0, 1], 0 is off. Source: arXiv:2407.01082.
    pub min_p: f32,
    /// Default 1 (off); above 0 and at most 1. Source: arXiv:2202.00666.
    pub typical_p: f32,
    /// Default `None` (off); at least 0. Source: arXiv:2411.07641.
    pub top_n_sigma: Option<f32>,
    /// How often XTC acts; default 0 (never), in [0, 1]. Source: ggml-org/llama.cpp#9742.
    pub xtc_probability: f32,
    /// Tokens at least this likely count as clearly likely; default 0.1, in [0, 1]; above 0.5 XTC cannot act.
    pub xtc_threshold: f32,
    /// Divides positive and multiplies negative logits of seen tokens; default 1 (off), above 0 and up to 100.
    pub repeat_penalty: f32,
    /// Subtracted once from the logit of a seen token; default 0, in [-100, 100].
    pub presence_penalty: f32,
    /// Subtracted for each time that a token was seen; default 0, in [-100, 100].
    pub frequency_penalty: f32,
    /// What the three penalties above look at; default the last 64 tokens.
    pub penalty_window: Window,
    /// See [`DryConfig`]; off by default.
    pub dry: DryConfig,
    /// See [`Mirostat`]; default `None`. When set, only penalties and temperature act beside it.
    pub mirostat: Option<Mirostat>,
    /// Added to logits before everything else; default empty. Finite values; later entries of an id add up.
    pub logit_bias: Vec<(u32, f32)>,
    /// Never chosen; default empty.
    pub banned: Vec<u32>,
    /// `Some(n)` reports the log-probability of the chosen token and of the `n` likeliest; default `None`, up to 1000.
    pub logprobs: Option<u32>,
    /// Default [`DEFAULT_ORDER`]. A step left out does not run; no step twice.
    pub order: Vec<Step>,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            temperature: 0.8,
            dynamic_temperature_range: 0.0,
            dynamic_temperature_exponent: 1.0,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            typical_p: 1.0,
            top_n_sigma: None,
            xtc_probability: 0.0,
            xtc_threshold: 0.1,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            penalty_window: Window::Last(64),
            dry: DryConfig::default(),
            mirostat: None,
            logit_bias: Vec::new(),
            banned: Vec::new(),
            logprobs: None,
            order: DEFAULT_ORDER.to_vec(),
        }
    }
}

/// The most alternatives that [`SamplerConfig::logprobs`] may ask for.
pub const LOGPROBS_MAX: u32 = 1000;

fn check(field: &'static str, value: f32, ok: bool, allowed: &'static str) -> Result<()> {
    if ok && value.is_finite() {
        return Ok(());
    }
    Err(Error::SamplerOption { field, value: value.to_string(), allowed })
}

fn unit(field: &'static str, value: f32) -> Result<()> {
    check(field, value, (0.0..=1.0).contains(&value), "a number from 0 to 1")
}

fn hundred(field: &'static str, value: f32) -> Result<()> {
    check(field, value, (0.0..=100.0).contains(&value), "a number from 0 to 100")
}

fn above_zero(field: &'static str, value: f32) -> Result<()> {
    check(field, value, value > 0.0 && value <= 100.0, "a number above 0, up to 100")
}

fn signed(field: &'static str, value: f32) -> Result<()> {
    check(field, value, value.abs() <= 100.0, "a number from -100 to 100")
}

impl SamplerConfig {
    /// Greedy decoding: temperature 0, everything else at its default.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks every range, and that every id is below `vocab_count`.
    ///
    /// # Errors
    /// [`Error::SamplerOption`] for the first field out of range.
    pub fn validate(&self, vocab_count: usize) -> Result<()> {
        hundred("temperature", self.temperature)?;
        hundred("dynamic_temperature_range", self.dynamic_temperature_range)?;
        above_zero("dynamic_temperature_exponent", self.dynamic_temperature_exponent)?;
        unit("top_p", self.top_p)?;
        unit("min_p", self.min_p)?;
        unit("typical_p", self.typical_p)?;
        check("typical_p", self.typical_p, self.typical_p > 0.0, "a number above 0, up to 1")?;
        hundred("top_n_sigma", self.top_n_sigma.unwrap_or(0.0))?;
        unit("xtc_probability", self.xtc_probability)?;
        unit("xtc_threshold", self.xtc_threshold)?;
        above_zero("repeat_penalty", self.repeat_penalty)?;
        signed("presence_penalty", self.presence_penalty)?;
        signed("frequency_penalty", self.frequency_penalty)?;
        hundred("dry.multiplier", self.dry.multiplier)?;
        check("dry.base", self.dry.base, (1.0..=100.0).contains(&self.dry.base), "a number from 1 to 100")?;
        if let Some(m) = &self.mirostat {
            above_zero("mirostat.tau", m.tau)?;
            check("mirostat.eta", m.eta, m.eta > 0.0 && m.eta <= 1.0, "a number above 0, up to 1")?;
        }
        self.validate_lists(vocab_count)
    }

    fn validate_lists(&self, vocab_count: usize) -> Result<()> {
        let wrong = |field, value: String, allowed| Err(Error::SamplerOption { field, value, allowed });
        let outside = |id: u32| id as usize >= vocab_count;
        if self.dry.allowed_length == 0 {
            return wrong("dry.allowed_length", "0".into(), "an integer of at least 1");
        }
        if self.dry.sequence_breakers.iter().any(Vec::is_empty) {
            return wrong(
                "dry.sequence_breakers",
                "an empty sequence".into(),
                "sequences of at least one token",
            );
        }
        if let Some(&(id, bias)) =
            self.logit_bias.iter().find(|(id, b)| outside(*id) || b.abs() > 1e6 || b.is_nan())
        {
            return wrong(
                "logit_bias",
                format!("{id}: {bias}"),
                "an id of the vocabulary and a number from -1e6 to 1e6",
            );
        }
        if let Some(id) = self.banned.iter().find(|id| outside(**id)) {
            return wrong("banned", id.to_string(), "ids of the vocabulary");
        }
        if let Some(n) = self.logprobs.filter(|n| *n > LOGPROBS_MAX) {
            return wrong("logprobs", n.to_string(), "an integer from 0 to 1000");
        }
        if let Some(step) = (1..self.order.len()).find(|&i| self.order[..i].contains(&self.order[i])) {
            return wrong("order", format!("{:?} twice", self.order[step]), "each step at most once");
        }
        Ok(())
    }
}
