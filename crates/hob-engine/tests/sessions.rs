//! Sessions on real (tiny) models: what is reused, what is refused, and that neither changes a result.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use hob_engine::sampling::SamplerConfig;
use hob_engine::speculation::Speculation;
use hob_engine::{
    Engine, EngineConfig, Error, FinishReason, Generation, OnFull, Prefilled, Request, Session, SessionConfig,
};
use hob_kernels::{Compute, KvType};
use hob_model::Model;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn engine(family: &str, change: impl FnOnce(&mut EngineConfig)) -> Option<Arc<Engine>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/models").join(family);
    if !path.is_dir() {
        eprintln!("SKIPPED: no fixtures at {}", path.display());
        return None;
    }
    let model = Model::load(&hob_format::open(&path).unwrap()).unwrap();
    let mut config = EngineConfig {
        compute: Compute::Exact,
        kv: KvType::F32,
        prefill_chunk: 16,
        ..EngineConfig::default()
    };
    change(&mut config);
    Some(Engine::new(model, config))
}

fn open(engine: &Arc<Engine>, context: usize, on_full: OnFull) -> Session {
    engine.session(SessionConfig { context, on_full })
}

fn tokens(seed: usize, count: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * 37 + seed * 101 + 5) % 400 + 30) as u32).collect()
}

