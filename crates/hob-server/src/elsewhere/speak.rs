//! An answer from elsewhere in the words of answers from here.

use crate::ask::Ask;
use crate::clock;
use crate::engine::Told;
use crate::engine::runner::Times;
use crate::visit::Visit;
use hob::{FinishReason, Piece, Reply, ToolCall, Usage};
use hob_cloud::{Answering, Error, Event, Finish};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Bytes of a token, about, where a target does not count them.
const TOKEN_BYTES: usize = 4;

/// Passes an answer on until its end, or until nobody listens. However it ends, the visit is told what it took.
pub fn speak(mut answering: Answering, to: &UnboundedSender<(usize, Told)>, visit: &Visit, began: Duration) {
    let listener = to.clone();
    answering.while_wanted(move || !listener.is_closed());
    let (mut reply, mut first, mut counted) = (Reply::default(), None, 0);
    let mut heard = |reply: &Reply| {
        first.get_or_insert_with(clock::now);
        // Tokens count as they come, about; the end says how many there were.
        let now = tokens(reply);
        visit.wrote_there(now - counted);
        counted = now;
    };
    let passed = pass_on(&mut answering, to, &mut reply, &mut heard);
    let (read, written) = account(&answering, visit, counted);
    let is_cut = answering.ended().finish == Finish::Length;
    // The ledger has the outcome before anybody hears of the end, and looks.
    drop(answering);
    let finish = match passed {
        Ok(()) if !is_cut => FinishReason::Stop,
        // What went on beyond what was asked for was cut there.
        Ok(()) | Err(Some(Error::Budget { .. })) => FinishReason::Length,
        Err(Some(error)) => return drop(to.send((0, Told::Failed(super::problem_to(visit, &error))))),
        Err(None) => return,
    };
    (reply.tokens, reply.finish) = (written, Some(finish));
    let (now, first) = (clock::now(), first.unwrap_or_else(clock::now));
    let times = Times {
        queue: Duration::ZERO,
        prompt: first.saturating_sub(began),
        predicted: now.saturating_sub(first),
    };
    let usage = Usage { prompt: read, produced: written, ..Usage::default() };
    let _ =
        to.send((0, Told::Ended { pieces: Vec::new(), reply: Box::new(reply), usage, in_all: usage, times }));
}

/// Tells the visit what an answer took, however it ended: tokens read and written, about where the target did not tell. So many of
/// those written were counted before.
pub fn account(answering: &Answering, visit: &Visit, counted: usize) -> (usize, usize) {
    let ended = answering.ended();
    let said = (answering.said_bytes() as usize).div_ceil(TOKEN_BYTES);
    let read = answering.read_max() as usize / TOKEN_BYTES;
    let (read, written) =
        ended.usage.map_or((read, said), |usage| (usage.read as usize, usage.written as usize));
    visit.read_there(read);
    visit.wrote_there(written.saturating_sub(counted));
    visit.wrote_fewer(counted.saturating_sub(written));
    visit.cost(ended.cost_micro);
    (read, written)
}

/// Passes pieces on. An error of `None`: nobody listens.
fn pass_on(
    answering: &mut Answering,
    to: &UnboundedSender<(usize, Told)>,
    reply: &mut Reply,
    heard: &mut dyn FnMut(&Reply),
) -> Result<(), Option<Error>> {
    while let Some(event) = answering.next().map_err(Some)? {
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
        heard(reply);
        to.send((0, Told::Token { logprob: None, pieces: vec![piece] })).map_err(|_| None)?;
    }
    Ok(())
}

/// Tokens of what was said so far, about.
fn tokens(reply: &Reply) -> usize {
    (reply.text.len() + reply.thought.len()).div_ceil(TOKEN_BYTES)
}

/// What was said before an answer broke off.
#[derive(Debug, Default)]
pub struct SoFar {
    pub text: String,
    pub thought: String,
    pub has_calls: bool,
}

impl SoFar {
    /// After what was said before.
    pub fn after(said: &str) -> Self {
        Self { text: said.to_owned(), ..Self::default() }
    }

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

    /// Tokens that were said, about.
    pub fn tokens(&self) -> usize {
        (self.text.len() + self.thought.len()).div_ceil(TOKEN_BYTES)
    }
}

/// Whether another model can go on with what was said: calls stand on their own, and half a document of a schema has no continuation.
pub fn can_go_on(ask: &Ask, said: &str, has_calls: bool) -> bool {
    !has_calls && (said.is_empty() || ask.grammar.is_none())
}
