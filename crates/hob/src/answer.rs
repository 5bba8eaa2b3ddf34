//! An answer as it arrives: whole characters, thoughts told from text, stop texts honoured.

use crate::thought::{Part, ThoughtSplitter, partial_suffix};
use crate::{AnswerOptions, Error, LanguageModel};
use hob_engine::constraint::Limits;
use hob_engine::sampling::TokenLogprob;
use hob_engine::speculation::SpeculationStats;
use hob_engine::{FinishReason, Generation, Prefilled, Progress, Request, Session};
use hob_tokenizer::StreamDecoder;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Part of a thought that comes before the answer.
    Thought(String),
    /// Part of the answer.
    Text(String),
}

/// What an answer came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// The thoughts before it.
    pub thought: String,
    /// Tokens drawn.
    pub tokens: usize,
    /// Why it ended; `None` if it was stopped.
    pub finish: Option<FinishReason>,
    /// Log-probabilities of the tokens, where the sampler was asked for them.
    pub logprobs: Vec<TokenLogprob>,
    /// What guessing ahead did; zeros without it.
    pub speculation: SpeculationStats,
}

/// A running answer. Dropping it stops it; in a chat, what was said so far stays in the conversation.
pub struct Answer<'s> {
    generation: Generation<'s>,
    model: LanguageModel,
    decoder: StreamDecoder,
    splitter: ThoughtSplitter,
    /// Ids whose text may belong to a marker around thoughts, and so must not be skipped as special.
    marker_ids: Vec<u32>,
    stop: Vec<String>,
    /// Text that may turn out to be the beginning of a stop text.
    held: String,
    ready: VecDeque<Piece>,
    prefilled: Prefilled,
    reply: Reply,
    ended: bool,
    messages: Option<&'s mut Vec<Value>>,
}

/// Where the prompt came from.
pub(crate) enum Source<'s, 'p> {
    /// A text that is continued.
    Text,
    /// A rendered conversation, and where the answer is recorded.
    Chat { prompt: &'p str, messages: &'s mut Vec<Value> },
}

impl<'s> Answer<'s> {
    pub(crate) fn start(
        model: &LanguageModel,
        session: &'s mut Session,
        ids: &[u32],
        source: Source<'s, '_>,
        options: &mut AnswerOptions<'_>,
    ) -> Result<Self, Error> {
        let markers = match source {
            Source::Chat { .. } => model.template().and_then(hob_tokenizer::ChatTemplate::thinking_markers),
            Source::Text => None,
        };
        let opened = match &source {
            Source::Chat { prompt, .. } => markers.is_some_and(|m| prompt.trim_end().ends_with(m.open)),
            Source::Text => false,
        };
        let tokenizer = model.tokenizer()?;
        let close_id = markers.and_then(|m| tokenizer.id_of(m.close));
        let constraint = match (&options.grammar, model.constraints()) {
            (Some(grammar), Some(factory)) => Some(factory.compile(grammar, &Limits::default())?),
            _ => None,
        };
        let request = Request {
            sampler: options.sampler.clone().unwrap_or_else(|| model.recommended_sampling().clone()),
            constraint,
            constrain_after: if opened { close_id } else { None },
            end_tokens: model.end_tokens().to_vec(),
            max_tokens: options.max_tokens,
            speculation: options.speculation.clone(),
        };
        let mut ignore = |_: Progress| ControlFlow::Continue(());
        let progress = options.progress.as_deref_mut().unwrap_or(&mut ignore);
        let prefilled = session.prefill(ids, progress)?;
        let marker_ids = markers.map_or(Vec::new(), |m| marker_ids(model, m.open, m.close));
        Ok(Self {
            generation: Generation::new(session, request)?,
            model: model.clone(),
            decoder: StreamDecoder::continuing(false),
            splitter: ThoughtSplitter::new(markers, opened),
            marker_ids,
            stop: options.stop.iter().filter(|s| !s.is_empty()).cloned().collect(),
            held: String::new(),
            ready: VecDeque::new(),
            prefilled,
            reply: Reply::default(),
            ended: false,
            messages: match source {
                Source::Chat { messages, .. } => Some(messages),
                Source::Text => None,
            },
        })
    }

