//! One answer as it arrives, in a session of its own.

use crate::calls::ToolCall;
use crate::speech::Speech;
use crate::{AnswerOptions, Error, LanguageModel, Prepared, Prompt};
use hob_engine::sampling::TokenLogprob;
use hob_engine::speculation::SpeculationStats;
use hob_engine::{FinishReason, Generation, Prefilled, Progress, Session};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Part of a thought that comes before the answer.
    Thought(String),
    /// Part of the answer.
    Text(String),
    /// A tool is to be called. Only where tools were offered through [`Prompt::chat`].
    Call(ToolCall),
}

/// What an answer came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// The thoughts before it.
    pub thought: String,
    /// The tools to be called.
    pub calls: Vec<ToolCall>,
    /// Tokens drawn.
    pub tokens: usize,
    /// Why it ended; `None` if it was stopped.
    pub finish: Option<FinishReason>,
    /// The stop text that ended it.
    pub stopped_by: Option<String>,
    /// Log-probabilities of the tokens, where the sampler was asked for them.
    pub logprobs: Vec<TokenLogprob>,
    /// What guessing ahead did; zeros without it.
    pub speculation: SpeculationStats,
}

/// A running answer. Dropping it stops it; in a chat, what was said so far stays in the conversation.
pub struct Answer<'s> {
    generation: Generation<'s>,
    speech: Speech,
    prefilled: Prefilled,
    messages: Option<&'s mut Vec<Value>>,
}

impl<'s> Answer<'s> {
    /// Starts the answer to `prompt`, which is recorded in `messages`.
    pub(crate) fn start(
        model: &LanguageModel,
        session: &'s mut Session,
        prompt: &Prompt,
        messages: Option<&'s mut Vec<Value>>,
        options: &mut AnswerOptions<'_>,
    ) -> Result<Self, Error> {
        let Prepared { ids, request, speech } = Prepared::new(model, prompt, options)?;
        let mut ignore = |_: Progress| ControlFlow::Continue(());
        let progress = options.progress.as_deref_mut().unwrap_or(&mut ignore);
        let prefilled = session.prefill(&ids, progress)?;
        Ok(Self { generation: Generation::new(session, request)?, speech, prefilled, messages })
    }

    /// The next piece of text; `None` once the answer has ended.
    ///
    /// # Errors
    /// Scores that are not finite, or a grammar out of its budget.
    #[allow(clippy::should_implement_trait, reason = "an iterator could not report errors and go on")]
    pub fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = self.speech.pop() {
                return Ok(Some(piece));
            }
            if self.speech.has_ended() {
                return Ok(None);
            }
            self.step()?;
        }
    }

    /// Runs to the end and returns the whole.
    ///
    /// # Errors
    /// As [`Answer::next`].
    pub fn finish(mut self) -> Result<Reply, Error> {
        while self.next()?.is_some() {}
        Ok(self.reply().clone())
    }

    /// What the answer came to so far.
    pub fn reply(&self) -> &Reply {
        self.speech.reply()
    }

    /// What computing the prompt took.
    pub fn prefilled(&self) -> Prefilled {
        self.prefilled
    }

    fn step(&mut self) -> Result<(), Error> {
        let sampled = self.generation.next()?;
        self.speech.reply_mut().speculation = self.generation.speculation();
        match sampled {
            Some(sampled) => self.speech.push(sampled),
            None => {
                self.speech.end(self.generation.finish_reason());
                Ok(())
            }
        }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        let Some(messages) = self.messages.take() else { return };
        let reply = self.speech.reply();
        let mut message = json!({"role": "assistant", "content": reply.text});
        if !reply.thought.is_empty() {
            message["reasoning_content"] = reply.thought.clone().into();
        }
        if !reply.text.is_empty() || !reply.thought.is_empty() {
            messages.push(message);
        }
    }
}
