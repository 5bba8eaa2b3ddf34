//! Activations of 8 bits with a fixed step for everything that a matrix is multiplied with and for everything it gives: part of
//! what a mobile model computes, so part of what is trained. Gradients pass as if nothing had been rounded.

use crate::Network;
use hob_kernels::Cpu;
use std::collections::BTreeMap;
use std::ops::Range;

/// The greatest code.
const LARGEST: f32 = 127.0;

/// Steps at one matrix; zero where nothing is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Steps {
    /// Of what it is multiplied with.
    pub input: f32,
    /// Of what comes out.
    pub output: f32,
}

/// Steps of a network's matrices, by where each begins in the layout.
pub type Ranges = BTreeMap<usize, Steps>;

impl Network {
    /// The same network with activations rounded at the matrices that `ranges` has.
    pub fn with_ranges(self, ranges: Ranges) -> Self {
        Self { ranges, ..self }
    }

    /// Where activations are rounded.
    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// The steps at the matrix `weight`.
    pub(crate) fn steps(&self, weight: &Range<usize>) -> Steps {
        self.ranges.get(&weight.start).copied().unwrap_or_default()
    }
}

/// Rounds `x` to `step`; a step of zero leaves everything as it is.
pub(crate) fn round_to_step(cpu: &Cpu, x: &mut [f32], step: f32) {
    if step > 0.0 {
        cpu.round_to_step(x, step);
    }
}

/// What a matrix of the plain network sees or gives, gathered to choose a step.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The largest magnitude.
    pub largest: f32,
    /// How many magnitudes lie in each of the equal parts of `0..=largest` that was known when counting began.
    counts: Vec<u64>,
}

/// Parts of a spread.
const PARTS: usize = 2048;

/// Steps that are tried, the largest magnitude being the last code of the first.
const TRIES: usize = 80;

impl Spread {
    /// Nothing seen, of magnitudes up to `largest`.
    pub fn new(largest: f32) -> Self {
        Self { largest, counts: vec![0; PARTS] }
    }

    /// Counts `x`.
    pub fn add(&mut self, x: &[f32]) {
        if self.largest == 0.0 {
            return;
        }
        let scale = PARTS as f32 / self.largest;
        x.iter().for_each(|x| self.counts[((x.abs() * scale) as usize).min(PARTS - 1)] += 1);
    }

    /// The step that lowers the squares of what rounding and clipping change; bf16 holds it. Zero where everything was zero.
    pub fn step(&self) -> f32 {
        let middle = |part: usize| (part as f32 + 0.5) * self.largest / PARTS as f32;
        let error = |step: f32| {
            let of = |(part, count): (usize, &u64)| {
                let x = middle(part);
                let held = (x / step).round().min(LARGEST) * step;
                // Inside the range the error is spread over a step, whatever the middle of the part is.
                let square = if x < LARGEST * step { step * step / 12.0 } else { (x - held) * (x - held) };
                *count as f64 * f64::from(square)
            };
            self.counts.iter().enumerate().map(of).sum::<f64>()
        };
        let steps = (0..TRIES).map(|i| self.largest / LARGEST * (1.0 - i as f32 / TRIES as f32));
        let best = steps.map(|s| (error(s), s)).min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(0.0, |(_, step)| hob_quant::CodeFormat::storable(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_among_many_is_clipped_and_even_numbers_are_not() {
        let mut spread = Spread::new(100.0);
        (0..100_000).for_each(|i| spread.add(&[(i % 1000) as f32 / 1000.0]));
        spread.add(&[100.0]);
        assert!(spread.step() < 0.7 * 100.0 / 127.0, "{}", spread.step());
        let mut even = Spread::new(1.0);
        (0..1000).for_each(|i| even.add(&[i as f32 / 1000.0]));
        assert!((even.step() * 127.0 - 1.0).abs() < 0.03, "{}", even.step());
        assert_eq!(Spread::new(0.0).step(), 0.0);
    }
}
