//! One answer: tokens drawn one after another until something ends it.

use crate::constraint::Constraint;
use crate::sampling::{Sampled, Sampler, SamplerConfig};
use crate::speculation::{Drafter, Speculation, SpeculationStats, VERIFY_TOKENS_MAX};
use crate::{OnFull, Result, Session};

/// What an answer should be like.
#[derive(Clone, Debug)]
pub struct Request {
    /// How tokens are drawn.
    pub sampler: SamplerConfig,
    /// A grammar the answer must follow.
    pub constraint: Option<Constraint>,
    /// The grammar begins after this token (the end of a thought) instead of at once.
    pub constrain_after: Option<u32>,
    /// Tokens that end the answer; they are not part of it.
    pub end_tokens: Vec<u32>,
    /// Longest answer.
    pub max_tokens: Option<usize>,
    /// Whether tokens are guessed ahead, for speed.
    pub speculation: Speculation,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or the grammar was complete.
    Stop,
    /// It reached the longest answer asked for.
    Length,
    /// It reached the end of the context.
    ContextFull,
}

/// A running answer. Dropping it stops; the session keeps what was said so far.
pub struct Generation<'s> {
    session: &'s mut Session,
    sampler: Sampler,
    drafter: Option<Drafter>,
    request: Request,
    /// Drawn, but not yet part of the sequence: its scores may never be needed.
    pending: Option<u32>,
    produced: usize,
    constrained: bool,
    finish: Option<FinishReason>,
}

impl<'s> Generation<'s> {
    /// Starts an answer to the session's tokens, which must have been prefilled.
    ///
    /// # Errors
    /// [`crate::Error::SamplerOption`] for options out of range.
    ///
    /// # Panics
    /// When the session has no scores: prefill it first.
    pub fn new(session: &'s mut Session, request: Request) -> Result<Self> {
        let vocab = session.engine().model().spec().vocab;
        assert!(session.logits().is_some(), "a session is prefilled before it answers");
        let mut sampler = Sampler::new(request.sampler.clone(), vocab)?;
        let mut drafter = match request.speculation {
            Speculation::Off => None,
            Speculation::PromptLookup(options) => Some(Drafter::new(options)),
        };
        for &id in session.tokens() {
            sampler.accept(id);
            drafter.iter_mut().for_each(|d| d.accept(id));
        }
        let constrained = request.constraint.is_some() && request.constrain_after.is_none();
        Ok(Self { session, sampler, drafter, request, pending: None, produced: 0, constrained, finish: None })
    }

    /// The next token of the answer; `None` once it has ended.
    ///
    /// # Errors
    /// Scores that are not finite, or a grammar that ran out of its budget. The session stays usable.
    #[allow(clippy::should_implement_trait, reason = "an iterator could not report errors and go on")]
    pub fn next(&mut self) -> Result<Option<Sampled>> {
        if self.finish.is_some() {
            return Ok(None);
        }
        if self.request.max_tokens.is_some_and(|max| self.produced >= max) {
            return self.end(FinishReason::Length);
        }
        if self.pending.is_some() && self.session.is_full() {
            return self.end(FinishReason::ContextFull);
        }
        if let Some(id) = self.pending.take() {
            self.push(id)?;
        }
        let mut logits = self.session.logits().expect("the last token was computed").to_vec();
        let constraint = self.request.constraint.as_mut().filter(|_| self.constrained);
        let sampled = match constraint {
            Some(constraint) => self.sampler.sample(&mut logits, Some(constraint.mask()?))?,
            None => self.sampler.sample(&mut logits, None)?,
        };
        if self.accept(sampled.id)? {
            return self.end(FinishReason::Stop);
        }
        Ok(Some(sampled))
    }

    /// Why the answer ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    /// Tokens of the answer so far.
    pub fn produced(&self) -> usize {
        self.produced
    }

    /// What guessing did for this answer; zeros without it.
    pub fn speculation(&self) -> SpeculationStats {
        self.drafter.as_ref().map(Drafter::stats).unwrap_or_default()
    }

    /// Computes what follows `id`, together with a guess where one pays.
    fn push(&mut self, id: u32) -> Result<()> {
        let Some(drafter) = self.drafter.as_mut().filter(|_| !self.session.is_ahead(id)) else {
            return self.session.push(id);
        };
        // The last token of the longest answer is drawn, but nothing is drawn after it.
        let left = self.request.max_tokens.map_or(usize::MAX, |max| max - self.produced - 1);
        let max = self.session.ahead_max(left.min(VERIFY_TOKENS_MAX));
        let ends = &self.request.end_tokens;
        let constraint = self.request.constraint.as_mut().filter(|_| self.constrained);
        let draft = drafter.draft(max, |draft| {
            let before_end = draft.iter().position(|id| ends.contains(id)).unwrap_or(draft.len());
            constraint.map_or(before_end, |c| c.fitting(&draft[..before_end]))
        });
        self.session.push_ahead(id, &draft)
    }

    /// Takes the token in. `true` when it ends the answer.
    fn accept(&mut self, id: u32) -> Result<bool> {
        if self.constrained
            && let Some(constraint) = &mut self.request.constraint
        {
            constraint.accept(id)?;
            if constraint.is_finished() {
                return Ok(true);
            }
        }
        if self.request.end_tokens.contains(&id) {
            return Ok(true);
        }
        self.sampler.accept(id);
        self.drafter.iter_mut().for_each(|d| d.accept(id));
        self.pending = Some(id);
        self.produced += 1;
        if self.request.constrain_after == Some(id) {
            self.constrained = self.request.constraint.is_some();
        }
        // A grammar that can only end needs no end token from the model.
        let complete = self.constrained && self.request.constraint.as_ref().is_some_and(Constraint::must_end);
        if complete {
            self.request.max_tokens = Some(self.produced);
        }
        Ok(false)
    }

    fn end(&mut self, reason: FinishReason) -> Result<Option<Sampled>> {
        let complete = self.constrained && self.request.constraint.as_ref().is_some_and(Constraint::must_end);
        self.finish = Some(if complete { FinishReason::Stop } else { reason });
        // The last token joins the sequence, so that the next turn finds it cached; a full context has no room for it.
        if let Some(id) = self.pending.take()
            && (!self.session.is_full() || matches!(self.session.config().on_full, OnFull::Shift { .. }))
        {
            self.session.push(id)?;
        }
        self.session.remember();
        Ok(None)
    }
}
