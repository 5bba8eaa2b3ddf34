//! Many answers of one model at once: text in, pieces out, passes shared.

use crate::speech::Speech;
use crate::{Error, LanguageModel, Piece, Prepared, Reply};
use hob_engine::sampling::TokenLogprob;
use hob_engine::scheduler::{Event, Job, JobId, Load, Scheduler, SchedulerConfig, Stepped, Usage};
use hob_engine::{FinishReason, Progress, SessionConfig};
use std::collections::BTreeMap;
use std::time::Duration;

/// Answers that run and wait on one engine. As with the [`Scheduler`] under it, whoever holds it drives it.
pub struct Answers {
    model: LanguageModel,
    scheduler: Scheduler,
    speeches: BTreeMap<JobId, Speech>,
}

/// What happened to an answer.
#[derive(Debug)]
pub enum AnswerEvent {
    /// A chunk of the prompt was computed.
    Prefill {
        /// Tokens at the prompt's beginning that were remembered and are not part of `progress`.
        cached: usize,
        /// How far the rest is.
        progress: Progress,
    },
    /// A token was drawn; its text may be held back for now, or bring out what was held back before.
    Token {
        /// The token.
        id: u32,
        /// Its log-probability, where the sampler was asked for it.
        logprob: Option<TokenLogprob>,
        /// What was decided by it.
        pieces: Vec<Piece>,
    },
    /// The answer is complete. Nothing follows.
    Ended {
        /// What was still held back.
        pieces: Vec<Piece>,
        /// The whole, log-probabilities included.
        reply: Box<Reply>,
        /// What it took.
        usage: Usage,
    },
    /// The answer cannot go on; the others do. Nothing follows.
    Failed(Error),
}

impl Answers {
    /// None, so far.
    pub fn new(model: LanguageModel, config: SchedulerConfig) -> Self {
        let scheduler = Scheduler::new(model.engine().clone(), config);
        Self { model, scheduler, speeches: BTreeMap::new() }
    }

    /// The model that answers.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// Takes an answer in; the next steps work on it.
    ///
    /// # Errors
    /// As [`Scheduler::submit`]. Nothing is taken in then.
    pub fn submit(&mut self, prepared: Prepared, session: SessionConfig) -> Result<JobId, Error> {
        let Prepared { ids: tokens, request, speech } = prepared;
        let job = Job { tokens, session, request, priority: 0, deadline: None };
        let id = self.scheduler.submit(job)?;
        self.speeches.insert(id, speech);
        Ok(id)
    }

    /// Ends an answer that nobody wants any more; no event follows. What it has said stays remembered.
    pub fn cancel(&mut self, id: JobId) {
        self.speeches.remove(&id);
        self.scheduler.stop(id);
    }

    /// What is left to do.
    pub fn load(&self) -> Load {
        self.scheduler.load()
    }

    /// Whether a step would have nothing to do.
    pub fn is_idle(&self) -> bool {
        self.scheduler.is_idle()
    }

    /// Bytes of keys and values that answers hold.
    pub fn kv_bytes(&self) -> usize {
        self.scheduler.kv_bytes()
    }

    /// Works on every answer, as [`Scheduler::step`] does, and tells `events` what became of them.
    pub fn step(&mut self, now: Duration, events: &mut dyn FnMut(JobId, AnswerEvent)) -> Stepped {
        let speeches = &mut self.speeches;
        let mut said_all = Vec::new();
        let stepped = self.scheduler.step(now, &mut |id, event| {
            let Some(speech) = speeches.get_mut(&id) else { return };
            let event = hear(speech, event);
            if speech.has_ended() && matches!(event, AnswerEvent::Token { .. }) {
                said_all.push(id);
            }
            let is_last = matches!(event, AnswerEvent::Ended { .. } | AnswerEvent::Failed(_));
            if is_last {
                speeches.remove(&id);
            }
            events(id, event);
        });
        for id in said_all {
            // It may have ended by itself in the same step.
            let Some(mut speech) = self.speeches.remove(&id) else { continue };
            let usage = self.scheduler.stop(id).unwrap_or_default();
            let pieces = pieces(&mut speech);
            let reply = Box::new(std::mem::take(speech.reply_mut()));
            events(id, AnswerEvent::Ended { pieces, reply, usage });
        }
        stepped
    }
}

fn hear(speech: &mut Speech, event: Event) -> AnswerEvent {
    match event {
        Event::Prefill { cached, progress } => AnswerEvent::Prefill { cached, progress },
        Event::Token(sampled) => {
            let (id, logprob) = (sampled.id, sampled.logprob.clone());
            match speech.push(sampled) {
                Ok(()) => AnswerEvent::Token { id, logprob, pieces: pieces(speech) },
                Err(error) => AnswerEvent::Failed(error),
            }
        }
        Event::Finished { reason, usage } => ended(speech, Some(reason), usage),
        Event::Failed(error) => AnswerEvent::Failed(error.into()),
    }
}

fn ended(speech: &mut Speech, reason: Option<FinishReason>, usage: Usage) -> AnswerEvent {
    speech.end(reason);
    let pieces = pieces(speech);
    let reply = speech.reply_mut();
    reply.speculation = usage.speculation;
    AnswerEvent::Ended { pieces, reply: Box::new(std::mem::take(reply)), usage }
}

fn pieces(speech: &mut Speech) -> Vec<Piece> {
    std::iter::from_fn(|| speech.pop()).collect()
}
