//! One answer: tokens drawn one after another until something ends it.

use crate::answering::{Answering, Plan};
use crate::constraint::Constraint;
use crate::sampling::{Sampled, SamplerConfig};
use crate::speculation::{Speculation, SpeculationStats, VERIFY_TOKENS_MAX};
use crate::{Result, Session};

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
    answering: Answering,
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
        assert!(session.logits().is_some(), "a session is prefilled before it answers");
        let mut answering = Answering::new(session, request)?;
        answering.read(session.tokens());
        Ok(Self { session, answering })
    }

    /// The next token of the answer; `None` once it has ended.
    ///
    /// # Errors
    /// Scores that are not finite, or a grammar that ran out of its budget. The session stays usable.
    #[allow(clippy::should_implement_trait, reason = "an iterator could not report errors and go on")]
    pub fn next(&mut self) -> Result<Option<Sampled>> {
        if self.answering.finish_reason().is_some() {
            return Ok(None);
        }
        match self.answering.plan(self.session, VERIFY_TOKENS_MAX) {
            Plan::Draw => {}
            Plan::Compute { id, draft } => self.session.push_ahead(id, &draft)?,
            Plan::Ended => return self.close(),
        }
        let scores = self.session.logits().expect("the last token was computed");
        match self.answering.draw(scores)? {
            Some(sampled) => Ok(Some(sampled)),
            None => self.close(),
        }
    }

    /// Why the answer ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.answering.finish_reason()
    }

    /// Tokens of the answer so far.
    pub fn produced(&self) -> usize {
        self.answering.produced()
    }

    /// What guessing did for this answer; zeros without it.
    pub fn speculation(&self) -> SpeculationStats {
        self.answering.speculation()
    }

    fn close(&mut self) -> Result<Option<Sampled>> {
        // The last token joins the sequence, so that the next turn finds it cached; a full context has no room for it.
        if let Some(id) = self.answering.take_last()
            && !self.session.is_full()
        {
            self.session.push(id)?;
        }
        self.session.remember();
        Ok(None)
    }
}
