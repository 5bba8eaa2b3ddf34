//! The codebooks in the forms their searches need: any two halves together, or only listed pairs of halves.

use super::halves::{HalfSums, Patterns, least, ternary_halves};
use super::steps::Moments;

/// How an entry's elements get their signs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Signs {
    /// The entry has them.
    InEntry,
    /// Stored for each element.
    Free,
    /// Stored for seven elements; the number of negative ones is even.
    Even,
}

/// An entry for eight elements.
#[derive(Clone, Copy, Default)]
pub(crate) struct Candidate {
    pub moments: Moments,
    /// The entry's number; of two entries of four, the second one's is in the upper half.
    pub code: u32,
}

/// A set of entries to choose from for eight elements.
pub(crate) trait Codebook {
    /// What all entries' errors follow from for given elements and weights.
    type Sums;

    fn signs(&self) -> Signs;

    /// `wx` has the signs only where entries have them.
    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums;

    /// The entry of least error with this step. `odd` asks for one turned sign. `hint` is a good entry already known.
    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, hint: Candidate) -> Candidate;
}

/// Entries that are any two of `8 * C` halves.
pub(crate) struct FreeHalves<const C: usize> {
    pub patterns: Patterns<C>,
    pub signs: Signs,
}

impl<const C: usize> Codebook for FreeHalves<C> {
    type Sums = [HalfSums<C>; 2];

    fn signs(&self) -> Signs {
        self.signs
    }

    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums {
        let (wx, w) = (wx.as_chunks::<4>().0, w.as_chunks::<4>().0);
        [0, 1].map(|half| HalfSums::new(&self.patterns, &wx[half], &w[half]))
    }

    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, _: Candidate) -> Candidate {
        let choose = |half: usize, turned: bool| least(&sums[half].errors(step, turned));
        let plain = [choose(0, false), choose(1, false)];
        let mut best = (plain[0].0, plain[1].0, false, false);
        if odd {
            let turned = [choose(0, true), choose(1, true)];
            best = if turned[0].1 + plain[1].1 < plain[0].1 + turned[1].1 {
                (turned[0].0, plain[1].0, true, false)
            } else {
                (plain[0].0, turned[1].0, false, true)
            };
        }
        let moments = sums[0].moments(best.0, best.2).plus(sums[1].moments(best.1, best.3));
        Candidate { moments, code: best.0 as u32 | (best.1 as u32) << 16 }
    }
}

/// Halves of three levels, padded to whole vectors.
const TERNARY: usize = 11;

/// Entries of eight elements of three levels.
pub(crate) struct ListedPairs<const E: usize> {
    patterns: Patterns<TERNARY>,
    signs: Signs,
    /// Where the entries with each first half start in the lists below.
    starts: [u16; 82],
    second: [u8; E],
    entry: [u16; E],
    /// First and second half of each entry.
    halves: [[u8; 2]; E],
}

impl<const E: usize> ListedPairs<E> {
    /// `levels` are the values in the entries; the search takes them for `levels + shift`.
    pub(crate) const fn new(entries: &[[i8; 8]; E], levels: [i8; 3], shift: i8, signs: Signs) -> Self {
        let mut halves = [[0; 2]; E];
        let mut starts = [0; 82];
        let mut e = 0;
        while e < E {
            halves[e] = [half(&entries[e], 0, levels), half(&entries[e], 4, levels)];
            starts[halves[e][0] as usize + 1] += 1;
            e += 1;
        }
        let mut first = 0;
        while first < 81 {
            starts[first + 1] += starts[first];
            first += 1;
        }
        let (mut second, mut entry, mut next) = ([0; E], [0; E], starts);
        e = 0;
        while e < E {
            let at = next[halves[e][0] as usize] as usize;
            next[halves[e][0] as usize] += 1;
            second[at] = halves[e][1];
            entry[at] = e as u16;
            e += 1;
        }
        let levels = [levels[0] + shift, levels[1] + shift, levels[2] + shift];
        let patterns = Patterns::new(&ternary_halves(levels));
        Self { patterns, signs, starts, second, entry, halves }
    }

    /// The best entry, given a good one. Most first halves are too bad to pair even with the best second half.
    #[inline(always)]
    fn search(
        &self,
        first: &[f32],
        least_second: f32,
        hint: u32,
        error: impl Fn(usize, usize) -> f32,
    ) -> u32 {
        let [a, b] = self.halves[hint as usize].map(usize::from);
        let (mut best, mut best_error) = (hint, error(a, b));
        for (a, &first) in first[..81].iter().enumerate() {
            if first + least_second >= best_error {
                continue;
            }
            for at in usize::from(self.starts[a])..usize::from(self.starts[a + 1]) {
                let error = error(a, usize::from(self.second[at]));
                if error < best_error {
                    (best, best_error) = (u32::from(self.entry[at]), error);
                }
            }
        }
        best
    }
}

/// Number of the half of `entry` from element `at` on.
const fn half(entry: &[i8; 8], at: usize, levels: [i8; 3]) -> u8 {
    let (mut number, mut j) = (0, 4);
    while j > 0 {
        j -= 1;
        let v = entry[at + j];
        number = 3 * number
            + if v == levels[0] {
                0
            } else if v == levels[1] {
                1
            } else {
                2
            };
    }
    number
}

impl<const E: usize> Codebook for ListedPairs<E> {
    type Sums = [HalfSums<TERNARY>; 2];

    fn signs(&self) -> Signs {
        self.signs
    }

    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums {
        let (wx, w) = (wx.as_chunks::<4>().0, w.as_chunks::<4>().0);
        [0, 1].map(|half| HalfSums::new(&self.patterns, &wx[half], &w[half]))
    }

    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, hint: Candidate) -> Candidate {
        let plain = [0, 1].map(|half| sums[half].errors(step, false));
        let (first, second) = (plain[0].as_flattened(), plain[1].as_flattened());
        let least = |errors: &[f32]| errors[..81].iter().copied().fold(f32::INFINITY, f32::min);
        if !odd {
            let code = self.search(first, least(second), hint.code, |a, b| first[a] + second[b]);
            return Candidate { moments: self.moments(sums, code, [false; 2]), code };
        }
        let turned = [0, 1].map(|half| sums[half].errors(step, true));
        let (first_turned, second_turned) = (turned[0].as_flattened(), turned[1].as_flattened());
        // Turning a sign never helps, so that the bound by plain halves holds here too.
        let code = self.search(first, least(second), hint.code, |a, b| {
            (first_turned[a] + second[b]).min(first[a] + second_turned[b])
        });
        let [a, b] = self.halves[code as usize].map(usize::from);
        let in_first = first_turned[a] + second[b] < first[a] + second_turned[b];
        Candidate { moments: self.moments(sums, code, [in_first, !in_first]), code }
    }
}

impl<const E: usize> ListedPairs<E> {
    fn moments(&self, sums: &[HalfSums<TERNARY>; 2], code: u32, turned: [bool; 2]) -> Moments {
        let [a, b] = self.halves[code as usize].map(usize::from);
        sums[0].moments(a, turned[0]).plus(sums[1].moments(b, turned[1]))
    }
}
