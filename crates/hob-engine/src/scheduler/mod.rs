//! Many answers at once: one forward pass computes the next token of all of them, so that weights are read once.
//!
//! A [`Scheduler`] is driven from outside, step by step; it starts no thread, and what its answers say depends on no clock.
//! Each [`Scheduler::step`] first computes one token of every running answer together, then some of the prompts that wait,
//! chunk by chunk: a long prompt slows the running answers by at most its budget a step and never holds them up.
//!
//! **Bits.** An answer is, to the bit, what a [`Generation`](crate::Generation) over a session of the same engine gives.
//! Kernels give a token's result whatever it is computed with, up to
//! [`Cpu::alike_tokens_max`](hob_kernels::Cpu::alike_tokens_max); steps with more rows go in several passes. In fast mode
//! longer batches use other kernels, so prompts never share a pass with answers or each other, and are cut into the engine's
//! chunks as a lone session cuts them. What can differ is the engine's memory of prompts: a beginning that another answer
//! left there was computed by that answer.
//!
//! **Guessing ahead** is done for an answer that runs alone. With others the weights are read for several tokens anyway,
//! and a guess that fails costs them time.
//!
//! Read `running.rs` for the life of one answer, `batch.rs` for the pass that they share.

mod batch;
mod core;
mod running;

pub use core::Scheduler;

use crate::sampling::Sampled;
use crate::speculation::SpeculationStats;
use crate::{Error, FinishReason, Progress, Request, SessionConfig};
use std::time::Duration;

/// The limits of a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// Answers that run at the same time, those whose prompt is being computed included; at least one.
    pub running_max: usize,
    /// Jobs that wait while none of these places is free.
    pub waiting_max: usize,
    /// Prompt tokens computed in a step, in whole chunks of [`EngineConfig::prefill_chunk`](crate::EngineConfig); one chunk
    /// is always computed. With the chunk it bounds how long running answers wait for each other's prompts.
    pub prefill_tokens: usize,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self { running_max: 8, waiting_max: 64, prefill_tokens: 512 }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Job {
    /// The prompt.
    pub tokens: Vec<u32>,
    /// How long its session may grow.
    pub session: SessionConfig,
    /// What the answer should be like.
    pub request: Request,
    /// Higher goes first; among equals, who came first. Jobs of a lower priority wait as long as higher ones keep coming.
    pub priority: i32,
    /// When it is given up, on the clock that [`Scheduler::step`] is told.
    pub deadline: Option<Duration>,
}

/// Names a job to its scheduler; later jobs have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// What happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A chunk of the prompt was computed.
    Prefill {
        /// Tokens at the prompt's beginning that were remembered and are not part of `progress`.
        cached: usize,
        /// How far the rest is.
        progress: Progress,
    },
    /// The next token of the answer.
    Token(Sampled),
    /// The answer is complete. Nothing follows.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// The job cannot go on; the others do. Nothing follows.
    Failed(Error),
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt as it was given.
    pub prompt: usize,
    /// Of these, tokens whose keys and values were remembered.
    pub cached: usize,
    /// Tokens of prompt and answer that were dropped because the context was full.
    pub dropped: usize,
    /// Tokens of the answer.
    pub produced: usize,
    /// What guessing ahead did.
    pub speculation: SpeculationStats,
}

/// What a scheduler has before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Answers that run, those whose prompt is being computed included.
    pub running: usize,
    /// Jobs that wait for one of these to end.
    pub waiting: usize,
    /// Prompt tokens still to be computed, remembered beginnings not yet taken off.
    pub prompt_tokens: usize,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Answers whose next token was computed.
    pub answers: usize,
    /// Prompt tokens computed.
    pub prompt_tokens: usize,
}
