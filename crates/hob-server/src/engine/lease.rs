//! A loaded model, and the right to use it: as long as somebody has one, the model stays.

use super::Listed;
use super::fit::Fit;
use super::runner::Runner;
use crate::clock;
use hob::LanguageModel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a model stays in memory when nobody uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// So long.
    For(Duration),
    /// Until memory is needed for another.
    Always,
}

/// A model in memory.
pub struct Loaded {
    /// What it was loaded from.
    pub listed: Listed,
    /// The model.
    pub model: LanguageModel,
    /// Its thread.
    pub runner: Runner,
    /// How it is held.
    pub fit: Fit,
    /// How long loading took.
    pub load_time: Duration,
    usage: Mutex<InUse>,
}

#[derive(Clone, Copy, Debug)]
struct InUse {
    leases: usize,
    last: Duration,
    keep: KeepAlive,
}

impl Loaded {
    /// A model that nobody uses yet.
    pub fn new(
        listed: Listed,
        model: LanguageModel,
        runner: Runner,
        fit: Fit,
        load_time: Duration,
        keep: KeepAlive,
    ) -> Self {
        let usage = Mutex::new(InUse { leases: 0, last: clock::now(), keep });
        Self { listed, model, runner, fit, load_time, usage }
    }

    fn usage(&self) -> MutexGuard<'_, InUse> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to use it; what `keep` says holds from now on.
    pub fn lease(self: &Arc<Self>, keep: Option<KeepAlive>, loaded_now: bool) -> Lease {
        let mut usage = self.usage();
        usage.leases += 1;
        usage.keep = keep.unwrap_or(usage.keep);
        drop(usage);
        Lease { loaded: Arc::clone(self), loaded_now }
    }

    /// Whether somebody uses it.
    pub fn is_in_use(&self) -> bool {
        self.usage().leases > 0
    }

    /// When it was last used.
    pub fn last_used(&self) -> Duration {
        self.usage().last
    }

    /// When it goes, if nobody uses it until then.
    pub fn expires(&self) -> Option<Duration> {
        let usage = self.usage();
        match usage.keep {
            KeepAlive::For(time) => Some(usage.last.saturating_add(time)),
            KeepAlive::Always => None,
        }
    }

    /// Whether its time has passed.
    pub fn is_expired(&self, now: Duration) -> bool {
        !self.is_in_use() && self.expires().is_some_and(|moment| now >= moment)
    }
}

/// The right to use a model.
pub struct Lease {
    loaded: Arc<Loaded>,
    loaded_now: bool,
}

impl Lease {
    /// How long this request waited for the model to be loaded.
    pub fn load_time(&self) -> Duration {
        if self.loaded_now { self.loaded.load_time } else { Duration::ZERO }
    }
}

impl std::ops::Deref for Lease {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        &self.loaded
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut usage = self.loaded.usage();
        usage.leases = usage.leases.saturating_sub(1);
        usage.last = clock::now();
    }
}
