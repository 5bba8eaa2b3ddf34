//! Several tokens a step: a guess at what follows is checked in one forward pass, which reads the weights once.
//!
//! A [`Drafter`] guesses from the sequence itself (prompt look-up: what stood after the last tokens when they occurred
//! before) and from a smaller model ([`Draft`]), whichever promises more.
//! [`Session::push_ahead`](crate::Session::push_ahead) computes the pending token and the guess together and hands
//! out the scores one position after another, as long as the tokens chosen are the guessed ones; the rest is cut from the
//! cache. Choosing stays what it was: the sampler and the grammar see each position once, in order, with the scores that a
//! single step would have given (small batches equal single tokens to the bit), so the tokens are the same with any seed.
//!
//! When to guess, and how much, is arithmetic on what was accepted before (`gain.rs`, `model.rs`) and on what steps took
//! (`costs.rs`). Read `lookup.rs` for the index.

mod costs;
mod drafter;
mod gain;
mod lookup;
mod model;

pub(crate) use costs::StepTimes;
pub use costs::{VERIFY_TOKENS_MAX, VerifyCosts};
pub use drafter::Drafter;
pub use model::Draft;

/// Whether and how an answer is guessed ahead. It changes how fast tokens come, never which. The default is look-up.
#[derive(Clone, Debug)]
pub struct Speculation {
    /// Guesses from the sequence itself.
    pub lookup: Option<PromptLookup>,
    /// Guesses of a smaller model.
    pub draft: Option<Draft>,
    /// What checking costs; `None` takes what the engine's clock has shown, or without a clock what a 1B model costs.
    pub costs: Option<VerifyCosts>,
}

impl Default for Speculation {
    fn default() -> Self {
        Self { lookup: Some(PromptLookup::default()), ..Self::OFF }
    }
}

impl Speculation {
    /// One token a step.
    pub const OFF: Self = Self { lookup: None, draft: None, costs: None };
}

/// How prompt look-up guesses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromptLookup {
    /// Tokens that must have occurred before for a guess; default 3, at least 1.
    pub match_min: usize,
    /// Matching tokens beyond which one earlier place is as good as another; default 16.
    pub match_max: usize,
    /// Most tokens guessed at a time; default and limit [`VERIFY_TOKENS_MAX`] less the pending one.
    pub draft_max: usize,
}

impl Default for PromptLookup {
    fn default() -> Self {
        Self { match_min: 3, match_max: 16, draft_max: VERIFY_TOKENS_MAX - 1 }
    }
}

/// What guessing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeculationStats {
    /// Forward passes, with a guess or without.
    pub steps: usize,
    /// Of these, passes with a guess.
    pub rounds: usize,
    /// Tokens guessed.
    pub drafted: usize,
    /// Of these, tokens that were then chosen.
    pub accepted: usize,
    /// Tokens guessed by the draft model.
    pub model_drafted: usize,
    /// Of these, tokens that were then chosen.
    pub model_accepted: usize,
}
