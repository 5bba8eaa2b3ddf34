//! Vectors of f32, once per instruction set, for the operations that need nothing an instruction set does differently.
//!
//! An op written against [`Simd`] is one body for AVX2, AVX-512 and NEON; its scalar reference stays separate and plain.
//! A value of a type that implements [`Simd`] is the permission to use that instruction set: only [`dispatch`] makes one,
//! for a level that [`Cpu`] has detected. Every method and every [`Kernel::run`] must be `#[inline(always)]`, because the
//! instructions become available only inside the one `#[target_feature]` function per level that everything is inlined into.

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub(crate) mod math;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::{Cpu, Isa};
use half::f16;

/// Vectors of [`Simd::LANES`] f32 elements. Slices may be longer than a vector; they panic when they are shorter.
pub(crate) trait Simd: Copy {
    /// A vector.
    type F: Copy;
    /// Elements of a vector; a power of two, at most 16.
    const LANES: usize;
    /// Vectors of one row that a tile of a matrix product keeps in registers, and the rows it may have then.
    const TILE: (usize, usize);
    /// Rows of a matrix product from which its right side is decoded beforehand instead of anew for each few of them. Not
    /// at all where nobody measured that it pays.
    const ROWS_TO_DECODE: usize = usize::MAX;

    /// Runs `kernel` as a function of its own where that saves time of the compiler, which grows faster than a function does.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;
    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &[f32]) -> Self::F;
    fn load_f16(self, from: &[f16]) -> Self::F;
    fn load_i8(self, from: &[i8]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, x: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `if a > b { a } else { b }`: `b` when either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`: `b` when either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a < b { yes } else { no }`: `no` when either is NaN.
    fn select_less(self, a: Self::F, b: Self::F, yes: Self::F, no: Self::F) -> Self::F;
    /// To the nearest integer, ties to even; for magnitudes below 2^22.
    fn round(self, x: Self::F) -> Self::F;
    /// `2^n` for integers `n` in `-126..=127`; unspecified for others.
    fn exp2_integer(self, n: Self::F) -> Self::F;
    /// The sum of the lanes, in one fixed order.
    fn sum(self, x: Self::F) -> f32;
    /// Elements of even and of odd index of the concatenation `a, b`.
    fn unzip(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// The inverse of [`Simd::unzip`].
    fn zip(self, even: Self::F, odd: Self::F) -> (Self::F, Self::F);

    /// Hints that the line at `address` is needed soon, in the second-level cache. Reads nothing, so any address will do.
    fn prefetch(self, address: *const u8);

    /// The largest lane; lanes that are NaN count as the smallest.
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        let mut lanes = [0f32; 16];
        self.store(x, &mut lanes);
        lanes[..Self::LANES].iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
    }

    /// The magnitude of every lane; NaN stays NaN.
    #[inline(always)]
    fn abs(self, x: Self::F) -> Self::F {
        self.max(self.sub(self.splat(0.0), x), x)
    }
}

/// A computation that runs at any level.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;
    /// The computation; `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Vectors of pairs of bf16 numbers, a pair in each lane of the f32 vectors of [`Pairs::S`]; in memory a pair is a `u32`.
pub(crate) trait Pairs: Copy {
    /// The f32 vectors beside them.
    type S: Simd;
    /// A vector of pairs.
    type P: Copy;

    fn floats(self) -> Self::S;
    /// As [`Simd::call`].
    fn call(self, kernel: impl PairKernel);
    fn load(self, from: &[u32]) -> Self::P;
    fn store(self, x: Self::P, to: &mut [u32]);
    /// The same pair in every lane.
    fn splat(self, x: u32) -> Self::P;
    /// `(first, second)` lane by lane, each rounded to nearest, ties to even.
    fn pair(self, first: Lanes<Self>, second: Lanes<Self>) -> Self::P;
    /// Pairs of adjacent lanes of the concatenation `a, b`, rounded likewise.
    fn adjacent(self, a: Lanes<Self>, b: Lanes<Self>) -> Self::P;
    /// Alternating pairs of both, the first lanes and the last.
    fn zip(self, a: Self::P, b: Self::P) -> (Self::P, Self::P);
    /// `sum + a.0 * b.0 + a.1 * b.1`; numbers below 2^-126 count as 0.
    fn dot(self, sum: Lanes<Self>, a: Self::P, b: Self::P) -> Lanes<Self>;
    /// `x * 2^n` for integers `n`.
    fn scale(self, x: Lanes<Self>, n: Lanes<Self>) -> Lanes<Self>;
    /// Whether any lane of `a` is greater than that of `b`; NaN is not.
    fn any_greater(self, a: Lanes<Self>, b: Lanes<Self>) -> bool;
}

/// The f32 vectors beside the pairs of `P`.
pub(crate) type Lanes<P> = <<P as Pairs>::S as Simd>::F;

/// A computation that runs where there are [`Pairs`].
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other level has bf16 pairs yet"))]
pub(crate) trait PairKernel {
    /// The computation; `#[inline(always)]`.
    fn run<P: Pairs>(self, pairs: P);
}

/// Vectors of pairs of 16-bit integers, a pair in each lane of the f32 vectors of [`Int16::S`]; in memory a pair is a `u32`, its
/// first number the low half. Sums are 32-bit integers, which wrap.
pub(crate) trait Int16: Copy {
    /// The f32 vectors beside them.
    type S: Simd;
    /// A vector of pairs, or of sums.
    type I: Copy;

