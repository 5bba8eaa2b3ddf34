//! What guessing by look-up brings where half of an answer stands in the prompt.
//!
//! Weights may be random: the answer is given, half of it runs of the prompt and half of it new tokens, so speed does not
//! depend on what the model would say. Scores are computed and searched for the likeliest token all the same. Plain decoding
//! and decoding with guesses take turns, so that a noisy machine disturbs both.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use hob_engine::speculation::{Drafter, Speculation, SpeculationStats};
use hob_engine::{Engine, OnFull, Session, SessionConfig};
use serde::Serialize;

use super::{Speed, Subject, likeliest};
use crate::Error;
use hob_base::Random;

/// Tokens of the prompt.
const PROMPT: usize = 256;

/// Tokens of the answer.
const ANSWER: usize = 192;

/// Positions that both take.
pub(super) const POSITIONS: usize = PROMPT + ANSWER;

/// An answer of which half stands in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LookUp {
    /// Tokens copied, and then tokens that are new, in turns.
    pub run: usize,
}

/// Speed of such an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookUpSpeed {
    /// What was answered.
    #[serde(flatten)]
    pub what: LookUp,
    /// Tokens a second, one at a time.
    pub plain: Speed,
    /// Tokens a second with guesses.
    pub guessed: Speed,
    /// The median of each turn's ratio.
    pub gain: f64,
    /// Tokens guessed in a run, and how many of them were right.
    pub drafted: usize,
    /// Those that were right.
    pub accepted: usize,
    /// What steps over 1, 2, ... tokens cost at the end, as the engine learned it, relative to one token.
    pub step_costs: Vec<f32>,
}

pub(super) fn measure(on: &Subject<'_>, what: LookUp) -> Result<LookUpSpeed, Error> {
    let (engine, bench) = (on.engine, on.bench);
    let vocab = engine.model().spec().vocab;
    let prompt = words(1, PROMPT, vocab);
    let run = what.run.clamp(1, PROMPT / 2);
    let answer: Vec<u32> = (0..)
        .flat_map(|part: usize| {
            let from = part * 61 % (PROMPT - run);
            [words(1000 + part as u64, run, vocab), prompt[from..from + run].to_vec()].concat()
        })
        .take(ANSWER)
        .collect();
    let (mut plain, mut guessed, mut gains) = (Vec::new(), Vec::new(), Vec::new());
    let mut stats = SpeculationStats::default();
    for turn in 0..bench.warmups + bench.repeats.max(1) {
        let slow = timed(engine, &prompt, &answer, &Speculation::OFF)?.0;
        let (fast, of_turn) = timed(engine, &prompt, &answer, &Speculation::default())?;
        if turn >= bench.warmups {
            plain.push(slow);
            guessed.push(fast);
            gains.push(fast / slow);
            stats = of_turn;
        }
    }
    gains.sort_by(f64::total_cmp);
    Ok(LookUpSpeed {
        what,
        plain: Speed::of(plain),
        guessed: Speed::of(guessed),
        gain: gains[gains.len() / 2],
        drafted: stats.drafted,
        accepted: stats.accepted,
        step_costs: engine.step_costs().unwrap_or_default().relative.to_vec(),
    })
}

/// Tokens without rhyme: hardly ever three of them come twice.
fn words(seed: u64, count: usize, vocab: usize) -> Vec<u32> {
    let mut random = Random::new(seed, count as u64);
    (0..count).map(|_| random.below(vocab as u32)).collect()
}

/// Tokens a second of `answer` after `prompt`.
fn timed(
    engine: &Arc<Engine>,
    prompt: &[u32],
    answer: &[u32],
    speculation: &Speculation,
) -> Result<(f64, SpeculationStats), Error> {
    let mut session: Session =
        engine.session(SessionConfig { context: PROMPT + 2 * ANSWER, on_full: OnFull::Error });
    session.prefill(prompt, &mut |_| ControlFlow::Continue(()))?;
    let start = Instant::now();
    let mut drafter = Drafter::new(speculation, &session);
    prompt.iter().for_each(|id| drafter.iter_mut().for_each(|d| d.accept(*id)));
    for (i, &id) in answer.iter().enumerate() {
        let draft = match &mut drafter {
            Some(drafter) => {
                drafter.accept(id);
                let max = session.ahead_max(answer.len() - i - 1);
                if session.is_ahead(id) { Vec::new() } else { drafter.draft(&session, id, max, <[u32]>::len) }
            }
            None => Vec::new(),
        };
        session.push_ahead(id, &draft)?;
        std::hint::black_box(likeliest(engine.cpu(), session.logits().unwrap_or_default()));
    }
    let rate = answer.len() as f64 / start.elapsed().as_secs_f64();
    Ok((rate, drafter.map(|d| d.stats()).unwrap_or_default()))
}
