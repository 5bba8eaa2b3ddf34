//! What a caller can choose, with the defaults.

use hob_engine::constraint::Grammar;
use hob_engine::sampling::SamplerConfig;
use hob_engine::speculation::Speculation;
use hob_engine::{Clock, EngineConfig, OnFull, Progress};
use hob_kernels::{Compute, KvType};
use hob_tokenizer::LocalTime;
use std::ops::ControlFlow;

/// How a model is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads to compute with; 0 takes all the machine offers.
    pub threads: usize,
    /// Representation of activations. `Exact` also keeps keys and values in f32.
    pub compute: Compute,
    /// Element type of cached keys and values; `None` follows `compute`.
    pub kv: Option<KvType>,
    /// Prompt tokens worked on at a time.
    pub prefill_chunk: usize,
    /// Memory that remembered prompts may hold on to, in bytes.
    pub prefix_bytes_max: usize,
    /// A chat template to use instead of the model's own.
    pub template: Option<String>,
    /// Keep the files in memory from the beginning, so that other programs cannot push them out. Without effect on the
    /// built-in model, which lies in no file of its own.
    pub lock: bool,
    /// A clock, by which it is judged whether guessing ahead pays; without one, costs measured beforehand are believed.
    pub clock: Option<Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 0,
            compute: Compute::Fast,
            kv: None,
            prefill_chunk: 512,
            prefix_bytes_max: 256 << 20,
            template: None,
            lock: false,
            clock: None,
        }
    }
}

impl Options {
    /// The same for the engine, with defaults made definite.
    pub fn engine_config(&self) -> EngineConfig {
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let default_kv = if self.compute == Compute::Exact { KvType::F32 } else { KvType::F16 };
        EngineConfig {
            threads: if self.threads == 0 { available() } else { self.threads },
            compute: self.compute,
            kv: self.kv.unwrap_or(default_kv),
            prefill_chunk: self.prefill_chunk,
            prefix_bytes_max: self.prefix_bytes_max,
            clock: self.clock,
        }
    }
}

/// How a chat or a text is held.
#[derive(Clone, Debug)]
pub struct ChatOptions {
    /// Positions of the context; `None` takes what the model was trained for, up to [`ChatOptions::DEFAULT_CONTEXT`].
    pub context: Option<usize>,
    /// What happens when they are used up.
    pub on_full: OnFull,
    /// Whether the model is asked to think before it answers, where its template knows the difference.
    pub think: Option<bool>,
    /// The time of day that templates may print.
    pub now: Option<LocalTime>,
}

impl ChatOptions {
    /// Context of a chat that asks for none in particular.
    pub const DEFAULT_CONTEXT: usize = 8192;
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { context: None, on_full: OnFull::Error, think: None, now: None }
    }
}

/// How an answer is drawn and shaped.
#[derive(Default)]
pub struct AnswerOptions<'a> {
    /// How tokens are drawn; `None` takes what the model's publisher recommends.
    pub sampler: Option<SamplerConfig>,
    /// A grammar that the answer must follow, once any thinking is over.
    pub grammar: Option<Grammar>,
    /// Longest answer, in tokens.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Whether tokens are guessed ahead. It changes how fast they come, never which.
    pub speculation: Speculation,
    /// Told after every chunk of the prompt; may stop the run.
    pub progress: Option<&'a mut dyn FnMut(Progress) -> ControlFlow<()>>,
}
