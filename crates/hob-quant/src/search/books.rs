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

    /// The values of both halves of an entry.
    pub(crate) fn values(&self, code: u32) -> [[f32; D]; 2] {
        self.halves[code as usize].map(|half| self.patterns.values(usize::from(half)))
    }

    /// The entry of least error with this step. `odd` asks for one turned sign. `hint` is a good entry already known.
    pub(crate) fn best(&self, sums: &Sums<C>, step: f32, odd: bool, hint: u32) -> Candidate {
        let plain = [0, 1].map(|half| sums[half].errors(step, false));
        let (first, second) = (&plain[0], plain[1].as_flattened());
        let flat = first.as_flattened();
        if !odd {
            let code = self.search(first, second, hint, |a, b| flat[a] + second[b]);
            return self.choice(sums, code, [false; 2]);
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
        self.choice(sums, code, [in_first, !in_first])
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
        let mut best = (hint, error(a, b));
        let (least_first, least_second) = (least(first.as_flattened()), least(second));
        // The best first half comes before the rest: an error near the least rules out the most.
        let start = first.as_flattened().iter().position(|&error| error == least_first).unwrap_or(0);
        self.search_list(start, &error, &mut best);
        for (c, errors) in first.iter().enumerate() {
            let bound = best.1 - least_second;
            if !errors.iter().fold(false, |any, &first| any | (first < bound)) {
                continue;
            }
            for (lane, &first) in errors.iter().enumerate() {
                if first < best.1 - least_second && c * LANES + lane != start {
                    self.search_list(c * LANES + lane, &error, &mut best);
                }
            }
        }
        best.0
    }

    /// The entries with a first half, against the best so far.
    #[inline(always)]
    fn search_list(&self, first: usize, error: &impl Fn(usize, usize) -> f32, best: &mut (u32, f32)) {
        let starts = self.starts.as_flattened();
        let list = usize::from(starts[first])..starts.get(first + 1).map_or(E, |&end| usize::from(end));
        for (&second, &entry) in self.second[list.clone()].iter().zip(&self.entry[list]) {
            let error = error(first, usize::from(second));
            if error < best.1 {
                *best = (u32::from(entry), error);
            }
        }
    }

    /// What turning a sign of an entry costs, in units that depend on the step alone.
    pub(crate) fn turning_cost(&self, sums: &Sums<C>, code: u32) -> f32 {
        let [a, b] = self.halves[code as usize].map(usize::from);
        let cost =
            |half: usize, at: usize| sums[half].moments(at, false).xv - sums[half].moments(at, true).xv;
        cost(0, a).min(cost(1, b))
    }

    fn choice(&self, sums: &Sums<C>, code: u32, turned: [bool; 2]) -> Candidate {
        let [a, b] = self.halves[code as usize].map(usize::from);
        let moments = sums[0].moments(a, turned[0]).plus(sums[1].moments(b, turned[1]));
        Candidate { code, moments }
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
