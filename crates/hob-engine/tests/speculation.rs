//! Guessing ahead changes the speed of an answer and nothing else: every test runs with and without it and compares.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

mod common;

use common::{constraint, eager, engine, load, prompt};
use hob_engine::sampling::{DryConfig, Mirostat, Sampled, SamplerConfig};
use hob_engine::speculation::{Draft, Speculation, SpeculationStats, VERIFY_TOKENS_MAX, VerifyCosts};
use hob_engine::{Engine, FinishReason, Generation, OnFull, Request, Session, SessionConfig};
use hob_kernels::{Compute, KvType};
use std::ops::ControlFlow;
use std::sync::Arc;

fn open(engine: &Arc<Engine>, context: usize, on_full: OnFull) -> Session {
    engine.session(SessionConfig { context, on_full })
}

fn feed(session: &mut Session, ids: &[u32]) {
    session.prefill(ids, &mut |_| ControlFlow::Continue(())).unwrap();
}

fn request(sampler: SamplerConfig, max_tokens: usize) -> Request {
    Request {
        sampler,
        constraint: None,
        constrain_after: None,
        end_tokens: vec![],
        max_tokens: Some(max_tokens),
        speculation: Speculation::OFF,
    }
}

/// Everything that must not depend on guessing.
#[derive(Debug, PartialEq)]
struct Outcome {
    tokens: Vec<Sampled>,
    finish: Option<FinishReason>,
    session: Vec<u32>,
    logits: Vec<u32>,
}

fn outcome(
    session: &mut Session,
    request: &Request,
    speculation: &Speculation,
) -> (Outcome, SpeculationStats) {
    let request = Request { speculation: speculation.clone(), ..request.clone() };
    let mut generation = Generation::new(session, request).unwrap();
    let mut tokens = Vec::new();
    while let Some(sampled) = generation.next().unwrap() {
        tokens.push(sampled);
    }
    let (finish, stats) = (generation.finish_reason(), generation.speculation());
    let logits = session.logits().unwrap().iter().map(|l| l.to_bits()).collect();
    (Outcome { tokens, finish, session: session.tokens().to_vec(), logits }, stats)
}

/// Two turns of a conversation with look-up and without guessing; returns what guessing did in the first.
fn same(
    engine: &Arc<Engine>,
    prompt: &[u32],
    request: &Request,
    context: usize,
    on_full: OnFull,
) -> SpeculationStats {
    same_with(&eager(), engine, prompt, request, context, on_full)
}

/// The same with guesses of any kind.
fn same_with(
    speculation: &Speculation,
    engine: &Arc<Engine>,
    prompt: &[u32],
    request: &Request,
    context: usize,
    on_full: OnFull,
) -> SpeculationStats {
    let run = |speculation: &Speculation| {
        let mut session = open(engine, context, on_full);
        feed(&mut session, prompt);
        let (first, stats) = outcome(&mut session, request, speculation);
        if first.finish == Some(FinishReason::ContextFull) {
            return (first, None, stats);
        }
        let next = [session.tokens(), &prompt[..5]].concat();
        if next.len() + 1 >= context {
            return (first, None, stats);
        }
        feed(&mut session, &next);
        let second = outcome(&mut session, request, speculation).0;
        (first, Some(second), stats)
    };
    let (first, second, none) = run(&Speculation::OFF);
    assert_eq!(none, SpeculationStats::default());
    let (guessed, then, stats) = run(speculation);
    assert_eq!(first, guessed);
    assert_eq!(second, then);
    stats
}

const WIDE: (usize, OnFull) = (1000, OnFull::Error);

