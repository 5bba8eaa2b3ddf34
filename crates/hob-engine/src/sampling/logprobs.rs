//! Log-probabilities as the OpenAI API means them: those of the model itself, from its untouched logits, before bias,
//! penalties, masks, truncation and temperature.

use super::math;

/// The log-probability (natural logarithm) of the chosen token and of the likeliest tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The chosen token.
    pub id: u32,
    /// Its log-probability.
    pub logprob: f32,
    /// The likeliest tokens with theirs, best first, lower ids first on ties. The chosen one need not be among them.
    pub top: Vec<(u32, f32)>,
}

/// `ln sum exp(logits)`, in f64.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(math::largest(logits));
    let weights: Vec<f64> = logits.iter().map(|&l| math::exp(f64::from(l) - max)).collect();
    max + math::ln(math::sum(&weights))
}

/// What has to be read from the logits before the other steps change them.
pub(super) struct RawLogprobs {
    log_sum: f64,
    raw: Vec<f32>,
    top: Vec<(u32, f32)>,
}

impl RawLogprobs {
    pub fn new(logits: &[f32], count: usize) -> Self {
        let log_sum = log_sum_exp(logits);
        let mut candidates = super::candidates::Candidates::default();
        if count > 0 {
            candidates.fill_top_k(logits, count);
            candidates.list.sort_by(|a, b| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id)));
        }
        let top = candidates.list.iter().map(|c| (c.id, (f64::from(c.logit) - log_sum) as f32)).collect();
        Self { log_sum, raw: logits.to_vec(), top }
    }

    pub fn of(self, id: u32) -> TokenLogprob {
        let logprob = (f64::from(self.raw[id as usize]) - self.log_sum) as f32;
        TokenLogprob { id, logprob, top: self.top }
    }
}
