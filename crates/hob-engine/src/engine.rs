//! A model with the machine it runs on; sessions are opened from it.

use crate::prefix::PrefixCache;
use crate::speculation::{StepTimes, VerifyCosts};
use crate::{Session, SessionConfig};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time since any fixed moment.
pub type Clock = fn() -> Duration;

/// Most memory for remembered prompts of a model that works beside another.
const PREFIX_BYTES_BESIDE: usize = 64 << 20;

/// How an engine uses the machine.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Threads of the pool, the caller's included.
    pub threads: usize,
    /// Representation of activations.
    pub compute: Compute,
    /// Element type of cached keys and values.
    pub kv: KvType,
    /// Prompt tokens worked on at a time: larger reads weights less often, smaller reacts sooner.
    pub prefill_chunk: usize,
    /// Memory that remembered prompts may hold on to.
    pub prefix_bytes_max: usize,
    /// Measures what steps take, by which guessing ahead is judged.
    pub clock: Option<Clock>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            compute: Compute::Fast,
            kv: KvType::F16,
            prefill_chunk: 512,
            prefix_bytes_max: 256 << 20,
            clock: None,
        }
    }
}

/// A model ready to run. Sessions share its weights, its threads and the prompts it remembers.
pub struct Engine {
    model: Model,
    cpu: Arc<Cpu>,
    config: EngineConfig,
    prefixes: Mutex<PrefixCache>,
    step_times: Mutex<StepTimes>,
}

impl Engine {
    /// Puts `model` to work.
    pub fn new(model: Model, config: EngineConfig) -> Arc<Self> {
        Self::on(Arc::new(Cpu::new(config.threads, config.compute)), model, config)
    }

    /// Puts a second model to work on the threads of this engine, with its settings: for one that guesses ahead.
    pub fn beside(&self, model: Model) -> Arc<Self> {
        let prefix_bytes_max = self.config.prefix_bytes_max.min(PREFIX_BYTES_BESIDE);
        Self::on(Arc::clone(&self.cpu), model, EngineConfig { prefix_bytes_max, ..self.config })
    }

    fn on(cpu: Arc<Cpu>, model: Model, config: EngineConfig) -> Arc<Self> {
        Arc::new(Self {
            model,
            cpu,
            prefixes: Mutex::new(PrefixCache::new(config.prefix_bytes_max)),
            step_times: Mutex::default(),
            config,
        })
    }

    /// Opens a conversation or a text: a sequence of tokens with its cache.
    pub fn session(self: &Arc<Self>, config: SessionConfig) -> Session {
        Session::new(Arc::clone(self), config)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The threads and instructions in use.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// How the engine was set up.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// What steps over several tokens cost relative to one, as far as the clock has shown; `None` now and then, when a step
    /// over one has to be measured again.
    pub fn step_costs(&self) -> Option<VerifyCosts> {
        lock(&self.step_times).costs()
    }

    /// Bytes that a session of `positions` positions takes when full.
    pub fn kv_bytes(&self, positions: usize) -> u64 {
        SequenceKv::bytes_for(self.model.spec(), self.config.kv, positions)
    }

    /// An empty cache; `positions` is the length it is about to reach.
    pub(crate) fn empty_kv(&self, positions: usize) -> SequenceKv {
        SequenceKv::new(self.model.spec(), self.config.kv, self.is_long(positions))
    }

    /// Whether a sequence of this length needs the rotary frequencies of long contexts.
    pub(crate) fn is_long(&self, positions: usize) -> bool {
        self.model.switch_length().is_some_and(|switch| positions > switch)
    }

    /// Runs `f` on the remembered prompts.
    pub(crate) fn with_prefixes<R>(&self, f: impl FnOnce(&mut PrefixCache) -> R) -> R {
        f(&mut lock(&self.prefixes))
    }

    /// The time, where there is a clock.
    pub(crate) fn now(&self) -> Option<Duration> {
        self.config.clock.map(|clock| clock())
    }

    /// The time that has passed since `began`.
    pub(crate) fn since(&self, began: Option<Duration>) -> Option<Duration> {
        Some(self.now()?.saturating_sub(began?))
    }

    /// Takes in that a step over `tokens` tokens of one sequence ends now.
    pub(crate) fn learn_step(&self, tokens: usize, began: Option<Duration>) {
        if let Some(time) = self.since(began) {
            lock(&self.step_times).learn(tokens, time);
        }
    }

    /// What a step over one token takes, in seconds, once it is known.
    pub(crate) fn step_time(&self) -> Option<f32> {
        lock(&self.step_times).single()
    }
}

/// A panic elsewhere leaves what is kept here usable: it only ever changes as a whole.
fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
