//! Many answers at once: each is what it would be alone, to the bit, and nobody waits for or is harmed by another.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

mod bits;
#[path = "../common/mod.rs"]
mod common;
mod limits;

use common::{constraint, eager, engine, prompt};
use hob_engine::sampling::{Sampled, SamplerConfig};
use hob_engine::scheduler::{Event, Job, JobId, Scheduler, SchedulerConfig, Stepped};
use hob_engine::speculation::Speculation;
use hob_engine::{Engine, Error, FinishReason, Generation, OnFull, Request, SessionConfig};
use hob_kernels::{Compute, KvType};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Everything that must not depend on what else runs.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answer {
    tokens: Vec<Sampled>,
    finish: Option<FinishReason>,
    dropped: usize,
    error: Option<Error>,
}

fn job(tokens: Vec<u32>, sampler: SamplerConfig, max_tokens: usize) -> Job {
    let request = Request {
        sampler: SamplerConfig { logprobs: Some(2), ..sampler },
        constraint: None,
        constrain_after: None,
        end_tokens: vec![],
        max_tokens: Some(max_tokens),
        speculation: Speculation::OFF,
    };
    let session = SessionConfig { context: 500, on_full: OnFull::Error };
    Job { tokens, session, request, priority: 0, deadline: None }
}

fn warm(seed: u64) -> SamplerConfig {
    SamplerConfig { temperature: 0.8, top_k: 20, seed, ..SamplerConfig::default() }
}

fn alone(engine: &Arc<Engine>, job: &Job) -> Answer {
    let mut session = engine.session(job.session);
    let mut answer = Answer::default();
    let mut run = || -> Result<(), Error> {
        session.prefill(&job.tokens, &mut |_| ControlFlow::Continue(()))?;
        let mut generation = Generation::new(&mut session, job.request.clone())?;
        while let Some(sampled) = generation.next()? {
            answer.tokens.push(sampled);
        }
        answer.finish = generation.finish_reason();
        Ok(())
    };
    answer.error = run().err();
    answer.dropped = session.dropped();
    answer
}

/// A scheduler with the answers it gave so far.
struct Running {
    scheduler: Scheduler,
    answers: BTreeMap<JobId, Answer>,
    cached: BTreeMap<JobId, usize>,
}

impl Running {
    fn new(engine: &Arc<Engine>, config: SchedulerConfig) -> Self {
        let scheduler = Scheduler::new(Arc::clone(engine), config);
        Self { scheduler, answers: BTreeMap::new(), cached: BTreeMap::new() }
    }

    fn submit(&mut self, job: Job) -> JobId {
        let id = self.scheduler.submit(job).unwrap();
        self.answers.insert(id, Answer::default());
        id
    }

    fn step_at(&mut self, seconds: u64) -> Stepped {
        self.scheduler.step(Duration::from_secs(seconds), &mut |id, event| {
            let answer = self.answers.get_mut(&id).unwrap();
            assert!(answer.finish.is_none() && answer.error.is_none(), "nothing follows the end");
            match event {
                Event::Prefill { cached, .. } => *self.cached.entry(id).or_default() = cached,
                Event::Token(sampled) => answer.tokens.push(sampled),
                Event::Finished { reason, usage } => {
                    assert_eq!(usage.produced, answer.tokens.len());
                    (answer.finish, answer.dropped) = (Some(reason), usage.dropped);
                }
                Event::Failed(error) => answer.error = Some(error),
            }
        })
    }

    fn step(&mut self) -> Stepped {
        self.step_at(0)
    }

    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    fn finish(&mut self) {
        while !self.scheduler.is_idle() {
            self.step();
        }
        assert_eq!(self.scheduler.kv_bytes(), 0);
    }
}

const SMALL: SchedulerConfig = SchedulerConfig { running_max: 4, waiting_max: 8, prefill_tokens: 64 };
