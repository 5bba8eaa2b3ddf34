//! Where the last tokens of a sequence occurred before.
//!
//! A hash table over runs of `match_min` tokens, with the places of a slot chained from the latest to the earliest, as in
//! LZ77 compressors. Both a new token and a search cost a bounded number of steps, and memory is bounded.

/// Tokens kept; at the limit the older half goes.
const TOKENS_MAX: usize = 1 << 17;

/// Slots of the table. A collision costs one candidate, not a wrong answer.
const SLOTS: usize = 1 << 14;

/// Earlier places looked at in one search.
const CANDIDATES_MAX: usize = 16;

/// An index over a growing sequence.
#[derive(Clone, Debug)]
pub(super) struct NgramIndex {
    match_min: usize,
    match_max: usize,
    tokens: Vec<u32>,
    /// Per slot: the latest place (the index after the run of tokens); 0 for none.
    latest: Vec<u32>,
    /// Per place, at its index less one: the place before it in the same slot; 0 for none.
    earlier: Vec<u32>,
}

/// An earlier place at which the last tokens occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Index of the token that followed.
    pub place: usize,
    /// How many tokens before it are the same; at most `match_max`.
    pub len: usize,
}

impl NgramIndex {
    /// # Panics
    /// Unless `1 <= match_min <= match_max`.
    pub fn new(match_min: usize, match_max: usize) -> Self {
        assert!((1..=match_max).contains(&match_min), "a match has at least one token");
        let (tokens, earlier) = (Vec::new(), Vec::new());
        Self { match_min, match_max, tokens, latest: vec![0; SLOTS], earlier }
    }

    pub fn push(&mut self, id: u32) {
        if self.tokens.len() == TOKENS_MAX {
            let kept = self.tokens.split_off(TOKENS_MAX / 2);
            *self = Self::new(self.match_min, self.match_max);
            kept.into_iter().for_each(|id| self.insert(id));
        }
        self.insert(id);
    }

    fn insert(&mut self, id: u32) {
        self.tokens.push(id);
        let mut before = 0;
        if self.tokens.len() >= self.match_min {
            let run = &self.tokens[self.tokens.len() - self.match_min..];
            let latest = &mut self.latest[slot(run)];
            before = std::mem::replace(latest, self.tokens.len() as u32);
        }
        self.earlier.push(before);
    }

    /// The earlier place with the longest match; the latest of several.
    pub fn find(&self) -> Option<Match> {
        let mut place = *self.earlier.last()? as usize;
        let mut best: Option<Match> = None;
        for _ in 0..CANDIDATES_MAX {
            if place == 0 {
                break;
            }
            let len = self.common(place);
            if len >= self.match_min && best.is_none_or(|b| len > b.len) {
                best = Some(Match { place, len });
                if len == self.match_max {
                    break;
                }
            }
            place = self.earlier[place - 1] as usize;
        }
        best
    }

    /// How many tokens before `place` equal those at the end.
    fn common(&self, place: usize) -> usize {
        let pairs = self.tokens[..place].iter().rev().zip(self.tokens.iter().rev());
        pairs.take(self.match_max).take_while(|(a, b)| a == b).count()
    }

    /// The `count` tokens from `place` on. Where they reach the end of the sequence, the guess goes on with itself: a text
    /// that repeats is expected to repeat again.
    pub fn follow(&self, place: usize, count: usize) -> Vec<u32> {
        let mut out = Vec::with_capacity(count);
        for at in place..place + count {
            let beyond = at.checked_sub(self.tokens.len());
            out.push(beyond.map_or_else(|| self.tokens[at], |i| out[i]));
        }
        out
    }
}

/// FNV-1a over whole ids, folded to the table.
fn slot(run: &[u32]) -> usize {
    let mixed = run.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, id| {
        (h ^ u64::from(*id)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
    });
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index(ids: &[u32]) -> NgramIndex {
        let mut index = NgramIndex::new(3, 6);
        ids.iter().for_each(|id| index.push(*id));
        index
    }

    #[test]
    fn the_longest_match_wins_then_the_latest() {
        let longest = index(&[9, 1, 2, 3, 50, 8, 1, 2, 3, 60, 9, 1, 2, 3]);
        assert_eq!(longest.find(), Some(Match { place: 4, len: 4 }));
        let latest = index(&[1, 2, 3, 50, 1, 2, 3, 60, 7, 1, 2, 3]);
        assert_eq!(latest.find(), Some(Match { place: 7, len: 3 }));
        assert_eq!(latest.follow(7, 3), [60, 7, 1]);
        assert_eq!(index(&[1, 2, 3, 4]).find(), None);
        assert_eq!(index(&[]).find(), None);
    }

    #[test]
    fn a_repetition_is_continued() {
        let period = index(&[1, 2, 3, 1, 2, 3, 1]);
        let found = period.find().unwrap();
        assert_eq!((found.place, period.follow(found.place, 5)), (4, vec![2, 3, 1, 2, 3]));
    }

    #[test]
    fn the_oldest_tokens_go() {
        let mut long = NgramIndex::new(3, 6);
        [7, 8, 9].into_iter().for_each(|id| long.push(id));
        (0..TOKENS_MAX as u32).for_each(|i| long.push(1000 + i));
        assert!(long.tokens.len() <= TOKENS_MAX && long.earlier.len() == long.tokens.len());
        [7, 8, 9].into_iter().for_each(|id| long.push(id));
        assert_eq!(long.find(), None);
        [5, 7, 8, 9].into_iter().for_each(|id| long.push(id));
        let found = long.find().unwrap();
        assert_eq!(long.follow(found.place, 2), [5, 7]);
    }

    proptest! {
        /// With few enough tokens that no candidate is left out, the index finds what a search of everything finds.
        #[test]
        fn equals_a_plain_search(ids in proptest::collection::vec(0u32..4, 0..20)) {
            let common = |place: usize| {
                ids[..place].iter().rev().zip(ids.iter().rev()).take(6).take_while(|(a, b)| a == b).count()
            };
            let plain = (1..ids.len())
                .rev()
                .map(|place| Match { place, len: common(place) })
                .filter(|m| m.len >= 3)
                .fold(None, |best: Option<Match>, m| best.filter(|b| b.len >= m.len).or(Some(m)));
            prop_assert_eq!(index(&ids).find(), plain);
        }
    }
}
