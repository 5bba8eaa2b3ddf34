//! The tokens of a sequence as the penalties need them.

use std::collections::BTreeMap;

use super::config::{SamplerConfig, Window};
use super::shift;

/// The latest tokens, and how often each occurs inside the penalty window.
#[derive(Clone, Debug)]
pub(super) struct History {
    tokens: Vec<u32>,
    counts: BTreeMap<u32, u32>,
    window: usize,
    keep: usize,
}

impl History {
    pub fn new(config: &SamplerConfig) -> Self {
        let used = |on: bool, w: Window| if on { w.count() } else { 0 };
        let penalties =
            config.repeat_penalty != 1.0 || config.presence_penalty != 0.0 || config.frequency_penalty != 0.0;
        let window = used(penalties, config.penalty_window);
        let keep = window.max(used(config.dry.multiplier > 0.0, config.dry.window));
        Self { tokens: Vec::new(), counts: BTreeMap::new(), window, keep }
    }

    pub fn push(&mut self, id: u32) {
        if self.keep == 0 {
            return;
        }
        self.tokens.push(id);
        if self.window > 0 {
            *self.counts.entry(id).or_insert(0) += 1;
            if self.tokens.len() > self.window {
                self.forget(self.tokens[self.tokens.len() - 1 - self.window]);
            }
        }
        // Dropping the front only when it has doubled makes it cost one move per token.
        if self.tokens.len() / 2 > self.keep {
            let excess = self.tokens.len() - self.keep;
            self.tokens.drain(..excess);
        }
    }

    fn forget(&mut self, id: u32) {
        if let Some(n) = self.counts.get_mut(&id) {
            *n -= 1;
            if *n == 0 {
                self.counts.remove(&id);
            }
        }
    }

    /// The last `n` tokens, oldest first; fewer if there are not so many.
    pub fn last(&self, n: usize) -> &[u32] {
        &self.tokens[self.tokens.len().saturating_sub(n)..]
    }

    /// Repetition, presence and frequency penalties on the logits of the tokens in the window.
    pub fn penalise(&self, config: &SamplerConfig, logits: &mut [f32]) {
        for (&id, &count) in &self.counts {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit =
                if *logit > 0.0 { *logit / config.repeat_penalty } else { *logit * config.repeat_penalty };
            shift(logit, -(count as f32 * config.frequency_penalty + config.presence_penalty));
        }
    }
}