    fn floats(self) -> Self::S;
    /// As [`Simd::call`].
    fn call(self, kernel: impl Int16Kernel);
    fn load(self, from: &[u32]) -> Self::I;
    fn store(self, x: Self::I, to: &mut [u32]);
    /// The same pair in every lane.
    fn splat(self, x: u32) -> Self::I;
    /// `(first, second)` of two vectors' worth of bytes.
    fn pair(self, first: &[i8], second: &[i8]) -> [Self::I; 2];
    /// Pairs of adjacent lanes of the concatenation `a, b`, rounded to nearest, ties to even; for magnitudes up to 32767.
    fn adjacent(self, a: <Self::S as Simd>::F, b: <Self::S as Simd>::F) -> Self::I;
    /// `sum + a.0 * b.0 + a.1 * b.1`.
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Sums, rounded to f32.
    fn to_floats(self, sums: Self::I) -> <Self::S as Simd>::F;
}

/// A computation that runs where there are [`Int16`].
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX2 has them yet"))]
pub(crate) trait Int16Kernel {
    /// The computation; `#[inline(always)]`.
    fn run<I: Int16>(self, int16: I);
}

/// Whether there are [`Int16`] at a level.
pub(crate) fn has_int16(isa: Isa) -> bool {
    isa == Isa::Avx2
}

/// Runs `kernel` on a `cpu` whose level has [`Int16`], as [`has_int16`] says.
///
/// # Panics
/// On another.
#[inline]
pub(crate) fn dispatch_int16(cpu: &Cpu, kernel: impl Int16Kernel) {
    match cpu.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::run_int16(cpu, kernel),
        isa => {
            drop(kernel);
            unreachable!("no 16-bit integers at level {isa}")
        }
    }
}

/// Runs `kernel` on a `cpu` that has [`Cpu::bf16`].
///
/// # Panics
/// On another.
#[inline]
pub(crate) fn dispatch_pairs(cpu: &Cpu, kernel: impl PairKernel) {
    match cpu.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::run_pairs(cpu, kernel),
        isa => {
            drop(kernel);
            unreachable!("no bf16 pairs at level {isa}")
        }
    }
}

/// Runs `kernel` with the vectors of this `cpu`'s level.
///
/// # Panics
/// At [`Isa::Scalar`], whose code is the references.
#[inline]
pub(crate) fn dispatch<K: Kernel>(cpu: &Cpu, kernel: K) -> K::Output {
    match cpu.isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::run_avx2(cpu, kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::run_avx512(cpu, kernel),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonDot | Isa::NeonI8mm => aarch64::run_neon(cpu, kernel),
        isa => unreachable!("no vectors at level {isa} on this architecture"),
    }
}

/// `f(x)` for every lane of a slice of any length: whole vectors first, then the rest through a padded copy.
#[inline(always)]
pub(crate) fn map<S: Simd>(simd: S, x: &mut [f32], f: impl Fn(S::F) -> S::F) {
    let mut chunks = x.chunks_exact_mut(S::LANES);
    for chunk in chunks.by_ref() {
        simd.store(f(simd.load(chunk)), chunk);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let y = f(load_partial(simd, rest));
        store_partial(simd, y, rest);
    }
}

/// `x = f(x, y)` for every pair of lanes.
#[inline(always)]
pub(crate) fn zip_map<S: Simd>(simd: S, x: &mut [f32], y: &[f32], f: impl Fn(S::F, S::F) -> S::F) {
    let y = &y[..x.len()];
    let (mut xs, mut ys) = (x.chunks_exact_mut(S::LANES), y.chunks_exact(S::LANES));
    for (x, y) in xs.by_ref().zip(ys.by_ref()) {
        simd.store(f(simd.load(x), simd.load(y)), x);
    }
    let rest = xs.into_remainder();
    if !rest.is_empty() {
        let z = f(load_partial(simd, rest), load_partial(simd, ys.remainder()));
        store_partial(simd, z, rest);
    }
}

/// The sum of `f(x)` over the lanes of a slice of any length, in one fixed order; `f(0)` must be 0.
#[inline(always)]
pub(crate) fn sum_map<S: Simd>(simd: S, x: &[f32], f: impl Fn(S::F) -> S::F) -> f32 {
    // Four sums hide the latency of an addition, and each is a quarter as long, so it rounds less.
    let mut sums = [simd.splat(0.0); 4];
    let mut blocks = x.chunks_exact(4 * S::LANES);
    for block in blocks.by_ref() {
        for (sum, x) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *sum = simd.add(*sum, f(simd.load(x)));
        }
    }
    let mut chunks = blocks.remainder().chunks_exact(S::LANES);
    for chunk in chunks.by_ref() {
        sums[0] = simd.add(sums[0], f(simd.load(chunk)));
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        sums[1] = simd.add(sums[1], f(load_partial(simd, rest)));
    }
    simd.sum(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

/// A vector whose first lanes are `from`, shorter than a vector; the others are 0.
#[inline(always)]
pub(crate) fn load_partial<S: Simd>(simd: S, from: &[f32]) -> S::F {
    let mut lanes = [0f32; 16];
    lanes[..from.len()].copy_from_slice(from);
    simd.load(&lanes)
}

/// Stores the first lanes into `to`, shorter than a vector.
#[inline(always)]
pub(crate) fn store_partial<S: Simd>(simd: S, x: S::F, to: &mut [f32]) {
    let mut lanes = [0f32; 16];
    simd.store(x, &mut lanes);
    to.copy_from_slice(&lanes[..to.len()]);
}