    /// The next piece of text; `None` once the answer has ended.
    ///
    /// # Errors
    /// Scores that are not finite, or a grammar out of its budget.
    #[allow(clippy::should_implement_trait, reason = "an iterator could not report errors and go on")]
    pub fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                let whole = match &piece {
                    Piece::Thought(_) => &mut self.reply.thought,
                    Piece::Text(_) => &mut self.reply.text,
                };
                let (Piece::Thought(text) | Piece::Text(text)) = &piece;
                whole.push_str(text);
                return Ok(Some(piece));
            }
            if self.ended {
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
        Ok(self.reply.clone())
    }

    /// What the answer came to so far.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    /// What computing the prompt took.
    pub fn prefilled(&self) -> Prefilled {
        self.prefilled
    }

    fn step(&mut self) -> Result<(), Error> {
        let sampled = self.generation.next()?;
        self.reply.speculation = self.generation.speculation();
        let Some(sampled) = sampled else {
            self.reply.finish = self.generation.finish_reason();
            self.end();
            return Ok(());
        };
        self.reply.tokens += 1;
        self.reply.logprobs.extend(sampled.logprob);
        let tokenizer = self.model.tokenizer()?;
        if tokenizer.is_special(sampled.id) && !self.marker_ids.contains(&sampled.id) {
            return Ok(());
        }
        let text = self.decoder.push(tokenizer, sampled.id);
        let parts = self.splitter.push(&text);
        self.take(parts);
        Ok(())
    }

    fn take(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Thought(text) => self.ready.push_back(Piece::Thought(text)),
                Part::Text(text) => self.take_text(&text),
            }
        }
    }

    /// Lets text through up to a stop text, holding back what may become one.
    fn take_text(&mut self, text: &str) {
        if self.ended {
            return;
        }
        self.held.push_str(text);
        let hit = self.stop.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        let keep = match hit {
            Some(at) => self.held.len() - at,
            None => self.stop.iter().map(|stop| partial_suffix(&self.held, stop)).max().unwrap_or(0),
        };
        let rest = self.held.split_off(self.held.len() - keep);
        let through = std::mem::replace(&mut self.held, rest);
        if !through.is_empty() {
            self.ready.push_back(Piece::Text(through));
        }
        if hit.is_some() {
            self.held.clear();
            self.reply.finish = Some(FinishReason::Stop);
            self.ended = true;
        }
    }

    fn end(&mut self) {
        let rest = self.decoder.finish();
        let mut parts = self.splitter.push(&rest);
        parts.extend(self.splitter.finish());
        self.take(parts);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.ready.push_back(Piece::Text(held));
        }
        self.ended = true;
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        let Some(messages) = self.messages.take() else { return };
        let mut message = json!({"role": "assistant", "content": self.reply.text});
        if !self.reply.thought.is_empty() {
            message["reasoning_content"] = self.reply.thought.clone().into();
        }
        if !self.reply.text.is_empty() || !self.reply.thought.is_empty() {
            messages.push(message);
        }
    }
}

/// Special tokens whose text is part of a marker.
fn marker_ids(model: &LanguageModel, open: &str, close: &str) -> Vec<u32> {
    let Ok(tokenizer) = model.tokenizer() else { return Vec::new() };
    let part_of_marker = |id: &u32| {
        let text =
            tokenizer.token_bytes(*id).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        !text.is_empty() && (open.contains(&text) || close.contains(&text))
    };
    (0..tokenizer.vocab_size() as u32).filter(|id| tokenizer.is_special(*id)).filter(part_of_marker).collect()
}
