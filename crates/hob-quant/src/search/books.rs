//! The codebooks in the form their searches need: as lists of pairs of halves.

use super::halves::{HalfSums, LANES, Patterns};
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

/// Entries of `2 * D` elements with `LEVELS` levels, of which each half is one of `8 * C` patterns (the last ones repeat).
pub(crate) struct Pairs<const D: usize, const LEVELS: usize, const C: usize, const E: usize> {
    patterns: Patterns<D, C>,
    pub signs: Signs,
    /// Where the entries with each first half start in the lists below; the last is their number.
    starts: [[u16; LANES]; C],
    second: [u8; E],
    entry: [u16; E],
    /// First and second half of each entry.
    halves: [[u8; 2]; E],
}

/// What all entries' errors follow from for given elements and weights.
pub(crate) type Sums<const C: usize> = [HalfSums<C>; 2];

/// An entry, with its error.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub code: u32,
    pub moments: Moments,
    pub error: f32,
}

impl<const D: usize, const LEVELS: usize, const C: usize, const E: usize> Pairs<D, LEVELS, C, E> {
    /// `levels` are the values in the entries; the search takes them for `levels + shift`.
    pub(crate) const fn new<const N: usize>(
        entries: &[[i8; N]; E],
        levels: [i8; LEVELS],
        shift: i8,
        signs: Signs,
    ) -> Self {
        let mut halves = [[0; 2]; E];
        let mut counts = [0_u16; 256];
        let mut e = 0;
        while e < E {
            halves[e] = [half(&entries[e], 0, &levels), half(&entries[e], N / 2, &levels)];
            counts[halves[e][0] as usize] += 1;
            e += 1;
        }
        let (mut starts, mut next, mut total) = ([[0; LANES]; C], [0; 256], 0);
        let mut first = 0;
        while first < C * LANES {
            starts[first / LANES][first % LANES] = total;
            next[first] = total;
            total += counts[first];
            first += 1;
        }
        let (mut second, mut entry) = ([0; E], [0; E]);
        e = 0;
        while e < E {
            let at = next[halves[e][0] as usize];
            next[halves[e][0] as usize] = at + 1;
            second[at as usize] = halves[e][1];
            entry[at as usize] = e as u16;
            e += 1;
        }
        Self { patterns: Patterns::new(&levels, shift), signs, starts, second, entry, halves }
    }

    /// `wx` is `w * x`; without signs in the entries, `w * |x|`.
    pub(crate) fn sums(&self, wx: &[f32], w: &[f32]) -> Sums<C> {
        let (wx, w) = (wx.as_chunks::<D>().0, w.as_chunks::<D>().0);
        [0, 1].map(|half| HalfSums::new(&self.patterns, &wx[half], &w[half]))
    }

    /// The entry of least error with this step. `odd` asks for one turned sign. `hint` is a good entry already known.
    pub(crate) fn best(&self, sums: &Sums<C>, step: f32, odd: bool, hint: u32) -> Choice {
        let plain = [0, 1].map(|half| sums[half].errors(step, false));
        let (first, second) = (&plain[0], plain[1].as_flattened());
        let flat = first.as_flattened();
        if !odd {
            let code = self.search(first, second, hint, |a, b| flat[a] + second[b]);
            return self.choice(sums, code, step, [false; 2]);
        }
        let turned = [0, 1].map(|half| sums[half].errors(step, true));
        let (first_turned, second_turned) = (turned[0].as_flattened(), turned[1].as_flattened());
        // Turning a sign never helps, so that the bound by plain halves holds here too.
        let code = self.search(first, second, hint, |a, b| {
            let (one, other) = (first_turned[a] + second[b], flat[a] + second_turned[b]);
            if one < other { one } else { other }
        });
        let [a, b] = self.halves[code as usize].map(usize::from);
        let in_first = first_turned[a] + second[b] < flat[a] + second_turned[b];
        self.choice(sums, code, step, [in_first, !in_first])
    }

    /// The best entry, given a good one. Most first halves are too bad to pair even with the best second half.
    #[inline(always)]
    fn search(
        &self,
        first: &[[f32; LANES]; C],
        second: &[f32],
        hint: u32,
        error: impl Fn(usize, usize) -> f32,
    ) -> u32 {
        let [a, b] = self.halves[hint as usize].map(usize::from);
        let (mut best, mut best_error) = (hint, error(a, b));
        let least_second = least(second);
        for (c, errors) in first.iter().enumerate() {
            let bound = best_error - least_second;
            if !errors.iter().fold(false, |any, &first| any | (first < bound)) {
                continue;
            }
            for (lane, &first) in errors.iter().enumerate() {
                if first + least_second >= best_error {
                    continue;
                }
                for at in self.list(c * LANES + lane) {
                    let error = error(c * LANES + lane, usize::from(self.second[at]));
                    if error < best_error {
                        (best, best_error) = (u32::from(self.entry[at]), error);
                    }
                }
            }
        }
        best
    }

    /// Where the entries with a first half are.
    #[inline(always)]
    fn list(&self, first: usize) -> std::ops::Range<usize> {
        let starts = self.starts.as_flattened();
        usize::from(starts[first])..starts.get(first + 1).map_or(E, |&end| usize::from(end))
    }

    fn choice(&self, sums: &Sums<C>, code: u32, step: f32, turned: [bool; 2]) -> Choice {
        let [a, b] = self.halves[code as usize].map(usize::from);
        let moments = sums[0].moments(a, turned[0]).plus(sums[1].moments(b, turned[1]));
        Choice { code, moments, error: moments.error_at(step) }
    }
}

/// The least of some errors, eight at a time.
#[inline(always)]
fn least(errors: &[f32]) -> f32 {
    let mut lanes = [f32::INFINITY; LANES];
    for errors in errors.as_chunks::<LANES>().0 {
        for (least, &error) in lanes.iter_mut().zip(errors) {
            *least = if error < *least { error } else { *least };
        }
    }
    lanes.into_iter().fold(f32::INFINITY, f32::min)
}

/// Number of the half of `entry` from element `at` on, the first element's level counting fastest.
const fn half<const N: usize, const LEVELS: usize>(entry: &[i8; N], at: usize, levels: &[i8; LEVELS]) -> u8 {
    let (mut number, mut j) = (0, N / 2);
    while j > 0 {
        j -= 1;
        let mut level = 0;
        while levels[level] != entry[at + j] {
            level += 1;
        }
        number = number * LEVELS + level;
    }
    number as u8
}
