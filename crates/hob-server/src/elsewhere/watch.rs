//! An answer of a model of this machine that is watched while it is written, and goes to a bigger model when it becomes doubtful.
//!
//! The first tokens are held back: what is doubtful there is answered elsewhere as if nothing had been written, and headers say so.
//! Later the reader has seen the beginning, and the bigger model goes on with it. Where it cannot be asked, the answer here, which
//! was written on meanwhile, goes on as if nothing had happened.

use super::{Receipt, Wanted, Went};
use crate::App;
use crate::ask::{self, Ask, Running};
use crate::engine::Told;
use crate::problem::Problem;
use hob::Piece;
use hob_cloud::{Begun, Cloud, Doubted};
use hob_router::{Estimate, Handover, LIKELIEST_TOKENS, Watch};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Longest part of a word that waits for its end: not all scripts put blanks between words.
const WORD_BYTES_MAX: usize = 48;

/// An answer that may go elsewhere after all.
pub struct Watched {
    cloud: Cloud,
    wanted: Wanted,
    handover: Handover,
    watch: Watch,
}

impl Watched {
    /// Of a request that stays, by its receipt, because the local answer suffices; nothing where the policy says nothing about
    /// answers that are being written, or nothing is known of this model's.
    pub(super) fn new(cloud: Cloud, wanted: Wanted, receipt: Option<&Receipt>) -> Option<Self> {
        let suffices = receipt.is_some_and(|receipt| receipt.why == "suffices");
        let confidence = wanted.confidence.clone().filter(|_| suffices)?;
        let handover = cloud.policy().ok()?.handover?;
        let watch = Watch::new(confidence, &wanted.question.prompt());
        Some(Self { cloud, wanted, handover, watch })
    }

    /// Begins the answer here. When this returns, the first tokens are there, or another model has begun.
    ///
    /// # Errors
    /// As [`ask::begin`].
    pub async fn begin(mut self, app: &App, ask: Ask) -> Result<Running, Problem> {
        let mut quiet = ask.clone();
        quiet.sampling.logprobs = Some(LIKELIEST_TOKENS);
        let mut here = ask::begin_here(app, quiet).await?;
        // Of an answer that is read as a whole nothing is seen before its end.
        let hold = if ask.is_streamed { self.handover.hold } else { u64::MAX };
        let mut held = VecDeque::new();
        let mut is_watched = true;
        while is_watched && self.watch.tokens() < hold {
            let Some((choice, mut told)) = here.next().await else { break };
            let doubt = self.hear(&mut told);
            let is_over = matches!(told, Told::Ended { .. } | Told::Failed(_));
            held.push_back((choice, told));
            if let Some(estimate) = doubt {
                if let Some(there) = self.hand_over(app, &ask, estimate, String::new()).await {
                    return Ok(there);
                }
                // Who could not be asked once is not asked again for the same answer.
                is_watched = false;
            }
            if is_over {
                // It is heard again from here.
                (here.early, here.left) = (held, 1);
                return Ok(here);
            }
        }
        held.append(&mut here.early);
        let (to, told) = mpsc::unbounded_channel();
        let rest = std::mem::replace(&mut here.told, told);
        let reading = Reading { watched: self, is_watched, shown: Shown::default(), to };
        tokio::spawn(reading.run(app.clone(), ask, held, rest));
        Ok(here)
    }

    /// Takes note of a token, whose log-probability nobody else asked for; gives what is too doubtful.
    fn hear(&mut self, told: &mut Told) -> Option<Estimate> {
        let estimate = match told {
            Told::Token { logprob: Some(token), .. } => self.watch.push(token.logprob, &token.top),
            Told::Ended { .. } => self.watch.end(),
            _ => None,
        };
        without_logprobs(told);
        estimate.filter(|estimate| estimate.suffices < self.handover.below)
    }

    /// Asks elsewhere, with what was said here already. `None`: it stays, and the receipt says why.
    async fn hand_over(&self, app: &App, ask: &Ask, estimate: Estimate, said: String) -> Option<Running> {
        let mut wanted = self.wanted.clone();
        wanted.written = Some(Doubted { estimate, tokens: self.watch.tokens() });
        let mut rest = ask.clone();
        if !said.is_empty() {
            wanted.question.begun = Some(Begun { text: said.clone() });
            let tokens = self.watch.tokens();
            let left = |all: u64| all.saturating_sub(tokens).max(1);
            wanted.question.max_tokens = wanted.question.max_tokens.map(left);
            rest.max_tokens = rest.max_tokens.map(|all| left(all as u64) as usize);
        }
        let is_begun = !said.is_empty();
        match super::begin(app, self.cloud.clone(), &rest, wanted, said).await {
            Ok(Went::There(running)) => {
                let tokens = self.watch.tokens();
                let note = match is_begun {
                    true => format!("the first {tokens} tokens were written on this machine"),
                    false => format!("{tokens} tokens were written on this machine first and are not shown"),
                };
                app.visit.noted(&note);
                Some(*running)
            }
            Ok(_) => None,
            Err(problem) => {
                app.visit.went(Receipt::stays("fallback", &problem.message));
                None
            }
        }
    }
}

