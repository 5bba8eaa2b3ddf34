//! Whether a model that is not here yet would fit into memory.

use crate::platform;
use hob_base::Bytes;
use hob_store::{Catalogue, Entry, Fit, Need};
use serde_json::{Value, json};

/// The context that estimates are made for, unless asked otherwise.
pub const CONTEXT_DEFAULT: u64 = 4096;

/// An estimate beside what is free.
pub struct Estimate {
    pub need: Need,
    pub context: u64,
    pub available: Option<u64>,
}

impl Estimate {
    /// For a file of `bytes`; `entry` says what its cache's size follows from.
    pub fn new(entry: Option<&Entry>, bytes: u64, context: u64) -> Self {
        let context = entry.map_or(context, |e| context.min(e.context));
        let available = platform::memory().map(|m| m.available);
        Self { need: Need::of(entry, bytes, context), context, available }
    }

    /// The verdict, where the system says how much is free.
    pub fn fit(&self) -> Option<Fit> {
        self.available.map(|available| self.need.fit(available))
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let needed = Bytes(self.need.total());
        let cache = match self.need.kv {
            Some(kv) => format!("with {} for {} tokens", Bytes(kv), self.context),
            None => "without its cache".to_owned(),
        };
        match (self.fit(), self.available) {
            (Some(fit), Some(free)) => {
                format!("about {needed} {cache}: {} ({} free, estimated)", fit.name(), Bytes(free))
            }
            _ => format!("about {needed} {cache} (estimated)"),
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "weight_bytes": self.need.weights,
            "kv_bytes": self.need.kv,
            "working_bytes": self.need.working,
            "context": self.context,
            "available_bytes": self.available,
            "fit": self.fit().map(Fit::name),
            "method": "estimated",
        })
    }
}

/// The catalogue's entry for a repository, whose files all have the same shape.
pub fn entry_of(repo: &str) -> Option<&'static Entry> {
    Catalogue::built_in().entries.iter().find(|e| e.variants.iter().any(|v| v.repo == repo))
}
