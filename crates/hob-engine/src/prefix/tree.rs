//! A radix tree over tokens: which entry shares the longest beginning with a text, in steps proportional to that beginning.
//!
//! Not every entry can be cut everywhere: a cache with windows has let go of old pages, and goes back to its `end_min` at
//! most. So each node knows the best entry of its subtree: the one that goes back furthest, and of those the one used last,
//! since using an old one again would only keep its own end alive.

use super::common_prefix;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Names a node; that of an entry stays the same as long as the entry.
pub(super) type NodeId = usize;

const ROOT: NodeId = 0;

/// Entries by their tokens.
pub(super) struct Tree<T> {
    nodes: Vec<Node<T>>,
    free: Vec<NodeId>,
}

struct Node<T> {
    parent: NodeId,
    /// Tokens from the parent to here; empty only in the root.
    label: Vec<u32>,
    /// By the first token of their labels.
    children: BTreeMap<u32, NodeId>,
    entry: Option<Entry<T>>,
    best: Option<Best>,
}

struct Entry<T> {
    end_min: usize,
    used: u64,
    value: T,
}

/// An entry as its ancestors see it; the smallest is the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Best {
    end_min: usize,
    used: Reverse<u64>,
    node: NodeId,
}

impl<T> Node<T> {
    fn new(parent: NodeId, label: Vec<u32>) -> Self {
        Self { parent, label, children: BTreeMap::new(), entry: None, best: None }
    }
}

impl<T> Tree<T> {
    /// A tree without entries.
    pub fn new() -> Self {
        Self { nodes: vec![Node::new(ROOT, Vec::new())], free: Vec::new() }
    }

    /// The entry that can be cut to the longest beginning of `tokens`, and its length, if that is more than `at_least`.
    pub fn find(&self, tokens: &[u32], at_least: usize) -> Option<(NodeId, usize)> {
        let path = self.walk(tokens);
        let longer = path.iter().rev().take_while(|(_, shared)| *shared > at_least);
        longer
            .filter_map(|&(node, shared)| Some((self.nodes[node].best?, shared)))
            .find(|(best, shared)| best.end_min <= *shared)
            .map(|(best, shared)| (best.node, shared))
    }

    /// An entry that begins with all of `tokens` and can be cut wherever one with this `end_min` can.
    pub fn covering(&self, tokens: &[u32], end_min: usize) -> Option<NodeId> {
        let &(node, shared) = self.walk(tokens).last()?;
        let best = self.nodes[node].best.filter(|best| shared == tokens.len() && best.end_min <= end_min);
        best.map(|best| best.node)
    }

    /// The entries before `node` on its path that its own one can stand for.
    pub fn covered_by(&self, node: NodeId) -> Vec<NodeId> {
        let end_min = self.entry(node).end_min;
        self.ancestors(node)
            .skip(1)
            .filter(|&n| self.nodes[n].entry.as_ref().is_some_and(|e| e.end_min >= end_min))
            .collect()
    }

    /// Adds an entry. Returns its node, and time of use and value of an entry with the same tokens that it replaced.
    pub fn insert(
        &mut self,
        tokens: &[u32],
        end_min: usize,
        used: u64,
        value: T,
    ) -> (NodeId, Option<(u64, T)>) {
        let node = self.place(tokens);
        let replaced = self.nodes[node].entry.replace(Entry { end_min, used, value });
        // The old entry may be someone's best.
        self.refresh(node);
        (node, replaced.map(|old| (old.used, old.value)))
    }

    /// Notes a use. Returns the time of the one before.
    pub fn touch(&mut self, node: NodeId, used: u64) -> u64 {
        let entry = self.nodes[node].entry.as_mut().expect("a node of an entry");
        let before = std::mem::replace(&mut entry.used, used);
        let best = Best { end_min: entry.end_min, used: Reverse(used), node };
        let mut at = Some(node);
        while let Some(id) = at {
            // An earlier use of the same entry is always the larger one.
            let of = &mut self.nodes[id].best;
            *of = Some(of.map_or(best, |old| old.min(best)));
            at = self.parent(id);
        }
        before
    }

