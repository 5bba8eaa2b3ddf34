//! What checking a guess costs, and what prompt look-up brings where half of an answer repeats the prompt.
//!
//! `cargo bench -p hob-engine --bench speculation -- MODEL [THREADS]`. Weights may be random: the continuation is forced, half
//! of it runs of the prompt and half of it new tokens, so speed does not depend on what the model would say. The scores are
//! computed and searched for their largest all the same.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench stops where its set-up fails, and times"
)]

use hob_engine::speculation::{Drafter, PromptLookup, VERIFY_TOKENS_MAX};
use hob_engine::{Engine, EngineConfig, OnFull, Session, SessionConfig};
use hob_model::Model;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const PROMPT: usize = 256;
const ANSWER: usize = 192;
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let Some(path) = arguments.first() else {
        eprintln!("SKIPPED: name a model file");
        return;
    };
    let threads = arguments.get(1).map_or(2, |n| n.parse().unwrap());
    let model = Model::load(&hob_format::open(Path::new(path)).unwrap()).unwrap();
    let engine =
        Engine::new(model, EngineConfig { threads, prefix_bytes_max: 1 << 30, ..EngineConfig::default() });
    costs(&engine);
    for run in [16, 48] {
        compare(&engine, run);
    }
}

/// Tokens without rhyme: no three of them come twice.
fn words(seed: u64, count: usize, vocab: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % vocab
    };
    (0..count).map(|_| next() as u32).collect()
}

fn fed(engine: &Arc<Engine>, ids: &[u32]) -> Session {
    let mut session = engine.session(SessionConfig { context: 4096, on_full: OnFull::Error });
    session.prefill(ids, &mut |_| ControlFlow::Continue(())).unwrap();
    session
}

/// The cost of a step over `n` tokens, relative to one.
fn costs(engine: &Arc<Engine>) {
    let vocab = engine.model().spec().vocab;
    let prompt = words(1, PROMPT, vocab);
    let mut session = fed(engine, &prompt);
    let mut times = vec![Vec::new(); VERIFY_TOKENS_MAX];
    for round in 0..8 {
        for (n, times) in (1..).zip(&mut times) {
            let next = words(round * 100 + n, n as usize, vocab);
            let start = Instant::now();
            session.push_ahead(next[0], &next[1..]).unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let relative: Vec<String> = medians.iter().map(|m| format!("{:.2}", m / medians[0])).collect();
    println!(
        "one token {:.2} ms; 1 to {VERIFY_TOKENS_MAX} tokens relative to it: {}",
        medians[0],
        relative.join(" ")
    );
}

/// Plain decode against look-up, in turns.
fn compare(engine: &Arc<Engine>, run: usize) {
    let vocab = engine.model().spec().vocab;
    let prompt = words(1, PROMPT, vocab);
    let mut answer = Vec::new();
    for part in 0.. {
        if answer.len() >= ANSWER {
            break;
        }
        let from = part * 61 % (PROMPT - run);
        answer.extend(words(1000 + part as u64, run, vocab));
        answer.extend(&prompt[from..from + run]);
    }
    let mut ratios = Vec::new();
    let (mut plain, mut quick, mut stats) = (Vec::new(), Vec::new(), None);
    for _ in 0..ROUNDS {
        plain.push(timed(engine, &prompt, &answer, None));
        let mut drafter = Drafter::new(PromptLookup::default());
        prompt.iter().for_each(|id| drafter.accept(*id));
        quick.push(timed(engine, &prompt, &answer, Some(&mut drafter)));
        ratios.push(plain[plain.len() - 1] / quick[quick.len() - 1]);
        stats = Some(drafter.stats());
    }
    let rate = |times: Vec<f64>| answer.len() as f64 / median(times);
    let (plain, quick, ratio) = (rate(plain), rate(quick), median(ratios));
    println!(
        "runs of {run}: {plain:.1} tokens/s plain, {quick:.1} with look-up, {ratio:.2} times; {stats:?}"
    );
}

fn timed(engine: &Arc<Engine>, prompt: &[u32], answer: &[u32], mut drafter: Option<&mut Drafter>) -> f64 {
    let mut session = fed(engine, prompt);
    let start = Instant::now();
    let mut top = 0;
    for (i, &id) in answer.iter().enumerate() {
        let draft = match &mut drafter {
            Some(drafter) => {
                drafter.accept(id);
                let max = session.ahead_max(answer.len() - i - 1);
                if session.is_ahead(id) { Vec::new() } else { drafter.draft(max, <[u32]>::len) }
            }
            None => Vec::new(),
        };
        session.push_ahead(id, &draft).unwrap();
        let logits = session.logits().unwrap();
        top ^= logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id);
    }
    std::hint::black_box(top);
    start.elapsed().as_secs_f64()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