/// Takes away what only the watch asked for.
fn without_logprobs(told: &mut Told) {
    match told {
        Told::Token { logprob, .. } => *logprob = None,
        Told::Ended { reply, .. } => reply.logprobs.clear(),
        Told::Accepted | Told::Failed(_) => {}
    }
}

/// An answer that somebody reads while it is written.
struct Reading {
    watched: Watched,
    is_watched: bool,
    shown: Shown,
    to: mpsc::UnboundedSender<(usize, Told)>,
}

impl Reading {
    /// Passes the answer on, until its end or until another model goes on with it.
    async fn run(
        mut self,
        app: App,
        ask: Ask,
        mut held: VecDeque<(usize, Told)>,
        mut rest: mpsc::UnboundedReceiver<(usize, Told)>,
    ) {
        loop {
            let event = match held.pop_front() {
                Some(event) => Some(event),
                None => tokio::select! {
                    event = rest.recv() => event,
                    // Who asked has gone: dropping the receiver ends the answer.
                    () = self.to.closed() => return,
                },
            };
            let Some((_, mut told)) = event else { return };
            let doubt = self.watched.hear(&mut told);
            let is_over = matches!(told, Told::Ended { .. } | Told::Failed(_));
            if !self.shown.pass(told, &self.to) {
                return;
            }
            let can_go = self.is_watched && !is_over && self.shown.can_go_on(&ask);
            let Some(estimate) = doubt.filter(|_| can_go) else { continue };
            let said = self.shown.text.clone();
            match self.watched.hand_over(&app, &ask, estimate, said).await {
                Some(there) => {
                    drop(rest);
                    return listen(there, &self.to).await;
                }
                // What was written meanwhile has been waiting.
                None => self.is_watched = false,
            }
        }
    }
}

/// Passes on what another model says.
async fn listen(mut there: Running, to: &mpsc::UnboundedSender<(usize, Told)>) {
    loop {
        let event = tokio::select! {
            event = there.next() => event,
            () = to.closed() => return,
        };
        let Some(event) = event else { return };
        if to.send(event).is_err() {
            return;
        }
    }
}

/// What the reader has seen, as far as whole words go.
#[derive(Default)]
struct Shown {
    text: String,
    /// The beginning of a word.
    waiting: String,
    has_calls: bool,
}

impl Shown {
    /// Passes an event on, but for a word that has not ended. `false`: nobody listens.
    fn pass(&mut self, mut told: Told, to: &mpsc::UnboundedSender<(usize, Told)>) -> bool {
        match &mut told {
            Told::Token { pieces, .. } => {
                let taken = std::mem::take(pieces);
                *pieces = taken.into_iter().filter_map(|piece| self.piece(piece)).collect();
            }
            Told::Ended { pieces, .. } if !self.waiting.is_empty() => {
                pieces.insert(0, Piece::Text(std::mem::take(&mut self.waiting)));
            }
            _ => {}
        }
        to.send((0, told)).is_ok()
    }

    fn piece(&mut self, piece: Piece) -> Option<Piece> {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Call(call) => {
                self.has_calls = true;
                return Some(Piece::Call(call));
            }
            thought => return Some(thought),
        };
        self.waiting.push_str(&text);
        let blank = self.waiting.char_indices().rev().find(|(_, c)| c.is_whitespace());
        let end = match blank {
            Some((at, c)) => at + c.len_utf8(),
            None if self.waiting.len() > WORD_BYTES_MAX => self.waiting.len(),
            None => 0,
        };
        let rest = self.waiting.split_off(end);
        let whole = std::mem::replace(&mut self.waiting, rest);
        self.text.push_str(&whole);
        (!whole.is_empty()).then_some(Piece::Text(whole))
    }

    /// Whether another model can go on with it: calls stand on their own, and half a document of a schema has no continuation.
    fn can_go_on(&self, ask: &Ask) -> bool {
        !self.has_calls && (self.text.is_empty() || ask.grammar.is_none())
    }
}
