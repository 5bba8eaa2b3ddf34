//! An answer from elsewhere in the words of answers from here.

use crate::ask::Ask;
use crate::clock;
use crate::engine::Told;
use crate::engine::runner::Times;
use crate::visit::Visit;
use hob::{FinishReason, Piece, Reply, ToolCall, Usage};
use hob_cloud::{Answering, Event, Finish};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Bytes of a token, about, where a target does not count them.
const TOKEN_BYTES: usize = 4;

/// Passes an answer on until its end, or until nobody listens.
pub fn speak(mut answering: Answering, to: &UnboundedSender<(usize, Told)>, visit: &Visit, began: Duration) {
    let mut reply = Reply::default();
    let mut first = None;
    loop {
        let event = match answering.next() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => {
                let _ = to.send((0, Told::Failed(super::problem(&error))));
                return;
            }
        };
        first.get_or_insert_with(clock::now);
        let piece = match event {
            Event::Text(text) => {
                reply.text.push_str(&text);
                Piece::Text(text)
            }
            Event::Thought(text) => {
                reply.thought.push_str(&text);
                Piece::Thought(text)
            }
            Event::Call(call) => {
                let call = ToolCall { name: call.name, arguments: call.arguments };
                reply.calls.push(call.clone());
                Piece::Call(call)
            }
        };
        // Who does not listen is hung up on, and with it whoever speaks.
        if to.send((0, Told::Token { logprob: None, pieces: vec![piece] })).is_err() {
            return;
        }
    }
    let ended = answering.ended();
    let estimate = (reply.text.len() + reply.thought.len()).div_ceil(TOKEN_BYTES);
    let (read, written) = match ended.usage {
        Some(usage) => (usage.read as usize, usage.written as usize),
        None => (0, estimate),
    };
    visit.read(read);
    visit.wrote(written);
    visit.cost(ended.cost_micro);
    reply.tokens = written;
    reply.finish =
        Some(if ended.finish == Finish::Length { FinishReason::Length } else { FinishReason::Stop });
    let (now, first) = (clock::now(), first.unwrap_or_else(clock::now));
    let times = Times {
        queue: Duration::ZERO,
        prompt: first.saturating_sub(began),
        predicted: now.saturating_sub(first),
    };
    let usage = Usage { prompt: read, produced: written, ..Usage::default() };
    let _ = to.send((0, Told::Ended { pieces: Vec::new(), reply: Box::new(reply), usage, times }));
}

/// What was said before an answer broke off.
#[derive(Debug, Default)]
pub struct SoFar {
    pub text: String,
    pub thought: String,
    has_calls: bool,
}

impl SoFar {
    /// Takes note.
    pub fn hear(&mut self, told: &Told) {
        let Told::Token { pieces, .. } = told else { return };
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text.push_str(text),
                Piece::Thought(text) => self.thought.push_str(text),
                Piece::Call(_) => self.has_calls = true,
            }
        }
    }

    /// Whether a local model can go on with it: calls stand on their own, and half a document of a schema has no continuation.
    pub fn can_go_on(&self, ask: &Ask) -> bool {
        !self.has_calls && (self.text.is_empty() || ask.grammar.is_none())
    }
}