    /// Takes an entry out. Returns the time of its last use and its value.
    pub fn remove(&mut self, node: NodeId) -> (u64, T) {
        let entry = self.nodes[node].entry.take().expect("a node of an entry");
        self.refresh(node);
        self.prune(node);
        (entry.used, entry.value)
    }

    /// The value of an entry.
    pub fn value(&self, node: NodeId) -> &T {
        &self.entry(node).value
    }

    fn entry(&self, node: NodeId) -> &Entry<T> {
        self.nodes[node].entry.as_ref().expect("a node of an entry")
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        (node != ROOT).then(|| self.nodes[node].parent)
    }

    /// `node`, its parent, and so on to the root.
    fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(node), |&n| self.parent(n))
    }

    /// The nodes that begin as `tokens` does, each with the number of tokens that its subtree shares. Of the last node's
    /// label a part may be shared.
    fn walk(&self, tokens: &[u32]) -> Vec<(NodeId, usize)> {
        let mut path = vec![(ROOT, 0)];
        let (mut node, mut shared) = (ROOT, 0);
        while let Some(&child) = tokens.get(shared).and_then(|id| self.nodes[node].children.get(id)) {
            let label = &self.nodes[child].label;
            let more = common_prefix(label, &tokens[shared..]);
            shared += more;
            path.push((child, shared));
            if more < label.len() {
                break;
            }
            node = child;
        }
        path
    }

    /// The node of exactly these tokens, made if need be.
    fn place(&mut self, tokens: &[u32]) -> NodeId {
        let path = self.walk(tokens);
        let (last, shared) = path[path.len() - 1];
        let before = if path.len() > 1 { path[path.len() - 2].1 } else { 0 };
        let inside = shared - before;
        let at = if inside < self.nodes[last].label.len() { self.split(last, inside) } else { last };
        if shared == tokens.len() {
            return at;
        }
        let leaf = self.add(Node::new(at, tokens[shared..].to_vec()));
        self.nodes[at].children.insert(tokens[shared], leaf);
        leaf
    }

    /// Puts a node into `node`'s label after `at` tokens. Returns it.
    fn split(&mut self, node: NodeId, at: usize) -> NodeId {
        let below = &mut self.nodes[node];
        let rest = below.label.split_off(at);
        let label = std::mem::replace(&mut below.label, rest);
        let (parent, best, first, below_first) = (below.parent, below.best, label[0], below.label[0]);
        let children = BTreeMap::from([(below_first, node)]);
        let middle = self.add(Node { parent, label, children, entry: None, best });
        self.nodes[node].parent = middle;
        self.nodes[parent].children.insert(first, middle);
        middle
    }

    fn add(&mut self, node: Node<T>) -> NodeId {
        if let Some(id) = self.free.pop() {
            self.nodes[id] = node;
            return id;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Finds the best entries anew, from `node` up to the root.
    fn refresh(&mut self, node: NodeId) {
        let mut at = Some(node);
        while let Some(id) = at {
            let of = &self.nodes[id];
            let own = of.entry.as_ref().map(|e| Best { end_min: e.end_min, used: Reverse(e.used), node: id });
            let below = of.children.values().filter_map(|&child| self.nodes[child].best);
            self.nodes[id].best = below.chain(own).min();
            at = self.parent(id);
        }
    }

    /// Removes `node` and those above it that lead nowhere any more, and joins one that only leads on.
    fn prune(&mut self, mut node: NodeId) {
        while node != ROOT && self.nodes[node].entry.is_none() && self.nodes[node].children.is_empty() {
            let Node { parent, label, .. } = self.release(node);
            self.nodes[parent].children.remove(&label[0]);
            node = parent;
        }
        let of = &self.nodes[node];
        if node == ROOT || of.entry.is_some() || of.children.len() != 1 {
            return;
        }
        let Node { parent, mut label, children, .. } = self.release(node);
        let below = *children.values().next().expect("it has one child");
        self.nodes[parent].children.insert(label[0], below);
        label.append(&mut self.nodes[below].label);
        (self.nodes[below].label, self.nodes[below].parent) = (label, parent);
    }

    fn release(&mut self, node: NodeId) -> Node<T> {
        self.free.push(node);
        std::mem::replace(&mut self.nodes[node], Node::new(ROOT, Vec::new()))
    }

    /// Nodes in use, the root included.
    #[cfg(test)]
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}
