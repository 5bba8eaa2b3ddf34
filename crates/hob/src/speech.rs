//! From tokens to pieces of an answer: whole characters, thoughts and calls told from text, stop texts honoured. One
//! answer ([`Answer`](crate::Answer)) and many at once ([`Answers`](crate::Answers)) speak through it.

use crate::calls::{CallPart, CallSplitter};
use crate::thought::{Part, ThoughtSplitter, partial_suffix};
use crate::{Error, LanguageModel, Piece, Prompt, Reply};
use hob_engine::FinishReason;
use hob_engine::sampling::Sampled;
use hob_tokenizer::StreamDecoder;
use std::collections::VecDeque;

/// An answer on its way from tokens to text.
pub(crate) struct Speech {
    model: LanguageModel,
    decoder: StreamDecoder,
    thoughts: ThoughtSplitter,
    calls: Option<CallSplitter>,
    /// Ids whose text may belong to a marker, and so must not be skipped as special.
    marker_ids: Vec<u32>,
    stop: Vec<String>,
    /// Text that may turn out to be the beginning of a stop text.
    held: String,
    ready: VecDeque<Piece>,
    reply: Reply,
    ended: bool,
}

impl Speech {
    pub fn new(model: &LanguageModel, prompt: &Prompt, stop: &[String]) -> Self {
        let calls = prompt.calls.as_ref().map(|(form, _)| CallSplitter::new(form));
        let thoughts = prompt.markers.iter().flat_map(|m| [m.open, m.close]);
        let markers: Vec<&str> =
            prompt.calls.iter().flat_map(|(form, _)| form.markers()).chain(thoughts).collect();
        Self {
            model: model.clone(),
            decoder: StreamDecoder::continuing(false),
            thoughts: ThoughtSplitter::new(prompt.markers, prompt.is_thinking),
            calls,
            marker_ids: marker_ids(model, &markers),
            stop: stop.iter().filter(|s| !s.is_empty()).cloned().collect(),
            held: String::new(),
            ready: VecDeque::new(),
            reply: Reply::default(),
            ended: false,
        }
    }

    /// The next piece that is decided.
    pub fn pop(&mut self) -> Option<Piece> {
        let piece = self.ready.pop_front()?;
        match &piece {
            Piece::Thought(text) => self.reply.thought.push_str(text),
            Piece::Text(text) => self.reply.text.push_str(text),
            Piece::Call(call) => self.reply.calls.push(call.clone()),
        }
        Some(piece)
    }

    /// Whether nothing more will be said, apart from what is ready.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the answer came to so far.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    pub fn reply_mut(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// Takes in a token.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`].
    pub fn push(&mut self, sampled: Sampled) -> Result<(), Error> {
        self.reply.tokens += 1;
        self.reply.logprobs.extend(sampled.logprob);
        let tokenizer = self.model.tokenizer()?;
        if tokenizer.is_special(sampled.id) && !self.marker_ids.contains(&sampled.id) {
            return Ok(());
        }
        let text = self.decoder.push(tokenizer, sampled.id);
        let parts = self.thoughts.push(&text);
        self.take(parts);
        Ok(())
    }

    /// Ends the answer: what was held back is decided.
    pub fn end(&mut self, reason: Option<FinishReason>) {
        if self.ended {
            return;
        }
        self.reply.finish = reason;
        let rest = self.decoder.finish();
        let mut parts = self.thoughts.push(&rest);
        parts.extend(self.thoughts.finish());
        self.take(parts);
        let calls = self.calls.as_mut().map(CallSplitter::finish).unwrap_or_default();
        self.take_calls(calls);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.ready.push_back(Piece::Text(held));
        }
        self.ended = true;
    }

    fn take(&mut self, parts: Vec<Part>) {
        for part in parts {
            match (part, &mut self.calls) {
                (Part::Thought(text), _) => self.ready.push_back(Piece::Thought(text)),
                (Part::Text(text), Some(calls)) => {
                    let parts = calls.push(&text);
                    self.take_calls(parts);
                }
                (Part::Text(text), None) => self.take_text(&text),
            }
        }
    }

    fn take_calls(&mut self, parts: Vec<CallPart>) {
        for part in parts {
            match part {
                CallPart::Text(text) => self.take_text(&text),
                CallPart::Call(_) if self.ended => {}
                CallPart::Call(call) => {
                    // A call ends what may have become a stop text.
                    let held = std::mem::take(&mut self.held);
                    self.ready.extend((!held.is_empty()).then_some(Piece::Text(held)));
                    self.ready.push_back(Piece::Call(call));
                }
            }
        }
    }

    /// Lets text through up to a stop text, holding back what may become one.
    fn take_text(&mut self, text: &str) {
        if self.ended {
            return;
        }
        self.held.push_str(text);
        let found = self.stop.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        let hit = found.min_by_key(|(at, _)| *at).map(|(at, stop)| (at, stop.clone()));
        let keep = match &hit {
            Some((at, _)) => self.held.len() - at,
            None => self.stop.iter().map(|stop| partial_suffix(&self.held, stop)).max().unwrap_or(0),
        };
        let rest = self.held.split_off(self.held.len() - keep);
        let through = std::mem::replace(&mut self.held, rest);
        if !through.is_empty() {
            self.ready.push_back(Piece::Text(through));
        }
        if let Some((_, stop)) = hit {
            self.held.clear();
            self.reply.finish = Some(FinishReason::Stop);
            self.reply.stopped_by = Some(stop);
            self.ended = true;
        }
    }
}

/// Special tokens whose text is part of a marker.
fn marker_ids(model: &LanguageModel, markers: &[&str]) -> Vec<u32> {
    let Ok(tokenizer) = model.tokenizer() else { return Vec::new() };
    if markers.is_empty() {
        return Vec::new();
    }
    let part_of_marker = |id: &u32| {
        let text =
            tokenizer.token_bytes(*id).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        !text.is_empty() && markers.iter().any(|marker| marker.contains(&text))
    };
    (0..tokenizer.vocab_size() as u32).filter(|id| tokenizer.is_special(*id)).filter(part_of_marker).collect()
}