/// Files of many families and block formats: windows, borrowed keys, experts, the integer codes of phones.
const FILES: [&str; 20] = [
    "gemma3_1b/gemma3_1b-Q4_0.gguf",
    "gemma4_12b_unified/gemma4_12b_unified-Q4_0.gguf",
    "gemma4_26b_a4b/gemma4_26b_a4b-Q4_0.gguf",
    "gemma4_e2b/gemma4_e2b-Q4_0.gguf",
    "gemma4_mobile_e2b/ct",
    "llama3_2/llama3_2-Q4_0.gguf",
    "llama3_2",
    "llama_kquant/llama_kquant-BF16.gguf",
    "llama_kquant/llama_kquant-IQ4_XS.gguf",
    "llama_kquant/llama_kquant-Q2_K.gguf",
    "llama_kquant/llama_kquant-Q3_K.gguf",
    "llama_kquant/llama_kquant-Q4_K.gguf",
    "llama_kquant/llama_kquant-Q5_K.gguf",
    "llama_kquant/llama_kquant-Q6_K.gguf",
    "llama_kquant/llama_kquant-Q8_0.gguf",
    "llama_kquant/llama_kquant-TQ1_0.gguf",
    "mistral_v03/mistral_v03-Q4_0.gguf",
    "phi3_mini_128k/phi3_mini_128k-Q4_0.gguf",
    "qwen3/qwen3-Q4_0.gguf",
    "smollm3/smollm3-Q4_0.gguf",
];

#[test]
fn every_family_and_format_says_the_same() {
    let mut all = SpeculationStats::default();
    for (file, kv) in FILES.into_iter().zip([KvType::F16, KvType::Q8].into_iter().cycle()) {
        let Some(engine) = engine(&format!("fixtures/models/{file}"), |c| c.kv = kv) else { return };
        let warm = SamplerConfig { temperature: 0.3, top_k: 3, seed: 5, ..SamplerConfig::default() };
        for sampler in [SamplerConfig::greedy(), warm] {
            let stats = same(&engine, &prompt(90), &request(sampler, 50), WIDE.0, WIDE.1);
            all.drafted += stats.drafted;
            all.accepted += stats.accepted;
        }
    }
    eprintln!("{all:?}");
    assert!(all.accepted > 100 && all.accepted + 100 < all.drafted, "{all:?}");
}

#[test]
fn the_story_model_says_the_same_in_fewer_steps() {
    for file in ["stories260K-f32.gguf", "stories260K-f16.gguf", "stories260K-q8_0.gguf"] {
        for compute in [Compute::Fast, Compute::Exact] {
            let Some(engine) = engine(&format!("models/{file}"), |c| c.compute = compute) else { return };
            let stats = same(
                &engine,
                &[1, 403, 407, 261, 378],
                &request(SamplerConfig::greedy(), 200),
                512,
                OnFull::Error,
            );
            eprintln!("{file} {compute:?}: {stats:?}");
            assert!(stats.accepted > 10 && stats.steps + stats.accepted >= 199, "{stats:?}");
            assert!(stats.steps < 190, "{stats:?}");
        }
    }
}

#[test]
fn whatever_the_sampler_does_it_does_once_a_token() {
    let Some(engine) = engine("models/stories260K-q8_0.gguf", |_| ()) else { return };
    let base = SamplerConfig { seed: 11, logprobs: Some(2), ..SamplerConfig::default() };
    let dry = DryConfig { multiplier: 0.8, ..DryConfig::default() };
    let variants = [
        SamplerConfig { temperature: 0.7, ..base.clone() },
        SamplerConfig { repeat_penalty: 1.2, frequency_penalty: 0.2, temperature: 0.0, ..base.clone() },
        SamplerConfig { dry, temperature: 0.5, ..base.clone() },
        SamplerConfig { mirostat: Some(Mirostat::default()), temperature: 0.6, ..base.clone() },
        SamplerConfig { xtc_probability: 0.5, temperature: 0.4, ..base },
    ];
    let mut accepted = 0;
    for sampler in variants {
        let stats = same(&engine, &[1, 403, 407, 261, 378], &request(sampler, 150), 512, OnFull::Error);
        assert!(stats.drafted > 20, "{stats:?}");
        accepted += stats.accepted;
    }
    assert!(accepted > 20, "{accepted}");
}

