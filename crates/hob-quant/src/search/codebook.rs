//! Scales and entries for blocks of 256 elements whose codes are entries of a codebook.

use super::books::{Candidate, Signs};
use super::entries::Codebook;
use super::inverse;
use super::steps::{Ladder, Moments, Steps, choose_steps};
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

/// Entries and scales of a block of `S` sub-blocks.
pub(crate) struct Entries<const S: usize> {
    pub steps: Steps<S>,
    /// The entry of each eight elements.
    pub codes: [u32; 32],
    /// The book of each entry.
    pub books: [u8; 32],
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

/// Entries and scales of least squared error times `w`; `None` when the scale overflows.
pub(crate) fn best_entries<const S: usize, B: Codebook>(
    x: &[f32; 256],
    w: &[f32; 256],
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
    Some(found.at(&format.ladder, steps))
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
    let signed = book.signs() == Signs::InEntry;
    let wx = std::array::from_fn(|i| w[i] * if signed { x[i] } else { x[i].abs() });
    let odd = book.signs() == Signs::Even && x.iter().filter(|&&x| x < 0.0).count() % 2 == 1;
    let sums = book.sums(&wx, w);
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
        let mut entries = Entries { steps, codes: [0; 32], books: [0; 32] };
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
