//! One turn: the prompt computed, the answer passed on as it comes, Ctrl-C heard.

use super::talk::Talk;
use crate::progress::Progress;
use crate::signals;
use crate::terminal::QuietControls;
use hob::{Answer, AnswerOptions, Error, Grammar, Piece, Prefilled, Reply, SamplerConfig, Speculation};
use hob_energy::Account;
use serde_json::json;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// What a turn asks for.
pub struct Request {
    /// How tokens are drawn.
    pub sampler: SamplerConfig,
    /// What the answer must look like.
    pub grammar: Option<Grammar>,
    /// Longest answer, in tokens.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Whether tokens are guessed ahead.
    pub speculation: Speculation,
}

/// What a turn came to.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The answer, as far as it got.
    pub reply: Reply,
    /// What computing the prompt did.
    pub prefilled: Prefilled,
    /// Tokens of the conversation that were dropped to make room.
    pub dropped: usize,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// How long it took to compute the prompt.
    pub prefill: Duration,
    /// From the end of that to the end of the answer.
    pub decode: Duration,
    /// When the first piece of the answer was there.
    pub first: Option<Instant>,
    /// What it took in energy.
    pub energy: Option<Account>,
}

impl Turn {
    /// Whether anything was said; else the conversation is as it was before.
    pub fn is_answer(&self) -> bool {
        !self.reply.text.is_empty() || !self.reply.thought.is_empty()
    }
}

/// Lets `talk` answer; `take` gets each piece. An error of `take` ends the turn.
pub fn run(
    talk: &mut Talk,
    request: Request,
    take: &mut dyn FnMut(&Piece) -> anyhow::Result<()>,
) -> anyhow::Result<Turn> {
    signals::forget();
    let _quiet = QuietControls::new();
    let dropped = talk.session().dropped();
    let mut turn = Turn::default();
    let result = answer(talk, request, take, &mut turn);
    talk.end(&turn.reply);
    turn.dropped = talk.session().dropped() - dropped;
    result.map(|()| turn)
}

fn answer(
    talk: &mut Talk,
    request: Request,
    take: &mut dyn FnMut(&Piece) -> anyhow::Result<()>,
    turn: &mut Turn,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut progress = Progress::start();
    let mut watch = |p: hob::Progress| {
        let line = || format!("reading the prompt: {} of {} tokens", p.done, p.total);
        if p.done < p.total {
            progress.update(line, || json!({"event": "prefill", "done": p.done, "total": p.total}));
        }
        if signals::is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut options = AnswerOptions {
        sampler: Some(request.sampler),
        grammar: request.grammar,
        max_tokens: request.max_tokens,
        stop: request.stop,
        speculation: request.speculation,
        progress: Some(&mut watch),
    };
    let started = talk.answer(&mut options);
    drop(progress);
    let mut answer = match started {
        Err(Error::Engine(hob_engine::Error::Stopped)) => {
            turn.interrupted = true;
            return Ok(());
        }
        other => other?,
    };
    turn.prefill = began.elapsed();
    turn.prefilled = answer.prefilled();
    let result = pass_on(&mut answer, take, turn);
    turn.decode = began.elapsed() - turn.prefill;
    turn.reply = answer.reply().clone();
    result
}

/// Hands out the pieces of an answer until it ends, `take` fails or Ctrl-C is pressed.
fn pass_on(
    answer: &mut Answer<'_>,
    take: &mut dyn FnMut(&Piece) -> anyhow::Result<()>,
    turn: &mut Turn,
) -> anyhow::Result<()> {
    while let Some(piece) = answer.next()? {
        turn.first.get_or_insert_with(Instant::now);
        take(&piece)?;
        if signals::is_requested() {
            turn.interrupted = true;
            break;
        }
    }
    Ok(())
}
