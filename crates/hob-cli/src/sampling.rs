//! The sampling flags, on the command line and in the REPL's `/set`.

use crate::fail::usage;
use anyhow::{anyhow, bail};
use clap::Args;
use hob::{DryConfig, LanguageModel, Mirostat, SamplerConfig, Window};

/// Texts across which DRY counts no repetition: the usual ends of lines, quotes and list items.
const DRY_BREAKERS: [&str; 4] = ["\n", ":", "\"", "*"];

/// How tokens are drawn. What is not given follows the model's publisher, else temperature 0.7 with top-p 0.95.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling (defaults: what the model's publisher recommends)")]
pub struct SamplingArgs {
    /// Seed of the random draws; same seed, same answer [default: from the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Temperature; 0 always takes the likeliest token
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub temp: Option<f32>,
    /// Keep only the K likeliest tokens; 0 is off
    #[arg(long, value_name = "K")]
    pub top_k: Option<u32>,
    /// Keep the likeliest tokens up to this share of probability; 1 is off
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub top_p: Option<f32>,
    /// Keep tokens at least P times as likely as the likeliest; 0 is off
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub min_p: Option<f32>,
    /// Keep the tokens of typical surprise up to this share; 1 is off
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub typical: Option<f32>,
    /// Make seen tokens less likely: divides their scores; 1 is off
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub repeat_penalty: Option<f32>,
    /// Subtracted once from the score of a seen token
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub presence_penalty: Option<f32>,
    /// Subtracted from a token's score for each time it was seen
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub frequency_penalty: Option<f32>,
    /// Tokens the penalties look back at; -1 is all [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=1 << 31))]
    pub repeat_last_n: Option<i64>,
    /// DRY: penalty for continuing a repetition; 0 is off
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub dry_multiplier: Option<f32>,
    /// DRY: growth of the penalty per repeated token [default: 1.75]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub dry_base: Option<f32>,
    /// DRY: shorter repetitions cost nothing [default: 2]
    #[arg(long, value_name = "N")]
    pub dry_allowed_length: Option<u32>,
    /// XTC: how often the likeliest tokens are removed; 0 is off
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub xtc_probability: Option<f32>,
    /// XTC: tokens at least this likely count as likely [default: 0.1]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub xtc_threshold: Option<f32>,
    /// Mirostat 2: target surprise in bits, instead of all truncation (usual: 5)
    #[arg(long, value_name = "TAU", allow_negative_numbers = true)]
    pub mirostat: Option<f32>,
    /// Mirostat 2: learning rate [default: 0.1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub mirostat_eta: Option<f32>,
    /// Add VALUE to the score of token ID; may be repeated
    #[arg(long, value_name = "ID=VALUE", value_parser = parse_bias)]
    pub logit_bias: Vec<(u32, f32)>,
}

fn parse_bias(text: &str) -> Result<(u32, f32), String> {
    let wrong = || format!("expected ID=VALUE as in 42=-1.5, found {text:?}");
    let (id, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((id.trim().parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?))
}

impl SamplingArgs {
    /// The publisher's options with these on top, checked.
    pub fn config(&self, model: &LanguageModel, seed: u64) -> anyhow::Result<SamplerConfig> {
        let mut c = model.recommended_sampling().clone();
        c.seed = seed;
        set(&mut c.temperature, self.temp);
        set(&mut c.top_k, self.top_k);
        set(&mut c.top_p, self.top_p);
        set(&mut c.min_p, self.min_p);
        set(&mut c.typical_p, self.typical);
        set(&mut c.repeat_penalty, self.repeat_penalty);
        set(&mut c.presence_penalty, self.presence_penalty);
        set(&mut c.frequency_penalty, self.frequency_penalty);
        set(&mut c.penalty_window, self.repeat_last_n.map(window));
        set(&mut c.xtc_probability, self.xtc_probability);
        set(&mut c.xtc_threshold, self.xtc_threshold);
        c.dry = self.dry(model)?;
        if self.mirostat.is_none() && self.mirostat_eta.is_some() {
            return Err(usage("--mirostat-eta needs --mirostat TAU beside it"));
        }
        c.mirostat = self.mirostat.map(|tau| {
            let default = Mirostat::default();
            Mirostat { tau, eta: self.mirostat_eta.unwrap_or(default.eta) }
        });
        c.logit_bias.clone_from(&self.logit_bias);
        c.validate(model.engine().model().spec().vocab).map_err(|e| self.explain(&e))?;
        Ok(c)
    }

    /// Says of an option out of range what the user typed, or that the publisher's files hold it.
    fn explain(&self, error: &hob_engine::Error) -> anyhow::Error {
        let hob_engine::Error::SamplerOption { field, value, allowed } = error else {
            return usage(error.to_string());
        };
        let (flag, is_typed) = self.flag(field);
        if is_typed {
            return usage(format!("--{flag}: expected {allowed}, found {value}"));
        }
        anyhow!(
            "the model's files recommend a --{flag} of {value}, expected {allowed}; give a --{flag} of your own"
        )
    }

    /// The flag behind a field of the engine's options, and whether it was given.
    fn flag(&self, field: &str) -> (String, bool) {
        match field {
            "temperature" => ("temp".into(), self.temp.is_some()),
            "typical_p" => ("typical".into(), self.typical.is_some()),
            "top_p" => ("top-p".into(), self.top_p.is_some()),
            "min_p" => ("min-p".into(), self.min_p.is_some()),
            "repeat_penalty" => ("repeat-penalty".into(), self.repeat_penalty.is_some()),
            "mirostat.tau" => ("mirostat".into(), true),
            // Publishers recommend nothing else, and the rest is called as on the command line.
            other => (other.replace(['.', '_'], "-"), true),
        }
    }

    fn dry(&self, model: &LanguageModel) -> anyhow::Result<DryConfig> {
        let mut dry = DryConfig::default();
        set(&mut dry.multiplier, self.dry_multiplier);
        set(&mut dry.base, self.dry_base);
        set(&mut dry.allowed_length, self.dry_allowed_length);
        if dry.multiplier != 0.0 {
            dry.sequence_breakers = breakers(model)?;
        }
        Ok(dry)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn window(last: i64) -> Window {
    u32::try_from(last).map_or(Window::Whole, Window::Last)
}

/// The tokens that are exactly one of the breakers.
fn breakers(model: &LanguageModel) -> anyhow::Result<Vec<Vec<u32>>> {
    let tokenizer = model.tokenizer()?;
    let is_breaker = |id: &u32| {
        let bytes = tokenizer.token_bytes(*id);
        bytes.is_some_and(|bytes| DRY_BREAKERS.iter().any(|breaker| breaker.as_bytes() == &*bytes))
    };
    let count = u32::try_from(tokenizer.vocab_size())?;
    let found: Vec<_> = (0..count).filter(is_breaker).map(|id| vec![id]).collect();
    if found.is_empty() {
        bail!(
            "DRY: this vocabulary has no token for a line break, colon, quote or star; leave --dry-multiplier off"
        );
    }
    Ok(found)
}
