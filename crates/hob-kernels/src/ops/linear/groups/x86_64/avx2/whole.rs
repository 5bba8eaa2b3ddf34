//! Dots of groups whose halves have whole scales: integers as long as they can be, and exact, so that neither order nor
//! instructions matter to what comes out.

use super::{Dots, Place, Products, added, halves, pairs, quads_of_words};
use crate::ops::linear::groups::{ROWS, TOKENS};
use crate::ops::linear::x86_64::{broadcast_pair, load_eight, load_half, store_eight};
use std::arch::x86_64::*;

/// A group's dot where halves are mixed: each of two neighbours is a half's sum, and has its scale.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn scaled_pairs<const MINS: bool, const T: usize, const SPLIT: bool>(
    rows: &[[[u8; 64]; 2]; 8],
    columns: &[[[i8; 4]; TOKENS]; 8],
    starts: [&[i32; TOKENS]; 2],
    side: usize,
    scales: &[[[i16; 2]; 8]; 2],
) -> Products<T> {
    let scaled = |mut sums: Dots<T>| {
        for sums in &mut sums {
            for (sum, scales) in sums.iter_mut().zip(scales) {
                *sum = _mm256_madd_epi16(*sum, load_half(scales));
            }
        }
        sums
    };
    let dots = if SPLIT {
        let ((r0, r1), (c0, c1)) = (halves(rows), halves(columns));
        let first = scaled(pairs::<MINS, T, 4>(r0, c0, starts[0], side));
        added(first, &scaled(pairs::<MINS, T, 4>(r1, c1, starts[1], side)))
    } else {
        scaled(pairs::<MINS, T, 8>(rows, columns, starts[0], side))
    };
    dots.map(|dots| dots.map(|dot| _mm256_cvtepi32_ps(dot)))
}

/// The same from dots of halves in 32 bits; such floats are whole numbers below 2^24, so that nothing is rounded.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn scaled_halves<const T: usize>(
    halves: &[Dots<T>; 2],
    scales: &[[[i16; 2]; 8]; 2],
) -> Products<T> {
    let scales = scales.each_ref().map(|scales| {
        let pairs = load_half(scales);
        let first = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(pairs));
        [first, _mm256_srai_epi32::<16>(pairs)].map(|scales| _mm256_cvtepi32_ps(scales))
    });
    let mut products = [[_mm256_setzero_ps(); 2]; T];
    for (t, products) in products.iter_mut().enumerate() {
        for (v, product) in products.iter_mut().enumerate() {
            let [first, second] = [0, 1].map(|half: usize| _mm256_cvtepi32_ps(halves[half][t][v]));
            *product = _mm256_fmadd_ps(second, scales[v][1], _mm256_mul_ps(first, scales[v][0]));
        }
    }
    products
}

/// The same of words. Columns are in their order.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn scaled_words<const MINS: bool, const T: usize, const SPLIT: bool>(
    rows: &[[[i16; 64]; 2]; 8],
    columns: &[[[i16; 4]; TOKENS]; 8],
    starts: [&[i32; TOKENS]; 2],
    side: usize,
    scales: &[[[i16; 2]; 8]; 2],
) -> Products<T> {
    let ((r0, r1), (c0, c1)) = (halves(rows), halves(columns));
    let first = quads_of_words::<MINS, T, 4>(r0, c0, starts[0], side);
    scaled_halves(&[first, quads_of_words::<MINS, T, 4>(r1, c1, starts[1], side)], scales)
}

impl<W, X> Place<'_, W, X> {
    /// Adds dots that have their whole scales, after taking the minima.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add_whole<const MINS: bool, const T: usize>(&mut self, dots: &Products<T>) {
        let mins = self.whole_of_rows(&self.panel.whole_mins);
        let bases =
            self.panel.bases.each_ref().map(|bases| &bases.as_chunks::<8>().0.as_chunks::<2>().0[self.side]);
        for (t, dots) in dots.iter().enumerate() {
            let step = _mm256_set1_ps(self.x.steps[self.group][t]);
            let minus_x = broadcast_pair(self.x.negative_pairs[self.group][t]);
            for (v, sum) in self.sums_of(t).iter_mut().enumerate() {
                let mut product = _mm256_mul_ps(dots[v], load_eight(&bases[0][v]));
                if MINS {
                    let min = _mm256_cvtepi32_ps(_mm256_madd_epi16(load_half(&mins[v]), minus_x));
                    product = _mm256_fmadd_ps(min, load_eight(&bases[1][v]), product);
                }
                store_eight(sum, _mm256_fmadd_ps(product, step, load_eight(sum)));
            }
        }
    }

    /// What belongs to the sixteen rows.
    #[inline(always)]
    pub(super) fn whole_of_rows<'a>(&self, values: &'a [[[i16; 2]; ROWS]; 8]) -> &'a [[[i16; 2]; 8]; 2] {
        &values[self.group].as_chunks().0.as_chunks().0[self.side]
    }
}
