//! Extremely randomised trees (Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006): every cut is drawn at random, the
//! best of a few is kept, and the mean of many trees is smooth where a single one is not. Two values are learned at once: how good
//! the local answer is, and how good the larger model's.

use crate::features::{COUNT, Features};
use crate::scorer::Lesson;
use hob_base::Random;

/// Trees of a forest.
const TREES: u64 = 100;

/// Examples that a leaf has at the least.
const LEAF: usize = 8;

/// Cuts tried at a node, each of another feature.
const TRIED: usize = COUNT / 3;

/// Leaves of a tree in a file at most, so that a broken file cannot ask for much memory.
const NODES_MAX: usize = 1 << 16;

/// The tag of a leaf in a file, where features have their numbers.
const LEAF_TAG: u8 = u8::MAX;

/// What a leaf's numbers are multiplied by in a file.
const STEPS: f32 = 65_535.0;

/// A tree's nodes, each before those below it.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Below the cut the next node follows, above it the node `above`.
    Cut { feature: u8, at: f32, above: u32 },
    /// Quality of the local and of the larger model's answer.
    Leaf([u16; 2]),
}

/// Trees that learned from recorded outcomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forest {
    trees: Vec<Vec<Node>>,
}

impl Forest {
    /// A forest that learned from `lessons`, which are not empty.
    pub(crate) fn learn(lessons: &[&Lesson], seed: u64) -> Self {
        let grow = |stream| {
            let mut rows: Vec<&Lesson> = lessons.to_vec();
            let mut nodes = Vec::new();
            grow(&mut rows, &mut nodes, &mut Random::new(seed, stream));
            nodes
        };
        Self { trees: (0..TREES).map(grow).collect() }
    }

    /// How good the local and the larger model's answer will be, each from 0 to 1.
    pub(crate) fn predict(&self, features: &Features) -> [f64; 2] {
        let mut sums = [0u64; 2];
        for tree in &self.trees {
            let leaf = leaf(tree, features);
            sums.iter_mut().zip(leaf).for_each(|(sum, v)| *sum += u64::from(v));
        }
        sums.map(|sum| sum as f64 / (f64::from(STEPS) * self.trees.len() as f64))
    }

    /// As bytes: for each tree the number of its nodes, then the nodes.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.trees.len() as u32).to_le_bytes());
        for tree in &self.trees {
            bytes.extend((tree.len() as u32).to_le_bytes());
            for node in tree {
                match node {
                    Node::Cut { feature, at, .. } => {
                        bytes.push(*feature);
                        bytes.extend(at.to_le_bytes());
                    }
                    Node::Leaf(values) => {
                        bytes.push(LEAF_TAG);
                        values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
                    }
                }
            }
        }
    }

    /// Reads what [`Forest::write`] wrote, to the last byte; none for everything else.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let count = take(&mut bytes).map(u32::from_le_bytes)?;
        // A tree is at least a count and a leaf.
        if count == 0 || count as usize > bytes.len() / 9 {
            return None;
        }
        let mut trees = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let nodes = take(&mut bytes).map(u32::from_le_bytes)? as usize;
            if nodes == 0 || nodes > NODES_MAX || nodes > bytes.len() / 5 {
                return None;
            }
            let mut tree = Vec::with_capacity(nodes);
            for _ in 0..nodes {
                let [tag] = take(&mut bytes)?;
                let value: [u8; 4] = take(&mut bytes)?;
                tree.push(match tag {
                    LEAF_TAG => Node::Leaf([
                        u16::from_le_bytes([value[0], value[1]]),
                        u16::from_le_bytes([value[2], value[3]]),
                    ]),
                    feature if usize::from(feature) < COUNT => {
                        Node::Cut { feature, at: f32::from_le_bytes(value), above: 0 }
                    }
                    _ => return None,
                });
            }
            link(&mut tree)?;
            trees.push(tree);
        }
        bytes.is_empty().then_some(Self { trees })
    }
}

/// The values at which `features` end.
fn leaf(tree: &[Node], features: &Features) -> [u16; 2] {
    let mut at = 0;
    loop {
        match &tree[at] {
            Node::Leaf(values) => return *values,
            Node::Cut { feature, at: cut, above } => {
                at = if features.0[usize::from(*feature)] < *cut { at + 1 } else { *above as usize };
            }
        }
    }
}

/// Sets where each cut goes on; none if the nodes are no tree.
fn link(tree: &mut [Node]) -> Option<()> {
    // Cuts whose lower side is not complete yet.
    let mut open: Vec<usize> = Vec::new();
    for i in 0..tree.len() {
        if matches!(tree[i], Node::Cut { .. }) {
            open.push(i);
        } else if let Some(cut) = open.pop() {
            if let Node::Cut { above, .. } = &mut tree[cut] {
                *above = u32::try_from(i + 1).ok()?;
            }
        } else if i + 1 != tree.len() {
            return None;
        }
    }
    // The last leaf closes what no cut waits for.
    let closed = open.is_empty() && matches!(tree.last(), Some(Node::Leaf(_)));
    let inside = tree.iter().all(|n| !matches!(n, Node::Cut { above, .. } if *above as usize >= tree.len()));
    (closed && inside).then_some(())
}

