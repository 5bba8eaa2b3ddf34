//! The state of an answer apart from the session it continues: what to compute next, and what to make of the scores.
//!
//! One answer ([`Generation`](crate::Generation)) and many at once ([`Scheduler`](crate::scheduler::Scheduler)) are driven
//! by the same two halves of a step. [`Answering::plan`] says which token has to be computed or that the answer has ended;
//! whoever computes it, alone or among others, hands the scores to [`Answering::draw`].

use crate::constraint::Constraint;
use crate::sampling::{Sampled, Sampler};
use crate::speculation::{Drafter, SpeculationStats};
use crate::{FinishReason, Request, Result, Session};

/// An answer in the making.
pub(crate) struct Answering {
    sampler: Sampler,
    drafter: Option<Drafter>,
    request: Request,
    /// Drawn, but not yet part of the sequence: its scores may never be needed.
    pending: Option<u32>,
    produced: usize,
    constrained: bool,
    finish: Option<FinishReason>,
}

/// What an answer needs before its next token can be drawn.
pub(crate) enum Plan {
    /// Nothing: the scores after the sequence's last token are the ones to draw from.
    Draw,
    /// The scores after `id`; those after each token of `draft` may be asked for next.
    Compute {
        /// The last token drawn.
        id: u32,
        /// A guess at what follows it.
        draft: Vec<u32>,
    },
    /// Nothing any more.
    Ended,
}

impl Answering {
    /// An answer in `session`, before it knows the text it continues.
    ///
    /// # Errors
    /// [`crate::Error::SamplerOption`] for options out of range.
    pub fn new(session: &Session, request: Request) -> Result<Self> {
        let sampler = Sampler::new(request.sampler.clone(), session.engine().model().spec().vocab)?;
        let drafter = Drafter::new(&request.speculation, session);
        let constrained = request.constraint.is_some() && request.constrain_after.is_none();
        Ok(Self { sampler, drafter, request, pending: None, produced: 0, constrained, finish: None })
    }

    /// Takes in the text that is continued, once, before the first token is drawn.
    pub fn read(&mut self, text: &[u32]) {
        for &id in text {
            self.sampler.accept(id);
            self.drafter.iter_mut().for_each(|d| d.accept(id));
        }
    }

    /// What the next token of `session` needs, with a guess of at most `draft_max` tokens where one pays. A token that is
    /// to be computed is handed out once.
    pub fn plan(&mut self, session: &Session, draft_max: usize) -> Plan {
        if self.is_over(session) {
            return Plan::Ended;
        }
        let Some(id) = self.pending.take() else { return Plan::Draw };
        Plan::Compute { id, draft: self.draft(session, id, draft_max) }
    }

    /// Draws a token from the scores (`[V]`) that [`Answering::plan`] asked for. `None`: it ended the answer.
    ///
    /// # Errors
    /// Scores that are not finite, or a grammar that ran out of its budget.
    pub fn draw(&mut self, scores: &[f32]) -> Result<Option<Sampled>> {
        // Penalties and masks are worked into a copy: the session's scores stay what the model said.
        let mut scores = scores.to_vec();
        let constraint = self.request.constraint.as_mut().filter(|_| self.constrained);
        let sampled = match constraint {
            Some(constraint) => self.sampler.sample(&mut scores, Some(constraint.mask()?))?,
            None => self.sampler.sample(&mut scores, None)?,
        };
        if self.accept(sampled.id)? {
            self.end(FinishReason::Stop);
            return Ok(None);
        }
        Ok(Some(sampled))
    }

    /// Whether the answer has ended, by itself or at a limit of its own or of `session`.
    pub fn is_over(&mut self, session: &Session) -> bool {
        if self.finish.is_none() {
            if self.request.max_tokens.is_some_and(|max| self.produced >= max) {
                self.end(FinishReason::Length);
            } else if self.pending.is_some() && session.is_full() {
                self.end(FinishReason::ContextFull);
            }
        }
        self.finish.is_some()
    }

    /// The last token of an answer that has ended, if it is not part of the sequence yet; handed out once.
    pub fn take_last(&mut self) -> Option<u32> {
        self.pending.take()
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

    fn draft(&mut self, session: &Session, id: u32, draft_max: usize) -> Vec<u32> {
        let Some(drafter) = self.drafter.as_mut().filter(|_| !session.is_ahead(id)) else {
            return Vec::new();
        };
        // The last token of the longest answer is drawn, but nothing is drawn after it.
        let left = self.request.max_tokens.map_or(usize::MAX, |max| max - self.produced - 1);
        let max = session.ahead_max(left.min(draft_max));
        let ends = &self.request.end_tokens;
        let constraint = self.request.constraint.as_mut().filter(|_| self.constrained);
        drafter.draft(session, id, max, |draft| {
            let before_end = draft.iter().position(|id| ends.contains(id)).unwrap_or(draft.len());
            constraint.map_or(before_end, |c| c.fitting(&draft[..before_end]))
        })
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
        if self.grammar_must_end() {
            self.request.max_tokens = Some(self.produced);
        }
        Ok(false)
    }

    fn end(&mut self, reason: FinishReason) {
        self.finish = Some(if self.grammar_must_end() { FinishReason::Stop } else { reason });
        self.drafter.iter_mut().for_each(Drafter::remember);
    }

    fn grammar_must_end(&self) -> bool {
        self.constrained && self.request.constraint.as_ref().is_some_and(Constraint::must_end)
    }
}
