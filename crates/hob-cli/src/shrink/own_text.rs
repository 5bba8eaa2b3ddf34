//! Text that the model writes itself, for when none is given: what it says unasked is what it expects to see
//! (Liu et al., "LLM-QAT", arXiv:2305.17888).

use crate::fail::note;
use crate::progress::Progress;
use crate::which::Which;
use anyhow::anyhow;
use hob::{LanguageModel, OnFull, Options, SamplerConfig, Speculation};
use hob_engine::scheduler::{Event, Job, JobId, Scheduler, SchedulerConfig};
use hob_engine::{Request, SessionConfig};
use hob_train::data::Corpus;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Texts that are written at the same time.
const AT_ONCE: usize = 8;

/// About `tokens` tokens of texts of up to `length` tokens each, drawn from all that the model `which` finds likely.
pub fn own_text(
    which: &Which,
    (tokens, length): (usize, usize),
    seed: u64,
    threads: usize,
) -> anyhow::Result<Corpus> {
    let model = LanguageModel::new(which.files()?, &Options { threads, ..Options::default() })?;
    let special = model.tokenizer()?.special();
    let start = special.bos.or(special.eos).or(special.eot).ok_or_else(|| {
        anyhow!("the model's vocabulary has no token that begins a text, so it cannot write one itself; give --data")
    })?;
    let sampler = |number: u64| SamplerConfig {
        seed: seed.wrapping_mul(1 << 32).wrapping_add(number),
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        ..SamplerConfig::default()
    };
    let job = |number: u64| Job {
        tokens: vec![start],
        session: SessionConfig { context: length, on_full: OnFull::Error },
        request: Request {
            sampler: sampler(number),
            constraint: None,
            constrain_after: None,
            end_tokens: model.end_tokens().to_vec(),
            max_tokens: Some(length - 1),
            speculation: Speculation::OFF,
        },
        priority: 0,
        deadline: None,
    };
    let config = SchedulerConfig { running_max: AT_ONCE, waiting_max: AT_ONCE, ..SchedulerConfig::default() };
    let mut scheduler = Scheduler::new(Arc::clone(model.engine()), config);
    let mut texts: BTreeMap<JobId, Vec<u32>> = BTreeMap::new();
    let (mut corpus, mut failure) = (Corpus::default(), None);
    let mut progress = Progress::start();
    while corpus.tokens.len() < tokens && failure.is_none() {
        while texts.len() < AT_ONCE {
            let number = (corpus.documents.len() + texts.len()) as u64;
            texts.insert(scheduler.submit(job(number))?, vec![start]);
        }
        scheduler.step(Duration::ZERO, &mut |id, event| match event {
            Event::Token(sampled) => texts.entry(id).or_default().push(sampled.id),
            Event::Finished { .. } => corpus.append(document(texts.remove(&id).unwrap_or_default())),
            Event::Failed(error) => failure = Some(error),
            Event::Prefill { .. } => {}
        });
        let done = corpus.tokens.len() + texts.values().map(Vec::len).sum::<usize>();
        let line = || format!("the model writes text to read: {done} of {tokens} tokens");
        progress.update(line, || json!({"event": "writing", "done": done, "total": tokens}));
    }
    drop(progress);
    match failure {
        Some(error) => Err(error.into()),
        None => {
            let (texts, tokens) = (corpus.documents.len(), corpus.tokens.len());
            note(&format!("no --data: the model wrote {texts} texts of {tokens} tokens itself"));
            Ok(corpus)
        }
    }
}

fn document(tokens: Vec<u32>) -> Corpus {
    let all = 0..tokens.len();
    Corpus { learn: vec![true; tokens.len()], documents: vec![all], bytes: 0, tokens }
}
