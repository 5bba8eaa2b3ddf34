//! Scales and entries for blocks of 256 elements whose codes are entries of a codebook.

use super::books::{Candidate, Signs};
use super::entries::Codebook;
use super::steps::{Ladder, Moments, Steps, choose_steps};
use super::{inverse, is_small_step};
use crate::float::through_f16;

/// A codebook format.
pub(crate) struct Format<'a, B> {
    /// The books: one, or two that a bit chooses from.
    pub books: &'a [B],
    /// Whether that bit is a sub-block's, not each entry's own.
    pub shared: bool,
    pub ladder: Ladder,
    /// Largest value of an entry.
    pub extreme: f32,
    /// Root mean square of the values that normal weights take with the best step.
    pub typical: f32,
    /// The value of an entry of equal values.
    pub flat: f32,
}

/// Trial steps of a sub-block.
const TRIALS: usize = 10;

/// Where the elements of a block aim, eight at a time, each eight once those before them are settled.
pub trait Aims {
    /// Sets `x` to the aims of the eight elements of run `run`.
    fn aim(&mut self, run: usize, x: &mut [f32; 8]);
    /// They are stored as `values`.
    fn settle(&mut self, run: usize, values: &[f32; 8]);
}

/// The elements of a block and what is known of them.
pub(crate) struct Elements<'a> {
    pub x: &'a [f32; 256],
    /// How much their errors weigh.
    pub w: &'a [f32; 256],
    /// Where they aim once those before them are settled, if that is not `x`.
    pub aims: Option<&'a mut dyn Aims>,
}

/// One for each element.
const EQUAL: [f32; 256] = [1.0; 256];

impl<'a> Elements<'a> {
    /// Elements that aim at what they are; without weights, all weigh alike.
    pub fn alone(x: &'a [f32; 256], w: Option<&'a [f32; 256]>) -> Self {
        Self { x, w: w.unwrap_or(&EQUAL), aims: None }
    }
}

/// Entries and scales of a block of `S` sub-blocks.
pub(crate) struct Entries<const S: usize> {
    pub steps: Steps<S>,
    /// The entry of each eight elements.
    pub codes: [u32; 32],
    /// Bits of their negative signs, where entries have none.
    pub signs: [u8; 32],
    /// The book of each entry.
    pub books: [u8; 32],
}

impl<const S: usize> Entries<S> {
    /// The first entry everywhere.
    pub fn empty(d: f32) -> Self {
        Self { steps: Steps::flat(d), codes: [0; 32], signs: [0; 32], books: [0; 32] }
    }
}

/// The best entries of eight elements at the trial steps, each once.
#[derive(Clone, Copy)]
struct Candidates {
    list: [Candidate; TRIALS],
    count: usize,
}

/// The candidates for each eight elements from each book.
struct Found<const S: usize> {
    candidates: [[Candidates; 32]; 2],
    book_count: usize,
    shared: bool,
}

/// Entries and scales of least squared error times `w`; `None` when the scale overflows. With `aims` the scales are those for
/// `x`, and then the entries are chosen again, run after run, for what the aims are by then.
pub(crate) fn best_entries<const S: usize, B: Codebook>(
    Elements { x, w, aims }: Elements<'_>,
    format: &Format<B>,
) -> Option<Entries<S>> {
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let spanning = largest / (format.extreme * format.ladder.factor(format.ladder.highest));
    if !through_f16(spanning).is_finite() {
        return None;
    }
    let mut found = Found::<S> {
        candidates: [[Candidates { list: [Candidate::default(); TRIALS], count: 0 }; 32]; 2],
        book_count: format.books.len(),
        shared: format.shared,
    };
    let mut ideal = [0.0; S];
    for (s, ideal) in ideal.iter_mut().enumerate() {
        let range = s * 256 / S..(s + 1) * 256 / S;
        let trials = trial_steps(&x[range.clone()], &w[range], format);
        for run in s * 32 / S..(s + 1) * 32 / S {
            let (x, w) = (&x.as_chunks::<8>().0[run], &w.as_chunks::<8>().0[run]);
            for (book, found) in format.books.iter().zip(&mut found.candidates) {
                found[run] = try_steps(x, w, book, &trials);
            }
        }
        let moments = trials.map(|step| found.best_at(s, step).0);
        let gain = |m: &Moments| m.error_at(m.best_step());
        let best = moments.into_iter().min_by(|a, b| gain(a).total_cmp(&gain(b)));
        *ideal = best.map_or(0.0, Moments::best_step).max(0.0);
    }
    let steps = choose_steps(&format.ladder, &ideal, &|s, step| found.best_at(s, step).0);
    let mut entries = found.at(&format.ladder, steps);
    match aims {
        None => {
            for run in 0..32 {
                let (x, w) = (&x.as_chunks::<8>().0[run], &w.as_chunks::<8>().0[run]);
                let book = &format.books[usize::from(entries.books[run])];
                entries.signs[run] = signs(x, w, &book.values(entries.codes[run]), book.signs());
            }
        }
        Some(aims) => settle(&mut entries, w, format, aims),
    }
    Some(entries)
}

