//! Gradient of `y = x * w * r` with `r = 1 / sqrt(mean of x^2 + eps)`:
//! `dx = r * (w dy - x * r^2 * mean of (w dy x))`, `dw += sum over rows of dy * x * r`.
//!
//! Shapes: `x`, `dy`: `[T, D]`, `w`, `dw`: `[D]`. f32; sums over a row in lanes, over rows one after the other, whatever the
//! number of threads. Error: at most `8 * EPSILON * sqrt(D)` times the largest `|r w dy|` of the row (`dx` is a difference),
//! and `8 * EPSILON * sqrt(T)` relative to the largest `|dw|` or to 1.

use super::real::Real;
use crate::simd::{self, Kernel, Simd, load_partial, store_partial, sum_map};
use crate::{Cpu, Isa};

/// Columns whose sums over all rows one thread takes at a time.
const COLUMNS: usize = 64;

impl Cpu {
    /// Turns `dy` into `dx` and adds the gradient of the weight to `dw`; `weight` absent means all ones.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn rms_norm_grad(
        &self,
        x: &[f32],
        dy: &mut [f32],
        width: usize,
        weight: Option<(&[f32], &mut [f32])>,
        eps: f32,
    ) {
        assert!(width > 0 && x.len().is_multiple_of(width), "x is whole rows of {width}");
        assert_eq!(x.len(), dy.len(), "one shape");
        let mut factors = self.buffer(x.len() / width);
        self.spread(&mut factors, 1, &|first, factors| {
            let rows = x[first * width..].chunks_exact(width);
            for (factor, row) in factors.iter_mut().zip(rows) {
                *factor = 1.0 / (self.square_sum(row) / width as f32 + eps).sqrt();
            }
        });
        let weight = weight.map(|(weight, dw)| {
            assert!(weight.len() == width && dw.len() == width, "one weight per element of a row");
            self.pool.for_each_part(dw, COLUMNS, &|part, dw| {
                let columns = Columns { x, dy, width, first: part * COLUMNS, factors: &factors, dw };
                match self.isa {
                    Isa::Scalar => columns.scalar(),
                    _ => simd::dispatch(self, columns),
                }
            });
            weight
        });
        self.spread(dy, width, &|first, dy| {
            let x = &x[first * width..][..dy.len()];
            for ((x, dy), factor) in
                x.chunks_exact(width).zip(dy.chunks_exact_mut(width)).zip(&factors[first..])
            {
                match self.isa {
                    Isa::Scalar => input_grad(x, dy, weight, *factor),
                    _ => simd::dispatch(self, Row { x, dy, weight, factor: *factor }),
                }
            }
        });
    }

    fn square_sum(&self, row: &[f32]) -> f32 {
        match self.isa {
            Isa::Scalar => row.iter().map(|x| x * x).sum(),
            _ => simd::dispatch(self, SquareSum(row)),
        }
    }
}

/// The reference of one row.
pub(super) fn input_grad<R: Real>(x: &[R], dy: &mut [R], weight: Option<&[R]>, factor: R) {
    let weighted = |i: usize, dy: R| weight.map_or(dy, |w| w[i] * dy);
    let dot: R = x.iter().zip(&*dy).enumerate().map(|(i, (x, dy))| weighted(i, *dy) * *x).sum();
    let pull = dot * factor * factor / R::of(x.len() as f64);
    for (i, (x, dy)) in x.iter().zip(dy).enumerate() {
        *dy = factor * (weighted(i, *dy) - *x * pull);
    }
}

struct SquareSum<'a>(&'a [f32]);

impl Kernel for SquareSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        sum_map(
            s,
            self.0,
            #[inline(always)]
            |x| s.mul(x, x),
        )
    }
}

/// Some columns of `dw`, over all rows.
struct Columns<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    width: usize,
    first: usize,
    factors: &'a [f32],
    dw: &'a mut [f32],
}

impl Columns<'_> {
    /// The reference.
    fn scalar(self) {
        let rows = self.x.chunks_exact(self.width).zip(self.dy.chunks_exact(self.width));
        for ((x, dy), factor) in rows.zip(self.factors) {
            for ((dw, x), dy) in self.dw.iter_mut().zip(&x[self.first..]).zip(&dy[self.first..]) {
                *dw += x * dy * factor;
            }
        }
    }
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = || self.x.chunks_exact(self.width).zip(self.dy.chunks_exact(self.width)).zip(self.factors);
        for (i, dw) in self.dw.chunks_mut(S::LANES).enumerate() {
            let start = self.first + i * S::LANES;
            let mut sum = s.splat(0.0);
            if dw.len() == S::LANES {
                for ((x, dy), factor) in rows() {
                    let product = s.mul(s.load(&x[start..]), s.load(&dy[start..]));
                    sum = s.mul_add(product, s.splat(*factor), sum);
                }
                s.store(s.add(s.load(dw), sum), dw);
            } else {
                for ((x, dy), factor) in rows() {
                    let product = s.mul(load_partial(s, &x[start..]), load_partial(s, &dy[start..]));
                    sum = s.mul_add(product, s.splat(*factor), sum);
                }
                let total = s.add(load_partial(s, dw), sum);
                store_partial(s, total, dw);
            }
        }
    }
}

/// One row of `dx`.
struct Row<'a> {
    x: &'a [f32],
    dy: &'a mut [f32],
    weight: Option<&'a [f32]>,
    factor: f32,
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, dy, weight, factor } = self;
        let whole = x.len() - x.len() % S::LANES;
        if let Some(weight) = weight {
            simd::zip_map(
                s,
                dy,
                weight,
                #[inline(always)]
                |dy, w| s.mul(dy, w),
            );
        }
        let mut sums = [s.splat(0.0); 2];
        for i in (0..whole).step_by(S::LANES) {
            let sum = &mut sums[i / S::LANES % 2];
            *sum = s.mul_add(s.load(&x[i..]), s.load(&dy[i..]), *sum);
        }
        if whole < x.len() {
            sums[0] = s.mul_add(load_partial(s, &x[whole..]), load_partial(s, &dy[whole..]), sums[0]);
        }
        let dot = s.sum(s.add(sums[0], sums[1]));
        let (factor, pull) = (s.splat(factor), s.splat(-dot * factor * factor / x.len() as f32));
        simd::zip_map(
            s,
            dy,
            x,
            #[inline(always)]
            |dy, x| s.mul(factor, s.mul_add(x, pull, dy)),
        );
    }
}