fn feed(session: &mut Session, ids: &[u32]) -> Prefilled {
    session.prefill(ids, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The next token's scores after `ids`, from an engine that remembers nothing.
fn fresh(family: &str, ids: &[u32]) -> Vec<f32> {
    let engine = engine(family, |c| c.prefix_bytes_max = 0).unwrap();
    let mut session = open(&engine, 1000, OnFull::Error);
    assert_eq!(feed(&mut session, ids).cached, 0);
    session.logits().unwrap().to_vec()
}

fn assert_close(a: &[f32], b: &[f32], what: &str) {
    let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && difference < 1e-4, "{what}: {difference}");
}

#[test]
fn a_longer_prompt_reuses_what_it_shares() {
    for family in ["llama3_2", "gemma3_1b"] {
        let Some(engine) = engine(family, |_| ()) else { return };
        let mut session = open(&engine, 500, OnFull::Error);
        let first = tokens(1, 60);
        assert_eq!(feed(&mut session, &first).cached, 0);
        let second = [&first[..], &tokens(2, 30)].concat();
        let did = feed(&mut session, &second);
        assert_eq!((did.cached, did.computed), (60, 30), "{family}");
        assert_close(session.logits().unwrap(), &fresh(family, &second), family);

        // Another conversation that begins alike finds the beginning remembered.
        let third = [&first[..], &tokens(3, 20)].concat();
        let mut other = open(&engine, 500, OnFull::Error);
        assert_eq!(feed(&mut other, &third).cached, 60, "{family}");
        assert_close(other.logits().unwrap(), &fresh(family, &third), family);
    }
}

#[test]
fn the_prompt_used_least_recently_is_forgotten_first() {
    let (one, length) = (engine("llama3_2", |_| ()).map(|e| e.kv_bytes(64)), 64);
    let Some(one) = one else { return };
    let engine = engine("llama3_2", |c| c.prefix_bytes_max = 2 * one as usize).unwrap();
    let cached = |seed| feed(&mut open(&engine, 500, OnFull::Error), &tokens(seed, length)).cached;
    assert_eq!([cached(1), cached(2)], [0, 0]);
    assert_eq!(cached(1), length - 1, "both fit");
    assert_eq!(cached(3), 0);
    assert_eq!([cached(1), cached(3)], [length - 1; 2], "the second had to go");
    assert_eq!(cached(2), 0);
    assert_eq!(cached(3), length - 1);
}

#[test]
fn a_prompt_beyond_the_budget_is_not_kept() {
    let Some(engine) = engine("llama3_2", |c| c.prefix_bytes_max = 1000) else { return };
    let cached = || feed(&mut open(&engine, 500, OnFull::Error), &tokens(1, 64)).cached;
    assert_eq!([cached(), cached()], [0, 0]);
}

#[test]
fn a_beginning_is_found_where_windows_have_moved_on() {
    let Some(engine) = engine("gemma3_1b", |_| ()) else { return };
    let long = tokens(1, 300);
    let mut session = open(&engine, 500, OnFull::Error);
    feed(&mut session, &long[..100]);
    feed(&mut session, &long);
    // The long cache cannot be cut to 100; the short one is still there for it.
    let back = [&long[..100], &tokens(4, 10)].concat();
    assert_eq!(feed(&mut open(&engine, 500, OnFull::Error), &back).cached, 100);
}

#[test]
fn going_back_behind_a_window_computes_anew_and_right() {
    let Some(engine) = engine("gemma3_1b", |c| c.prefix_bytes_max = 0) else { return };
    let mut session = open(&engine, 500, OnFull::Error);
    let long = tokens(1, 300);
    feed(&mut session, &long);
    let back = [&long[..100], &tokens(4, 10)].concat();
    assert_eq!(feed(&mut session, &back).cached, 0);
    assert_close(session.logits().unwrap(), &fresh("gemma3_1b", &back), "after going back");
}

#[test]
fn crossing_the_switch_length_equals_a_long_prompt() {
    let Some(engine) = engine("phi3_mini_128k", |_| ()) else { return };
    let all = tokens(1, 131);
    let mut session = open(&engine, 500, OnFull::Error);
    feed(&mut session, &all[..126]);
    for &id in &all[126..] {
        session.push(id).unwrap();
    }
    assert_eq!(session.tokens(), all);
    assert_close(session.logits().unwrap(), &fresh("phi3_mini_128k", &all), "beyond the original context");
}

#[test]
fn a_full_context_is_an_error_or_a_shift_never_silent() {
    let Some(engine) = engine("llama3_2", |_| ()) else { return };
    let ids = tokens(1, 50);
    let mut strict = open(&engine, 40, OnFull::Error);
    let refused = strict.prefill(&ids, &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused, Err(Error::PromptTooLong { found: 50, limit: 40 }));

    let mut shifting = open(&engine, 40, OnFull::Shift { keep: 4 });
    let did = feed(&mut shifting, &ids);
    assert_eq!(did.dropped, 50 - shifting.tokens().len());
    assert_eq!((&shifting.tokens()[..4], shifting.tokens().last()), (&ids[..4], ids.last()));
    assert_close(shifting.logits().unwrap(), &fresh("llama3_2", shifting.tokens()), "shifted");
    for id in tokens(2, 60) {
        shifting.push(id).unwrap();
        assert!(shifting.tokens().len() < 40);
    }
    assert!(shifting.dropped() > did.dropped);
}

fn request(end_tokens: Vec<u32>, max_tokens: Option<usize>) -> Request {
    Request {
        sampler: SamplerConfig::greedy(),
        constraint: None,
        constrain_after: None,
        end_tokens,
        max_tokens,
        speculation: Speculation::OFF,
    }
}

fn answer(session: &mut Session, request: Request) -> (Vec<u32>, Option<FinishReason>) {
    let mut generation = Generation::new(session, request).unwrap();
    let mut ids = Vec::new();
    while let Some(sampled) = generation.next().unwrap() {
        ids.push(sampled.id);
    }
    (ids, generation.finish_reason())
}

#[test]
fn an_answer_ends_for_a_stated_reason() {
    let Some(engine) = engine("llama3_2", |_| ()) else { return };
    let prompt = tokens(1, 20);
    let mut session = open(&engine, 100, OnFull::Error);
    feed(&mut session, &prompt);
    let (ids, reason) = answer(&mut session, request(vec![], Some(8)));
    assert_eq!((ids.len(), reason), (8, Some(FinishReason::Length)));
    assert_eq!(session.tokens(), [&prompt[..], &ids].concat(), "the next turn finds the whole answer cached");

    feed(&mut session, &prompt);
    let (cut, reason) = answer(&mut session, request(vec![ids[3]], None));
    let before = ids.iter().position(|id| *id == ids[3]).unwrap();
    assert_eq!((&cut[..], reason), (&ids[..before], Some(FinishReason::Stop)));

    let mut small = open(&engine, 25, OnFull::Error);
    feed(&mut small, &prompt);
    let (ids, reason) = answer(&mut small, request(vec![], None));
    assert_eq!((ids.len(), reason), (5, Some(FinishReason::ContextFull)));
}

#[test]
fn a_seed_gives_the_same_tokens_with_any_number_of_threads() {
    let run = |threads| {
        let engine = engine("llama3_2", |c| {
            c.threads = threads;
            c.compute = Compute::Fast;
        })?;
        let mut session = open(&engine, 200, OnFull::Error);
        feed(&mut session, &tokens(1, 40));
        let sampler = SamplerConfig { temperature: 1.2, seed: 7, ..SamplerConfig::default() };
        Some(answer(&mut session, Request { sampler, ..request(vec![], Some(40)) }).0)
    };
    let Some(one) = run(1) else { return };
    assert_eq!(Some(&one), run(2).as_ref());
    assert_eq!(Some(&one), run(4).as_ref());
    assert_eq!(one.len(), 40);
}

#[test]
fn a_stopped_prefill_keeps_what_it_has() {
    let Some(engine) = engine("llama3_2", |c| c.prefix_bytes_max = 0) else { return };
    let ids = tokens(1, 64);
    let mut session = open(&engine, 100, OnFull::Error);
    let mut stop = |p: hob_engine::Progress| {
        if p.done >= 32 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(session.prefill(&ids, &mut stop), Err(Error::Stopped));
    assert!(session.logits().is_none());
    assert_eq!(feed(&mut session, &ids).cached, 32);
    assert_close(session.logits().unwrap(), &fresh("llama3_2", &ids), "resumed");
}

#[test]
fn embeddings_and_texts_need_the_right_kind_of_model() {
    let (Some(decoder), Some(encoder)) = (engine("llama3_2", |_| ()), engine("bert_bge", |_| ())) else {
        return;
    };
    assert!(matches!(decoder.embed(&[1, 2], None), Err(Error::WrongKind { .. })));
    let embedded = encoder.embed(&[2, 359, 3], None).unwrap();
    assert!((embedded.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(matches!(encoder.embed(&[], None), Err(Error::EmptyPrompt)));
    let texts = [&[2, 359, 3][..], &[2, 17, 44, 359, 3], &[2, 3]];
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    for (vector, text) in encoder.embed_many(&texts, None).unwrap().iter().zip(texts) {
        assert!(cosine(vector, &encoder.embed(text, None).unwrap()) > 0.9999);
    }
    assert!(cosine(&embedded, &encoder.embed(texts[1], None).unwrap()) < 0.9999);
    assert!(matches!(encoder.embed_many(&[&[2, 3][..], &[]], None), Err(Error::EmptyPrompt)));
    let mut session = open(&encoder, 100, OnFull::Error);
    let refused = session.prefill(&[2, 3], &mut |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(Error::WrongKind { .. })));
}
