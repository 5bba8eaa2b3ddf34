//! A model with the machine it runs on; sessions are opened from it.

use crate::prefix::PrefixCache;
use crate::{Session, SessionConfig};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv};
use std::sync::{Arc, Mutex};

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
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            compute: Compute::Fast,
            kv: KvType::F16,
            prefill_chunk: 512,
            prefix_bytes_max: 256 << 20,
        }
    }
}

/// A model ready to run. Sessions share its weights, its threads and the prompts it remembers.
pub struct Engine {
    model: Model,
    cpu: Cpu,
    config: EngineConfig,
    prefixes: Mutex<PrefixCache>,
}

impl Engine {
    /// Puts `model` to work.
    pub fn new(model: Model, config: EngineConfig) -> Arc<Self> {
        Arc::new(Self {
            model,
            cpu: Cpu::new(config.threads, config.compute),
            prefixes: Mutex::new(PrefixCache::new(config.prefix_bytes_max)),
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

    /// Runs `f` on the remembered prompts. A panic elsewhere leaves them usable: entries are only added whole.
    pub(crate) fn with_prefixes<R>(&self, f: impl FnOnce(&mut PrefixCache) -> R) -> R {
        f(&mut self.prefixes.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
