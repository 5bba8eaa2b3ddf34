//! Every vector level.

use crate::simd::{Kernel, Simd, math};

/// Elements after which an f32 sum is added to the f64 one, and among which `argmax` looks for an index.
const RUN: usize = 1024;

pub(super) struct ArgMax<'a> {
    pub x: &'a [f32],
}

impl Kernel for ArgMax<'_> {
    type Output = Option<usize>;

    /// The largest of each run first; only the first run that holds the largest of all is searched for its index.
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Option<usize> {
        let (mut best, mut start) = (f32::NEG_INFINITY, 0);
        for (i, run) in self.x.chunks(RUN).enumerate() {
            let largest = largest(s, run);
            if largest > best {
                (best, start) = (largest, i * RUN);
            }
        }
        // Where nothing exceeds -inf the search begins at 0 and finds the first -inf, if any.
        self.x[start..].iter().position(|x| *x == best).map(|i| start + i)
    }
}

pub(super) struct LogSumExp<'a> {
    pub x: &'a [f32],
}

impl Kernel for LogSumExp<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let largest = largest(s, self.x);
        let shift = s.splat(largest);
        let mut total = 0f64;
        for run in self.x.chunks(RUN) {
            let mut sum = s.splat(0.0);
            let mut chunks = run.chunks_exact(S::LANES);
            for chunk in chunks.by_ref() {
                sum = s.add(sum, math::exp(s, s.sub(s.load(chunk), shift)));
            }
            total += f64::from(s.sum(sum));
            for &x in chunks.remainder() {
                total += (f64::from(x) - f64::from(largest)).exp();
            }
        }
        f64::from(largest) + total.ln()
    }
}

/// The largest element that is a number; -inf when there is none.
#[inline(always)]
fn largest<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut bests = [s.splat(f32::NEG_INFINITY); 4];
    let mut blocks = x.chunks_exact(4 * S::LANES);
    for block in blocks.by_ref() {
        for (best, x) in bests.iter_mut().zip(block.chunks_exact(S::LANES)) {
            // Operands in this order keep the best so far when the new one is NaN.
            *best = s.max(s.load(x), *best);
        }
    }
    let mut chunks = blocks.remainder().chunks_exact(S::LANES);
    for chunk in chunks.by_ref() {
        bests[0] = s.max(s.load(chunk), bests[0]);
    }
    let best = s.max(s.max(bests[0], bests[1]), s.max(bests[2], bests[3]));
    chunks.remainder().iter().fold(s.largest(best), |best, &x| if x > best { x } else { best })
}