/// Chooses entries run after run for the scales that are there.
fn settle<const S: usize, B: Codebook>(
    entries: &mut Entries<S>,
    w: &[f32; 256],
    format: &Format<B>,
    aims: &mut dyn Aims,
) {
    for (run, w) in w.as_chunks::<8>().0.iter().enumerate() {
        let step = entries.steps.d * format.ladder.factor(entries.steps.levels[run * S / 32]);
        let mut x = [0.0; 8];
        aims.aim(run, &mut x);
        let known = usize::from(entries.books[run]);
        let mut best = (Candidate::default(), known, f32::INFINITY);
        for (number, book) in format.books.iter().enumerate() {
            // A bit that other runs share stays as it is.
            if number != known && format.shared {
                continue;
            }
            let hint = if number == known { entries.codes[run] } else { 0 };
            let (sums, odd) = sums(book, &x, w);
            let candidate = book.best(&sums, step, odd, hint);
            let error = candidate.moments.error_at(step);
            if error < best.2 {
                best = (candidate, number, error);
            }
        }
        let (candidate, number, _) = best;
        let book = &format.books[number];
        let values = book.values(candidate.code);
        let bits = signs(&x, w, &values, book.signs());
        (entries.codes[run], entries.books[run], entries.signs[run]) = (candidate.code, number as u8, bits);
        let value = |i: usize| if bits >> i & 1 == 1 { -step * values[i] } else { step * values[i] };
        aims.settle(run, &std::array::from_fn(value));
    }
}

/// The nearest entries to `x` for the scales that `entries` have; then the scale of the block that suits `x` best with them.
pub(crate) fn follow<const S: usize, B: Codebook>(
    entries: &mut Entries<S>,
    x: &[f32; 256],
    format: &Format<B>,
) {
    let mut fixed = Fixed { x, sums: Moments::default() };
    settle(entries, &EQUAL, format, &mut fixed);
    let d = through_f16(entries.steps.d * fixed.sums.best_step());
    if is_small_step(fixed.sums.best_step()) && d.is_finite() {
        entries.steps.d = d;
    }
}

/// Aims that stay where they are, and how well what was stored suits them.
struct Fixed<'a> {
    x: &'a [f32; 256],
    sums: Moments,
}

impl Aims for Fixed<'_> {
    fn aim(&mut self, run: usize, x: &mut [f32; 8]) {
        *x = self.x.as_chunks::<8>().0[run];
    }

    fn settle(&mut self, run: usize, values: &[f32; 8]) {
        for (x, v) in self.x[8 * run..].iter().zip(values) {
            self.sums = self.sums.plus(Moments { xv: x * v, vv: v * v });
        }
    }
}

/// What all entries' errors follow from, and whether one sign must be turned.
fn sums<B: Codebook>(book: &B, x: &[f32; 8], w: &[f32; 8]) -> (B::Sums, bool) {
    let signed = book.signs() == Signs::InEntry;
    let wx = std::array::from_fn(|i| w[i] * if signed { x[i] } else { x[i].abs() });
    let odd = book.signs() == Signs::Even && x.iter().filter(|&&x| x < 0.0).count() % 2 == 1;
    (book.sums(&wx, w), odd)
}

