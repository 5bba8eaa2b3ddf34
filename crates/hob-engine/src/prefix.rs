//! Remembered prompts: caches of earlier texts, so that a common beginning is not computed twice.
//!
//! An entry is a sequence's tokens and a clone of its cache, which shares pages with every other sequence that begins alike;
//! memory is counted by distinct pages.

use hob_model::SequenceKv;
use std::collections::HashSet;

/// Entries searched linearly; more would cost more to search than they save.
const ENTRIES_MAX: usize = 64;

/// The longest-shared-beginning store of an engine.
pub(crate) struct PrefixCache {
    bytes_max: usize,
    /// Least recently used first.
    entries: Vec<Entry>,
}

struct Entry {
    tokens: Vec<u32>,
    kv: SequenceKv,
}

impl PrefixCache {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, entries: Vec::new() }
    }

    /// The cache of the longest remembered beginning of `tokens` that is longer than `at_least`, cut to that beginning.
    pub fn find(&mut self, tokens: &[u32], at_least: usize, long_context: bool) -> Option<SequenceKv> {
        let mut best: Option<(usize, usize, SequenceKv)> = None;
        for (i, entry) in self.entries.iter().enumerate() {
            let shared = common_prefix(&entry.tokens, tokens);
            let beaten = best.as_ref().map_or(at_least, |(shared, ..)| *shared);
            if shared <= beaten || entry.kv.is_long_context() != long_context {
                continue;
            }
            let mut kv = entry.kv.clone();
            if kv.truncate(shared) {
                best = Some((shared, i, kv));
            }
        }
        let (_, used, kv) = best?;
        let entry = self.entries.remove(used);
        self.entries.push(entry);
        Some(kv)
    }

    /// Remembers a sequence; forgets the least recently used ones beyond the budget.
    pub fn insert(&mut self, tokens: &[u32], kv: &SequenceKv) {
        if self.bytes_max == 0 || tokens.is_empty() {
            return;
        }
        // What a longer entry says already need not be kept, unless windows make the longer one useless for this length.
        self.entries.retain(|e| e.tokens != tokens);
        self.entries.push(Entry { tokens: tokens.to_vec(), kv: kv.clone() });
        while self.entries.len() > ENTRIES_MAX || (self.bytes() > self.bytes_max && !self.entries.is_empty())
        {
            self.entries.remove(0);
        }
    }

    /// Bytes of all distinct pages held.
    pub fn bytes(&self) -> usize {
        let mut seen = HashSet::new();
        self.entries
            .iter()
            .flat_map(|e| e.kv.pages())
            .filter(|(page, _)| seen.insert(*page))
            .map(|(_, bytes)| bytes)
            .sum()
    }
}

/// Length of the common beginning.
pub(crate) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