/// The first bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// A way to part examples.
struct Cut {
    feature: usize,
    at: f32,
    gain: f64,
}

fn grow(rows: &mut [&Lesson], nodes: &mut Vec<Node>, random: &mut Random) {
    let Some(cut) = best_cut(rows, random) else {
        let mean = |of: &dyn Fn(&Lesson) -> f32| {
            let sum: f64 = rows.iter().map(|r| f64::from(of(r))).sum();
            (sum / rows.len() as f64 * f64::from(STEPS)).round() as u16
        };
        nodes.push(Node::Leaf([mean(&|r| r.local), mean(&|r| r.larger)]));
        return;
    };
    // In an order that does not depend on how rows lay before.
    rows.sort_by(|a, b| (a.features.0[cut.feature] >= cut.at).cmp(&(b.features.0[cut.feature] >= cut.at)));
    let below = rows.partition_point(|r| r.features.0[cut.feature] < cut.at);
    let here = nodes.len();
    nodes.push(Node::Cut { feature: cut.feature as u8, at: cut.at, above: 0 });
    let (low, high) = rows.split_at_mut(below);
    grow(low, nodes, random);
    let above_here = nodes.len() as u32;
    if let Node::Cut { above, .. } = &mut nodes[here] {
        *above = above_here;
    }
    grow(high, nodes, random);
}

/// The best of a few random cuts; none where a leaf is as good.
fn best_cut(rows: &[&Lesson], random: &mut Random) -> Option<Cut> {
    if rows.len() < 2 * LEAF {
        return None;
    }
    let mut order: [usize; COUNT] = std::array::from_fn(|i| i);
    random.shuffle(&mut order);
    let mut best: Option<Cut> = None;
    let mut tried = 0;
    for feature in order {
        let values = || rows.iter().map(|r| r.features.0[feature]);
        let low = values().fold(f32::INFINITY, f32::min);
        let high = values().fold(f32::NEG_INFINITY, f32::max);
        if low >= high {
            continue;
        }
        let at = low + (high - low) * random.unit() as f32;
        tried += 1;
        if let Some(gain) = gain(rows, feature, at).filter(|g| best.as_ref().is_none_or(|b| *g > b.gain)) {
            best = Some(Cut { feature, at, gain });
        }
        if tried == TRIED {
            break;
        }
    }
    best.filter(|b| b.gain > 0.0)
}

/// By how much a cut lowers the sum of squared errors of both values; none if a side would be too small.
fn gain(rows: &[&Lesson], feature: usize, at: f32) -> Option<f64> {
    let (mut sums, mut counts) = ([[0.0f64; 2]; 2], [0usize; 2]);
    for r in rows {
        let side = usize::from(r.features.0[feature] >= at);
        counts[side] += 1;
        sums[side][0] += f64::from(r.local);
        sums[side][1] += f64::from(r.larger);
    }
    if counts[0] < LEAF || counts[1] < LEAF {
        return None;
    }
    let of = |sum: f64, n: usize| sum * sum / n as f64;
    let gain = (0..2).map(|v| {
        let parts = of(sums[0][v], counts[0]) + of(sums[1][v], counts[1]);
        parts - of(sums[0][v] + sums[1][v], rows.len())
    });
    Some(gain.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lessons() -> Vec<Lesson> {
        let mut random = Random::new(3, 0);
        (0..400)
            .map(|_| {
                let features = Features(std::array::from_fn(|_| random.unit() as f32));
                let hard = features.0[2] + features.0[5] > 1.0;
                Lesson { features, local: if hard { 0.0 } else { 1.0 }, larger: 1.0 }
            })
            .collect()
    }

    #[test]
    fn what_was_seen_is_learned_and_a_file_holds_it() {
        let all = lessons();
        let (seen, fresh): (Vec<&Lesson>, Vec<&Lesson>) = all.iter().partition(|l| l.features.0[0] < 0.6);
        let forest = Forest::learn(&seen, 1);
        let right =
            fresh.iter().filter(|l| (forest.predict(&l.features)[0] > 0.5) == (l.local > 0.5)).count();
        assert!(10 * right > 8 * fresh.len(), "{right} of {}", fresh.len());
        let mut bytes = Vec::new();
        forest.write(&mut bytes);
        assert_eq!(Forest::read(&bytes).unwrap(), forest);
        assert_eq!(Forest::learn(&seen, 1), forest);
        assert_ne!(Forest::learn(&seen, 2), forest);
    }

    #[test]
    fn broken_files_are_refused() {
        let all = lessons();
        let mut bytes = Vec::new();
        Forest::learn(&all.iter().collect::<Vec<_>>(), 1).write(&mut bytes);
        for end in 0..bytes.len().min(400) {
            assert!(Forest::read(&bytes[..end]).is_none());
        }
        let mut random = Random::new(5, 0);
        for _ in 0..500 {
            let mut broken = bytes.clone();
            let at = random.index(200.min(broken.len()));
            broken[at] = random.next() as u8;
            if let Some(forest) = Forest::read(&broken) {
                forest.predict(&all[0].features);
            }
        }
        assert!(Forest::read(&[bytes, vec![0]].concat()).is_none());
    }
}
