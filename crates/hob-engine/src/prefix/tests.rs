//! The tree against a list that is searched from end to end.

use super::common_prefix;
use super::tree::Tree;
use proptest::prelude::*;

/// Tokens, and the shortest length that the entry can be cut to.
type Entry = (Vec<u32>, usize);

fn texts() -> impl Strategy<Value = Vec<u32>> {
    // Few tokens, so that texts share beginnings.
    prop::collection::vec(0u32..3, 1..10)
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (texts(), prop::bool::ANY, 0usize..10)
        .prop_map(|(text, cut, end_min)| (text.clone(), if cut { end_min.min(text.len()) } else { 0 }));
    prop::collection::vec(entry, 0..30)
}

/// The length of the longest beginning in `entries`, if it is more than `at_least`.
fn longest<'a>(entries: impl Iterator<Item = &'a Entry>, text: &[u32], at_least: usize) -> Option<usize> {
    let shared = entries.map(|(tokens, end_min)| (common_prefix(tokens, text), *end_min));
    shared.filter(|(shared, end_min)| shared >= end_min && *shared > at_least).map(|(shared, _)| shared).max()
}

/// What `PrefixCache::insert` does, without pages.
fn remember(tree: &mut Tree<Entry>, entry: &Entry, now: u64) {
    if let Some(node) = tree.covering(&entry.0, entry.1) {
        tree.touch(node, now);
        return;
    }
    let (node, _) = tree.insert(&entry.0, entry.1, now, entry.clone());
    for covered in tree.covered_by(node) {
        tree.remove(covered);
    }
}

fn check(tree: &Tree<Entry>, text: &[u32], at_least: usize, expected: Option<usize>) {
    let found = tree.find(text, at_least);
    assert_eq!(found.map(|f| f.1), expected, "{text:?}");
    if let Some((node, shared)) = found {
        let (tokens, end_min) = tree.value(node);
        assert!(common_prefix(tokens, text) >= shared && shared >= *end_min);
    }
}

proptest! {
    #[test]
    fn the_tree_finds_what_a_list_of_all_finds(entries in entries(), text in texts(), at_least in 0usize..4) {
        let mut tree = Tree::new();
        for (now, entry) in entries.iter().enumerate() {
            remember(&mut tree, entry, now as u64);
        }
        check(&tree, &text, at_least, longest(entries.iter(), &text, at_least));
    }

    #[test]
    fn what_is_taken_out_is_gone_and_nothing_else(entries in entries(), gone in any::<u32>(), text in texts()) {
        let mut tree = Tree::new();
        let mut kept = Vec::new();
        for (now, entry) in entries.iter().enumerate() {
            let (node, replaced) = tree.insert(&entry.0, entry.1, now as u64, entry.clone());
            if let Some((_, replaced)) = replaced {
                kept.retain(|(_, e)| *e != replaced);
            }
            kept.push((node, entry.clone()));
        }
        let (out, kept): (Vec<_>, Vec<_>) =
            kept.into_iter().enumerate().partition(|(i, _)| gone >> (i % 32) & 1 == 1);
        for (_, (node, entry)) in out {
            assert_eq!(tree.remove(node).1, entry);
        }
        assert!(tree.node_count() <= 1 + 2 * kept.len());
        check(&tree, &text, 0, longest(kept.iter().map(|(_, (_, entry))| entry), &text, 0));
    }
}

#[test]
fn of_equals_the_one_used_last_is_found() {
    let mut tree = Tree::new();
    let texts = [[1, 2, 3], [1, 2, 4], [1, 2, 5]];
    let nodes: Vec<_> = (0..3).map(|i| tree.insert(&texts[i], 0, i as u64, ()).0).collect();
    assert_eq!(tree.find(&[1, 2, 9], 0), Some((nodes[2], 2)));
    assert_eq!(tree.touch(nodes[0], 3), 0);
    assert_eq!(tree.find(&[1, 2, 9], 0), Some((nodes[0], 2)));
    tree.remove(nodes[0]);
    assert_eq!(tree.find(&[1, 2, 9], 0), Some((nodes[2], 2)));
}

#[test]
fn a_continued_text_needs_one_entry() {
    let mut tree = Tree::new();
    remember(&mut tree, &(vec![1, 2, 3], 0), 1);
    remember(&mut tree, &(vec![1, 2, 3, 4, 5], 0), 2);
    assert_eq!(tree.node_count(), 2);
    // A window that has moved on keeps the longer one from standing for the shorter one.
    remember(&mut tree, &(vec![1, 2, 3, 4, 5, 6, 7], 6), 3);
    assert_eq!(tree.node_count(), 3);
    assert_eq!(tree.find(&[1, 2, 3, 4], 0).map(|f| f.1), Some(4));
}
