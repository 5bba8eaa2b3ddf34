//! Merging neighbours until no rule applies: the heart of byte-pair encoding.
//!
//! The best pair of the whole piece merges first; of equal ones the leftmost. Short pieces, which are nearly all, are
//! searched by walking; long ones keep their pairs in a heap, so that a megabyte without a space costs `n log n`
//! instead of `n * n`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::vocab::NONE;

/// A stretch of the piece, with the token it is ([`NONE`] if it is none).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    pub id: u32,
    pub start: u32,
    pub len: u32,
}

/// The rules by which two neighbours merge.
pub(crate) trait Rules {
    /// Priority (lower first) and token of the merged pair.
    fn pair(&self, left: Symbol, right: Symbol) -> Option<(u32, u32)>;
}

/// Up to this many symbols walking beats the heap.
const WALK_SYMBOLS_MAX: usize = 64;

/// A pair that may merge. It is stale when the symbols at its place no longer have this length together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    left: u32,
    len: u32,
    id: u32,
}

/// Memory that one piece leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub symbols: Vec<Symbol>,
    pairs: Vec<(u32, u32)>,
    /// Index of the previous and next living symbol; [`NONE`] at the ends.
    links: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<Candidate>>,
    /// Work done, counted so that tests can bound it.
    pub steps: u64,
}

impl Scratch {
    /// Merges `symbols` as far as the rules go.
    pub(crate) fn merge(&mut self, rules: &impl Rules) {
        if self.symbols.len() <= WALK_SYMBOLS_MAX {
            self.merge_by_walking(rules)
        } else {
            self.merge_by_heap(rules)
        }
    }

    fn merge_by_walking(&mut self, rules: &impl Rules) {
        const NO_RULE: (u32, u32) = (u32::MAX, NONE);
        let symbols = &mut self.symbols;
        self.pairs.clear();
        self.pairs.extend(symbols.windows(2).map(|w| rules.pair(w[0], w[1]).unwrap_or(NO_RULE)));
        loop {
            let best = self.pairs.iter().enumerate().min_by_key(|(_, pair)| pair.0);
            let Some((at, (_, id))) = best.filter(|(_, pair)| pair.1 != NONE) else { break };
            self.steps += self.pairs.len() as u64;
            symbols[at] = Symbol { id: *id, len: symbols[at].len + symbols[at + 1].len, ..symbols[at] };
            symbols.remove(at + 1);
            self.pairs.remove(at);
            if at > 0 {
                self.pairs[at - 1] = rules.pair(symbols[at - 1], symbols[at]).unwrap_or(NO_RULE);
            }
            if at < self.pairs.len() {
                self.pairs[at] = rules.pair(symbols[at], symbols[at + 1]).unwrap_or(NO_RULE);
            }
        }
    }

    fn merge_by_heap(&mut self, rules: &impl Rules) {
        let count = self.symbols.len() as u32;
        self.links.clear();
        self.links.extend((0..count).map(|i| (i.wrapping_sub(1), if i + 1 < count { i + 1 } else { NONE })));
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        heap.clear();
        heap.extend((1..count).filter_map(|right| self.candidate(rules, right - 1, right)));
        self.heap = heap.into();
        while let Some(Reverse(best)) = self.heap.pop() {
            self.steps += 1;
            let (before, right) = self.links[best.left as usize];
            let left = self.symbols[best.left as usize];
            if left.len == 0 || right == NONE || left.len + self.symbols[right as usize].len != best.len {
                continue;
            }
            self.symbols[best.left as usize] = Symbol { id: best.id, len: best.len, ..left };
            self.symbols[right as usize].len = 0;
            let after = self.links[right as usize].1;
            self.links[best.left as usize].1 = after;
            if after != NONE {
                self.links[after as usize].0 = best.left;
                let next = self.candidate(rules, best.left, after);
                self.heap.extend(next);
            }
            if before != NONE {
                let next = self.candidate(rules, before, best.left);
                self.heap.extend(next);
            }
        }
        self.symbols.retain(|symbol| symbol.len > 0);
    }

    fn candidate(&self, rules: &impl Rules, left: u32, right: u32) -> Option<Reverse<Candidate>> {
        let (l, r) = (self.symbols[left as usize], self.symbols[right as usize]);
        let (rank, id) = rules.pair(l, r)?;
        Some(Reverse(Candidate { rank, left, len: l.len + r.len, id }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges equal ids into the next one, lower ids first; every symbol spans at least one byte.
    struct Doubling;
    impl Rules for Doubling {
        fn pair(&self, left: Symbol, right: Symbol) -> Option<(u32, u32)> {
            (left.id == right.id && left.id < 6).then_some((left.id, left.id + 1))
        }
    }

    fn symbols(ids: &[u32]) -> Vec<Symbol> {
        ids.iter().enumerate().map(|(i, id)| Symbol { id: *id, start: i as u32, len: 1 }).collect()
    }

    #[test]
    fn walking_and_heap_agree() {
        let mut state = 7u32;
        for len in 0..200usize {
            let ids: Vec<u32> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) % 3
                })
                .collect();
            let mut walked = Scratch { symbols: symbols(&ids), ..Scratch::default() };
            walked.merge_by_walking(&Doubling);
            let mut heaped = Scratch { symbols: symbols(&ids), ..Scratch::default() };
            heaped.merge_by_heap(&Doubling);
            let of = |s: &Scratch| s.symbols.iter().map(|s| (s.id, s.start, s.len)).collect::<Vec<_>>();
            assert_eq!(of(&walked), of(&heaped), "{ids:?}");
        }
    }

    #[test]
    fn a_long_piece_takes_a_number_of_steps_proportional_to_its_length() {
        let mut scratch = Scratch { symbols: symbols(&vec![0; 1 << 16]), ..Scratch::default() };
        scratch.merge(&Doubling);
        assert_eq!(scratch.symbols.len(), 1 << 10);
        assert!(scratch.steps < 4 << 16, "{} steps", scratch.steps);
    }
}