#[test]
fn a_grammar_is_followed_position_by_position() {
    let Some(engine) = engine("fixtures/models/llama3_2", |_| ()) else { return };
    let vocab = engine.model().spec().vocab;
    let mut all = SpeculationStats::default();
    for (regex, temperature) in [
        ("([a-z]{2}[a-g]){4}([a-z]{3}){20,60}", 0.0),
        ("(([a-z]{2}[a-m]){3}[a-z]{2}[n-z]){6}", 0.0),
        ("(([a-z]{2}[a-d]){2}[a-z]{2}[n-p]){4,30}", 0.4),
    ] {
        let sampler = SamplerConfig { temperature, top_k: 2, seed: 3, ..SamplerConfig::default() };
        let constraint = Some(constraint(vocab, regex));
        let ask = Request { constraint, end_tokens: vec![2], ..request(sampler.clone(), 60) };
        let stats = same(&engine, &prompt(60), &ask, WIDE.0, WIDE.1);
        let late = Request { constrain_after: Some(prompt(60)[10]), ..ask };
        same(&engine, &prompt(60), &late, WIDE.0, WIDE.1);
        all.drafted += stats.drafted;
        all.accepted += stats.accepted;
    }
    eprintln!("{all:?}");
    assert!(all.accepted > 0 && all.drafted > all.accepted, "{all:?}");
}

#[test]
fn an_answer_ends_where_it_would_have_ended() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let start = [1, 403, 407, 261, 378];
    let mut session = open(&engine, 512, OnFull::Error);
    feed(&mut session, &start);
    let all = outcome(&mut session, &request(SamplerConfig::greedy(), 120), &Speculation::OFF).0;
    for at in (0..120).step_by(7) {
        let ends = Request { end_tokens: vec![all.tokens[at].id], ..request(SamplerConfig::greedy(), 120) };
        same(&engine, &start, &ends, 512, OnFull::Error);
        same(&engine, &start, &request(SamplerConfig::greedy(), at + 1), 512, OnFull::Error);
        same(&engine, &start, &request(SamplerConfig::greedy(), 120), at + 8, OnFull::Error);
        same(&engine, &start, &request(SamplerConfig::greedy(), 120), at + 16, OnFull::Shift { keep: 2 });
    }
}

#[test]
fn an_answer_may_cross_the_switch_length() {
    let Some(engine) = engine("fixtures/models/phi3_mini_128k", |_| ()) else { return };
    for length in 100..127 {
        same(&engine, &prompt(length), &request(SamplerConfig::greedy(), 30), WIDE.0, WIDE.1);
    }
}

#[test]
fn a_dropped_answer_leaves_what_was_said() {
    for model in ["models/stories260K-f32.gguf", "fixtures/models/gemma3_1b"] {
        let Some(engine) = engine(model, |_| ()) else { return };
        for taken in 1..40 {
            let run = |speculation: Speculation| {
                let mut session = open(&engine, 512, OnFull::Error);
                feed(&mut session, &prompt(60));
                let ask = Request { speculation, ..request(SamplerConfig::greedy(), 100) };
                let mut generation = Generation::new(&mut session, ask).unwrap();
                let ids: Vec<u32> = (0..taken).map(|_| generation.next().unwrap().unwrap().id).collect();
                assert_eq!(session.tokens().len(), 60 + taken - 1);
                feed(&mut session, &[&prompt(60)[..], &ids, &[7, 8]].concat());
                session.logits().unwrap().iter().map(|l| l.to_bits()).collect::<Vec<u32>>()
            };
            assert_eq!(run(Speculation::OFF), run(eager()), "{model}, {taken} tokens");
        }
    }
}

/// `file` of the shared folder as a model that guesses for `engine`, alone or beside look-up.
fn drafted(engine: &Arc<Engine>, file: &str, beside_lookup: bool) -> Speculation {
    let model = load(file).unwrap();
    let lookup = eager().lookup.filter(|_| beside_lookup);
    let costs = Some(VerifyCosts { relative: [1.0; VERIFY_TOKENS_MAX] });
    Speculation { lookup, draft: Some(Draft::new(engine.beside(model))), costs }
}

