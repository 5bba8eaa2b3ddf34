//! The life of one answer: its prompt in chunks, then a token a step, until it ends or fails.

use super::batch::Row;
use super::{Event, Job, Usage};
use crate::answering::{Answering, Plan};
use crate::session::{Prefill, Push};
use crate::{Engine, Error, Result, Session};
use std::sync::Arc;
use std::time::Duration;

/// A job that waits or runs.
pub(super) struct Running {
    session: Session,
    answering: Answering,
    stage: Stage,
    deadline: Option<Duration>,
    prompt: usize,
    cached: usize,
}

/// What comes next for a job.
enum Stage {
    /// Its prompt is looked up among the remembered ones. As late as can be: what runs before it may begin alike.
    Prompt(Vec<u32>),
    /// The rest of its prompt is computed, or, later, its context anew.
    Prefill { prefill: Prefill, is_prompt: bool },
    /// A token was drawn and what follows it has to be computed.
    Drawn,
    /// These tokens are computed together with those of others.
    Row(Vec<u32>),
    /// A token can be drawn.
    Scored,
    /// It has ended, and its last event is to be told.
    Over(Box<Event>),
}

impl Running {
    /// A job that holds nothing but its prompt.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn new(engine: &Arc<Engine>, job: Job) -> Result<Self> {
        let session = engine.session(job.session);
        session.check_prompt(job.tokens.len())?;
        let answering = Answering::new(&session, job.request)?;
        let prompt = job.tokens.len();
        let stage = Stage::Prompt(job.tokens);
        Ok(Self { session, answering, stage, deadline: job.deadline, prompt, cached: 0 })
    }

    /// Pages of keys and values held, by identity, with their bytes.
    pub fn pages(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.session.pages()
    }

    /// Tokens to compute before the next one can be drawn, as far as is known.
    pub fn prompt_left(&self) -> usize {
        match &self.stage {
            Stage::Prompt(tokens) => tokens.len(),
            Stage::Prefill { prefill, .. } => prefill.left(),
            _ => 0,
        }
    }

    /// Whether the answer has begun and goes on.
    pub fn has_begun(&self) -> bool {
        matches!(self.stage, Stage::Drawn)
    }

    /// Gives the job up when its time has passed.
    pub fn check_deadline(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.fail(Error::DeadlinePassed);
        }
    }

    /// Finds out what the next token takes.
    pub fn plan(&mut self, draft_max: usize) {
        let stage = match self.answering.plan(&self.session, draft_max) {
            Plan::Draw | Plan::Ended => Ok(Stage::Scored),
            Plan::Compute { id, draft } => self.session.plan_push(id, &draft).map(|push| match push {
                Push::Done => Stage::Scored,
                Push::Row(row) => Stage::Row(row),
                Push::Moved(prefill) => Stage::Prefill { prefill, is_prompt: false },
            }),
        };
        self.go_on(stage);
    }

    /// The tokens to compute in this step, if there are any.
    pub fn row(&mut self) -> Option<Row<'_>> {
        match &self.stage {
            Stage::Row(tokens) => Some(Row { tokens: tokens.clone(), job: self }),
            _ => None,
        }
    }

    /// The session that a row is computed for.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Takes in what became of its row: scores (`[row, V]`).
    pub fn take_row(&mut self, row: &[u32], scores: Result<Vec<f32>>) {
        let stage = scores.map(|scores| {
            self.session.take_row(row, scores);
            Stage::Scored
        });
        self.go_on(stage);
    }

    /// Tokens of the next chunk of its prompt; zero when there is none.
    pub fn next_chunk(&mut self) -> usize {
        if let Stage::Prompt(tokens) = &self.stage {
            let begun = self.session.begin_prefill(tokens);
            let stage = begun.map(|prefill| {
                self.cached = prefill.outcome().cached;
                Stage::Prefill { prefill, is_prompt: true }
            });
            self.go_on(stage);
        }
        match &self.stage {
            Stage::Prefill { prefill, .. } => self.session.next_chunk(prefill),
            _ => 0,
        }
    }

    /// Computes that chunk.
    pub fn compute_chunk(&mut self, tell: &mut dyn FnMut(Event)) {
        let Stage::Prefill { prefill, is_prompt } = &mut self.stage else { return };
        let is_prompt = *is_prompt;
        match self.session.continue_prefill(prefill) {
            Ok(progress) => {
                if is_prompt {
                    tell(Event::Prefill { cached: self.cached, progress });
                }
                if progress.done < progress.total {
                    return;
                }
                if is_prompt {
                    self.answering.read(self.session.tokens());
                }
                self.stage = Stage::Scored;
            }
            Err(error) => self.fail(error),
        }
    }

    /// Draws a token where the scores are there.
    pub fn draw(&mut self, tell: &mut dyn FnMut(Event)) {
        if !matches!(self.stage, Stage::Scored) {
            return;
        }
        if !self.answering.is_over(&self.session) {
            let scores = self.session.logits().expect("its stage says that they are there");
            match self.answering.draw(scores) {
                Ok(Some(sampled)) => tell(Event::Token(sampled)),
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
        }
        self.stage = if self.answering.is_over(&self.session) { self.finish() } else { Stage::Drawn };
    }

    /// The last event, when the job has ended.
    pub fn take_end(&mut self) -> Option<Event> {
        match std::mem::replace(&mut self.stage, Stage::Drawn) {
            Stage::Over(end) => Some(*end),
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    /// Ends the job between two steps.
    pub fn stop(mut self) -> Usage {
        // A prompt that is half computed may be about to replace what the session held.
        if matches!(self.stage, Stage::Drawn) {
            self.session.remember();
        }
        self.usage()
    }

    /// The next turn finds the answer cached, all but its last token: computing that would keep the place for a step.
    fn finish(&mut self) -> Stage {
        self.session.remember();
        let reason = self.answering.finish_reason().expect("only an answer that has ended is finished");
        Stage::Over(Box::new(Event::Finished { reason, usage: self.usage() }))
    }

    fn usage(&self) -> Usage {
        Usage {
            prompt: self.prompt,
            cached: self.cached,
            dropped: self.session.dropped(),
            produced: self.answering.produced(),
            speculation: self.answering.speculation(),
        }
    }

    fn go_on(&mut self, stage: Result<Stage>) {
        match stage {
            Ok(stage) => self.stage = stage,
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) {
        self.stage = Stage::Over(Box::new(Event::Failed(error)));
    }
}