/// Bits of the negative signs of eight elements; where their number must be even, that of the one is turned that costs least.
fn signs(x: &[f32; 8], w: &[f32; 8], values: &[f32; 8], kind: Signs) -> u8 {
    if kind == Signs::InEntry {
        return 0;
    }
    let bits = (0..8).fold(0, |bits, i| bits | (u8::from(x[i] < 0.0) << i));
    if kind == Signs::Free || bits.count_ones().is_multiple_of(2) {
        return bits;
    }
    let cost = |i: usize| w[i] * x[i].abs() * values[i];
    let cheapest = (0..8).fold(0, |best, i| if cost(i) < cost(best) { i } else { best });
    bits ^ (1 << cheapest)
}

/// Trial steps in even ratios: around the one that suits the root mean square, and up to the one that spans the largest.
/// The last suits values of equal size, which need an entry that is far from typical.
fn trial_steps<B>(x: &[f32], w: &[f32], format: &Format<B>) -> [f32; TRIALS] {
    let weight: f32 = w.iter().sum();
    let square: f32 = x.iter().zip(w).map(|(x, w)| w * x * x).sum();
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let typical = (square * inverse(weight)).sqrt() / format.typical;
    let first = 0.65 * typical;
    let ratio =
        ((1.1 * largest / format.extreme).max(1.45 * typical) / first).powf(1.0 / (TRIALS - 2) as f32);
    if !(first > 0.0 && ratio.is_finite()) {
        return [0.0; TRIALS];
    }
    let mut trials = std::array::from_fn(|trial| first * ratio.powi(trial as i32));
    trials[TRIALS - 1] = typical * format.typical / format.flat;
    trials
}

fn try_steps<B: Codebook>(x: &[f32; 8], w: &[f32; 8], book: &B, trials: &[f32; TRIALS]) -> Candidates {
    let (sums, odd) = sums(book, x, w);
    let first = book.best(&sums, trials[0], odd, 0);
    let mut found = Candidates { list: [first; TRIALS], count: 1 };
    for &step in &trials[1..] {
        let last = found.list[found.count - 1].code;
        let next = book.best(&sums, step, odd, last);
        if next.code != last {
            found.list[found.count] = next;
            found.count += 1;
        }
    }
    found
}

impl<const S: usize> Found<S> {
    /// The best candidate for a run from a book.
    fn pick(&self, book: usize, run: usize, step: f32) -> (Candidate, f32) {
        let (mut best, mut best_error) = (Candidate::default(), f32::INFINITY);
        let found = &self.candidates[book][run];
        for &candidate in &found.list[..found.count] {
            let error = candidate.moments.error_at(step);
            if error < best_error {
                (best, best_error) = (candidate, error);
            }
        }
        (best, best_error)
    }

    /// Moments of sub-block `s` with a step, and the book of all its entries where that is shared.
    fn best_at(&self, s: usize, step: f32) -> (Moments, usize) {
        let runs = s * 32 / S..(s + 1) * 32 / S;
        if self.shared {
            let sums = (0..self.book_count).map(|book| {
                let moments = runs.clone().map(|run| self.pick(book, run, step).0.moments);
                (moments.fold(Moments::default(), Moments::plus), book)
            });
            let best = sums.min_by(|a, b| a.0.error_at(step).total_cmp(&b.0.error_at(step)));
            return best.unwrap_or_default();
        }
        let moments = runs.map(|run| self.pick_any(run, step).0.moments);
        (moments.fold(Moments::default(), Moments::plus), 0)
    }

    /// The best candidate for a run from any book, and that book.
    fn pick_any(&self, run: usize, step: f32) -> (Candidate, usize) {
        let (first, error) = self.pick(0, run, step);
        if self.book_count == 2 {
            let (second, second_error) = self.pick(1, run, step);
            if second_error < error {
                return (second, 1);
            }
        }
        (first, 0)
    }

    fn at(&self, ladder: &Ladder, steps: Steps<S>) -> Entries<S> {
        let mut entries = Entries { steps, codes: [0; 32], signs: [0; 32], books: [0; 32] };
        for run in 0..32 {
            let s = run * S / 32;
            let step = steps.d * ladder.factor(steps.levels[s]);
            let (candidate, book) = if self.shared {
                let book = self.best_at(s, step).1;
                (self.pick(book, run, step).0, book)
            } else {
                self.pick_any(run, step)
            };
            (entries.codes[run], entries.books[run]) = (candidate.code, book as u8);
        }
        entries
    }
}
