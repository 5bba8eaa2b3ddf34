//! Several tokens a step: a guess at what follows is checked in one forward pass, which reads the weights once.
//!
//! A [`Drafter`] guesses from the sequence itself (prompt look-up: what stood after the last tokens when they occurred
//! before). [`Session::push_ahead`](crate::Session::push_ahead) computes the pending token and the guess together and hands
//! out the scores one position after another, as long as the tokens chosen are the guessed ones; the rest is cut from the
//! cache. Choosing stays what it was: the sampler and the grammar see each position once, in order, with the scores that a
//! single step would have given (small batches equal single tokens to the bit), so the tokens are the same with any seed.
//!
//! When to guess, and how much, is arithmetic on what was accepted before; see `gain.rs`. Read `lookup.rs` for the index.

mod drafter;
mod gain;
mod lookup;

pub use drafter::Drafter;
pub use gain::{VERIFY_TOKENS_MAX, VerifyCosts};

/// Whether an answer is guessed ahead. It changes how fast tokens come, never which.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speculation {
    /// One token a step; the default, because what checking costs was measured for few formats and sizes so far.
    #[default]
    Off,
    /// Guesses from the sequence itself.
    PromptLookup(PromptLookup),
}

impl Speculation {
    /// Prompt look-up with its defaults.
    pub fn lookup() -> Self {
        Self::PromptLookup(PromptLookup::default())
    }
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
    /// What checking costs on this machine.
    pub costs: VerifyCosts,
}

impl Default for PromptLookup {
    fn default() -> Self {
        let draft_max = VERIFY_TOKENS_MAX - 1;
        Self { match_min: 3, match_max: 16, draft_max, costs: VerifyCosts::default() }
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
}
