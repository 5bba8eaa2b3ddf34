//! A block's scale and the integer scales of its sub-blocks, chosen together.

use super::signed_extreme;
use crate::float::through_f16;

/// All that the error of a choice of codes depends on when the step is still free: sums over the elements.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moments {
    /// `sum w x v`.
    pub xv: f32,
    /// `sum w v^2`.
    pub vv: f32,
}

impl Moments {
    /// Weighted squared error with this step, less that of storing zeros.
    #[inline(always)]
    pub(crate) fn error_at(self, step: f32) -> f32 {
        step * (step * self.vv - 2.0 * self.xv)
    }

    /// The step of least squared error.
    pub(crate) fn best_step(self) -> f32 {
        if self.vv > 0.0 { self.xv / self.vv } else { 0.0 }
    }

    /// Moments of two groups of elements together.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { xv: self.xv + other.xv, vv: self.vv + other.vv }
    }
}

/// The integer scales of a format: level `l` stands for the step `d * unit * (l + offset)`.
#[derive(Clone, Copy)]
pub(crate) struct Ladder {
    pub lowest: i32,
    pub highest: i32,
    pub offset: f32,
    pub unit: f32,
    /// Trial sizes of `d`, relative to that where the largest step is the ladder's end.
    pub tries: &'static [f32],
}

impl Ladder {
    /// The step in units of `d`.
    pub(crate) fn factor(&self, level: i32) -> f32 {
        (level as f32 + self.offset) * self.unit
    }

    fn nearest(&self, factor: f32) -> i32 {
        ((factor / self.unit - self.offset).round() as i32).clamp(self.lowest, self.highest)
    }
}

/// Scales for a block of `S` sub-blocks.
#[derive(Clone, Copy)]
pub(crate) struct Steps<const S: usize> {
    /// The block's scale, exactly a finite binary16 value.
    pub d: f32,
    /// The level of each sub-block.
    pub levels: [i32; S],
    /// Weighted squared error, less that of storing zeros.
    pub error: f32,
    refit: f32,
}

impl<const S: usize> Steps<S> {
    /// A scale, and the lowest level everywhere.
    pub fn flat(d: f32) -> Self {
        Self { d, levels: [0; S], error: 0.0, refit: 0.0 }
    }
}

/// The best of many block scales. `ideal` has the sub-blocks' steps as they would be alone; `best_at(s, step)` gives the
/// moments of the codes that sub-block `s` takes with a step.
pub(crate) fn choose_steps<const S: usize>(
    ladder: &Ladder,
    ideal: &[f32; S],
    best_at: &impl Fn(usize, f32) -> Moments,
) -> Steps<S> {
    let lowest_level = ladder.lowest.max(0);
    let mut best = Steps { d: 0.0, levels: [lowest_level; S], error: 0.0, refit: 0.0 };
    let extreme = signed_extreme(ideal);
    let ends = [ladder.factor(ladder.highest), ladder.factor(ladder.lowest)];
    // A ladder of positive levels has one useful end; one with both signs leaves the sign of `d` open.
    let end_count = if ladder.lowest < 0 { 2 } else { 1 };
    for end in &ends[..end_count] {
        for size in ladder.tries {
            let mut d = extreme / end * size;
            for _ in 0..2 {
                let steps = assign(ladder, d, ideal, best_at);
                if steps.error < best.error {
                    best = steps;
                }
                d = steps.refit;
            }
        }
    }
    best
}

/// Improves `steps` by fitting `d` to the codes and choosing levels and codes again; keeps what is better.
pub(crate) fn refine_steps<const S: usize>(
    ladder: &Ladder,
    steps: Steps<S>,
    best_at: &impl Fn(usize, f32) -> Moments,
) -> Steps<S> {
    let centres = |steps: &Steps<S>| steps.levels.map(|level| steps.d * ladder.factor(level));
    let mut best = assign(ladder, steps.d, &centres(&steps), best_at);
    for _ in 0..2 {
        let next = assign(ladder, best.refit, &centres(&best), best_at);
        if next.error >= best.error {
            break;
        }
        best = next;
    }
    best
}

/// The best levels for a given `d`, among those next to each ideal step.
fn assign<const S: usize>(
    ladder: &Ladder,
    d: f32,
    ideal: &[f32; S],
    best_at: &impl Fn(usize, f32) -> Moments,
) -> Steps<S> {
    let d = through_f16(d);
    let mut steps = Steps { d, levels: [ladder.lowest.max(0); S], error: 0.0, refit: d };
    if d == 0.0 || !d.is_finite() {
        return Steps { d: 0.0, ..steps };
    }
    let (mut xv, mut vv) = (0.0, 0.0);
    for (s, &ideal) in ideal.iter().enumerate() {
        let centre = ladder.nearest(ideal / d);
        let (mut best, mut best_error) = (Moments::default(), f32::INFINITY);
        for level in (centre - 1).max(ladder.lowest)..=(centre + 1).min(ladder.highest) {
            let step = d * ladder.factor(level);
            let moments = best_at(s, step);
            let error = moments.error_at(step);
            if error < best_error {
                (best, best_error, steps.levels[s]) = (moments, error, level);
            }
        }
        let factor = ladder.factor(steps.levels[s]);
        steps.error += best_error;
        xv += factor * best.xv;
        vv += factor * factor * best.vv;
    }
    steps.refit = if vv > 0.0 { xv / vv } else { d };
    steps
}