#[test]
fn a_draft_model_changes_no_token_and_saves_steps() {
    let sampler = SamplerConfig { temperature: 0.5, seed: 4, ..SamplerConfig::default() };
    for (file, draft) in [
        ("models/stories260K-f32.gguf", "models/stories260K-q8_0.gguf"),
        ("models/stories260K-f16.gguf", "models/stories260K-q8_0.gguf"),
    ] {
        let Some(engine) = engine(file, |c| c.prefix_bytes_max = 1 << 20) else { return };
        for beside_lookup in [false, true] {
            let speculation = drafted(&engine, draft, beside_lookup);
            let start = [1, 403, 407, 261, 378];
            let greedy = request(SamplerConfig::greedy(), 150);
            let stats = same_with(&speculation, &engine, &start, &greedy, 512, OnFull::Error);
            assert!(stats.steps + stats.accepted >= 149 && stats.steps < 60, "{stats:?}");
            assert!(stats.model_accepted > 0 && stats.model_accepted <= stats.model_drafted, "{stats:?}");
            let drawn = request(sampler.clone(), 150);
            same_with(&speculation, &engine, &start, &drawn, 512, OnFull::Error);
            for context in [40, 41, 47] {
                same_with(&speculation, &engine, &start, &greedy, context, OnFull::Error);
                let stats =
                    same_with(&speculation, &engine, &start, &greedy, context, OnFull::Shift { keep: 2 });
                assert!(stats.model_accepted > 20, "guesses go on after a shift: {stats:?}");
            }
        }
    }
}

#[test]
fn a_draft_model_of_any_family_and_one_that_is_always_wrong() {
    // Windows, shared keys, another vocabulary, a tokenless stranger: all only guess.
    for (file, draft) in [
        ("gemma3_1b", "gemma3_1b/gemma3_1b-Q4_0.gguf"),
        ("gemma4_e2b", "gemma4_e2b/gemma4_e2b-Q4_0.gguf"),
        ("llama3_2", "qwen3"),
        ("phi3_mini_128k", "phi3_mini_128k/phi3_mini_128k-Q4_0.gguf"),
    ] {
        let Some(engine) = engine(&format!("fixtures/models/{file}"), |_| ()) else { return };
        let speculation = drafted(&engine, &format!("fixtures/models/{draft}"), true);
        for length in [7, 120] {
            let ask = request(SamplerConfig::greedy(), 60);
            same_with(&speculation, &engine, &prompt(length), &ask, WIDE.0, WIDE.1);
        }
    }
}

#[test]
fn a_draft_model_under_a_grammar() {
    let Some(engine) = engine("fixtures/models/llama3_2", |_| ()) else { return };
    let speculation = drafted(&engine, "fixtures/models/llama3_2/llama3_2-Q4_0.gguf", false);
    let vocab = engine.model().spec().vocab;
    // The second leaves so few tokens that hardly a guess fits it.
    for regex in ["([a-z]{2}[a-m][a-z]{3}){20,60}", "(aa[a-c]){40}"] {
        let constraint = Some(constraint(vocab, regex));
        let ask = Request { constraint, end_tokens: vec![2], ..request(SamplerConfig::greedy(), 60) };
        same_with(&speculation, &engine, &prompt(60), &ask, WIDE.0, WIDE.1);
    }
}

#[test]
fn a_draft_model_that_does_not_pay_rests() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let start = [1, 403, 407, 261, 378];
    let ask = request(SamplerConfig::greedy(), 200);
    let free = drafted(&engine, "models/stories260K-q8_0.gguf", false);
    let cheap = same_with(&free, &engine, &start, &ask, 512, OnFull::Error);
    let costs = Some(VerifyCosts { relative: std::array::from_fn(|i| i as f32 + 1.0) });
    let dear = same_with(&Speculation { costs, ..free }, &engine, &start, &ask, 512, OnFull::Error);
    assert!(dear.model_drafted * 4 < cheap.model_drafted, "{cheap:?} {dear:?}");
}
