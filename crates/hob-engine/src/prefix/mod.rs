//! Remembered prompts: caches of earlier texts, so that a common beginning is not computed twice.
//!
//! An entry is a sequence's tokens and a clone of its cache, which shares pages with every other sequence that begins alike.
//! Tokens lie in a radix tree (`tree.rs`), so that a look-up costs the length of the prompt, whatever is remembered. Memory is
//! counted by distinct pages; beyond the budget the entry used least recently goes, with the pages only it holds. Entries are
//! leaves of the tree as a rule: a text whose continuation is remembered needs no entry of its own, unless windows keep the
//! longer cache from being cut to it.

mod pages;
#[cfg(test)]
mod tests;
mod tree;

use hob_model::SequenceKv;
use pages::PageCount;
use std::collections::BTreeMap;
use tree::{NodeId, Tree};

/// Most entries: their tokens are not part of the budget, which counts pages.
const ENTRIES_MAX: usize = 4096;

/// The longest-shared-beginning store of an engine.
pub(crate) struct PrefixCache {
    bytes_max: usize,
    /// By rotary regime: what was computed in one is of no use in the other.
    trees: [Tree<SequenceKv>; 2],
    pages: PageCount,
    /// Every entry by the time of its last use.
    order: BTreeMap<u64, (usize, NodeId)>,
    uses: u64,
}

impl PrefixCache {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            trees: [Tree::new(), Tree::new()],
            pages: PageCount::default(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The cache of the longest remembered beginning of `tokens` that is longer than `at_least`, cut to that beginning.
    pub fn find(&mut self, tokens: &[u32], at_least: usize, long_context: bool) -> Option<SequenceKv> {
        let regime = usize::from(long_context);
        let (node, shared) = self.trees[regime].find(tokens, at_least)?;
        self.touch(regime, node);
        let mut kv = self.trees[regime].value(node).clone();
        assert!(kv.truncate(shared), "the tree only finds caches that can be cut there");
        Some(kv)
    }

    /// Remembers a sequence; forgets the least recently used ones beyond the budget.
    pub fn insert(&mut self, tokens: &[u32], kv: &SequenceKv) {
        if self.bytes_max == 0 || tokens.is_empty() {
            return;
        }
        let (regime, end_min) = (usize::from(kv.is_long_context()), kv.end_min());
        if let Some(node) = self.trees[regime].covering(tokens, end_min) {
            return self.touch(regime, node);
        }
        self.pages.add(kv.pages());
        self.uses += 1;
        let (node, replaced) = self.trees[regime].insert(tokens, end_min, self.uses, kv.clone());
        self.order.insert(self.uses, (regime, node));
        if let Some((used, kv)) = replaced {
            self.order.remove(&used);
            self.pages.remove(kv.pages());
        }
        for covered in self.trees[regime].covered_by(node) {
            self.forget(regime, covered);
        }
        while (self.pages.bytes() > self.bytes_max || self.order.len() > ENTRIES_MAX)
            && let Some((_, &(regime, node))) = self.order.first_key_value()
        {
            self.forget(regime, node);
        }
    }

    fn touch(&mut self, regime: usize, node: NodeId) {
        self.uses += 1;
        let before = self.trees[regime].touch(node, self.uses);
        self.order.remove(&before);
        self.order.insert(self.uses, (regime, node));
    }

    fn forget(&mut self, regime: usize, node: NodeId) {
        let (used, kv) = self.trees[regime].remove(node);
        self.order.remove(&used);
        self.pages.remove(kv.pages());
    }
}

/// Length of the common beginning.
pub(crate) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
