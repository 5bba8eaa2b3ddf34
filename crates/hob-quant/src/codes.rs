//! Rows of integer codes of 2, 4 or 8 bits with a scale for the whole row or for each of several groups of columns: the weights
//! of the mobile Gemma 4 checkpoints.
//!
//! A row is its scales, as f32, then its codes, the lowest bits of a byte first; those of 2 and 4 bits are stored with an offset
//! of `2^(bits-1)`. Published containers keep codes and scales in two tensors: [`CodeFormat::scales`] and
//! [`CodeFormat::codes`] give a row's part of each. Scales are numbers that bf16 holds, since one of the containers stores them
//! so; they may be negative, which turns the side around that has a code more.

use crate::Error;
use crate::float::bf16_to_f32;
use crate::quantize::check_finite;
use half::bf16;

/// Scales that are tried for a group, from the one whose largest code is reached down.
const TRIES: usize = 24;

/// The smallest that is tried, as a part of the largest: two bits want their outliers clipped.
const LEAST: f32 = 0.25;

/// A row's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeFormat {
    /// Bits of a code: 2, 4 or 8.
    pub bits: usize,
    /// Scales of a row; each is for as many columns.
    pub groups: usize,
}

impl CodeFormat {
    /// Codes of `bits` bits with one scale a row.
    pub const fn rows(bits: usize) -> Self {
        Self { bits, groups: 1 }
    }

    /// Bytes of a row of `columns` columns; `None` where groups or bytes would not be whole.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let fits =
            self.groups > 0 && columns.is_multiple_of(self.groups) && columns.is_multiple_of(8 / self.bits);
        fits.then(|| self.scale_bytes() + columns * self.bits / 8)
    }

    fn scale_bytes(self) -> usize {
        4 * self.groups
    }

    /// The least and the greatest code.
    pub fn range(self) -> (f32, f32) {
        let half = (1 << (self.bits - 1)) as f32;
        (-half, half - 1.0)
    }

    /// A row's scales, as f32.
    pub fn scales(self, row: &[u8]) -> &[u8] {
        &row[..self.scale_bytes()]
    }

    /// A row's codes, packed.
    pub fn codes(self, row: &[u8]) -> &[u8] {
        &row[self.scale_bytes()..]
    }

    fn scale(self, row: &[u8], group: usize) -> f32 {
        let bytes = row[4 * group..][..4].try_into().expect("four bytes");
        f32::from_le_bytes(bytes)
    }

    /// The code nearest to `x / scale`.
    pub fn nearest(self, x: f32, scale: f32) -> f32 {
        let (least, most) = self.range();
        if scale == 0.0 { 0.0 } else { (x / scale).round_ties_even().clamp(least, most) }
    }

    /// The number nearest to `scale` that a scale may be.
    pub fn storable(scale: f32) -> f32 {
        bf16_to_f32(bf16::from_f32(scale).to_bits())
    }

    /// A scale for `x` that lowers the squares of its errors under `weights`.
    pub fn fit(self, x: &[f32], weights: impl Fn(usize) -> f32) -> f32 {
        let extreme = x.iter().copied().fold(0f32, |a, b| if b.abs() > a.abs() { b } else { a });
        if extreme == 0.0 {
            return 0.0;
        }
        let mut best = (f32::INFINITY, 0.0);
        for side in [1.0, -1.0] {
            // The extreme lies where there is a code more, or on the other side.
            let largest = extreme / if side > 0.0 { self.range().0 } else { self.range().1 };
            for i in 0..TRIES {
                let factor = 1.0 - (1.0 - LEAST) * i as f32 / (TRIES - 1) as f32;
                let scale = self.refit(x, largest * factor, &weights);
                let error = self.error(x, scale, &weights);
                if error < best.0 {
                    best = (error, scale);
                }
            }
        }
        best.1
    }

    /// The scale that suits the codes best which `x` gets with `scale`.
    fn refit(self, x: &[f32], scale: f32, weights: &impl Fn(usize) -> f32) -> f32 {
        let (mut with, mut square) = (0.0, 0.0);
        for (i, x) in x.iter().enumerate() {
            let code = self.nearest(*x, scale);
            with += weights(i) * x * code;
            square += weights(i) * code * code;
        }
        let refitted = if square > 0.0 { with / square } else { scale };
        // A scale of the other sign has another range: the codes would not be these.
        let kept = if refitted.is_finite() && refitted * scale > 0.0 { refitted } else { scale };
        Self::storable(kept)
    }

    fn error(self, x: &[f32], scale: f32, weights: &impl Fn(usize) -> f32) -> f32 {
        let error = |(i, x): (usize, &f32)| weights(i) * (x - self.nearest(*x, scale) * scale).powi(2);
        x.iter().enumerate().map(error).sum()
    }

    /// Stores `codes` with `scales`, one for each group.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn store(self, scales: &[f32], codes: &[f32], row: &mut [u8]) {
        assert_eq!(self.row_bytes(codes.len()), Some(row.len()), "a row of {} columns", codes.len());
        let (to_scales, to_codes) = row.split_at_mut(self.scale_bytes());
        to_scales.as_chunks_mut::<4>().0.iter_mut().zip(scales).for_each(|(to, s)| *to = s.to_le_bytes());
        let (per_byte, offset) = (8 / self.bits, if self.bits == 8 { 0 } else { 1 << (self.bits - 1) });
        for (byte, codes) in to_codes.iter_mut().zip(codes.chunks_exact(per_byte)) {
            let field = |(i, code): (usize, &f32)| {
                ((*code as i32 + offset) as u8 & mask(self.bits)) << (i * self.bits)
            };
            *byte = codes.iter().enumerate().map(field).fold(0, |byte, field| byte | field);
        }
    }

    /// Stores `x` with scales that lower the squares of errors under `weights`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a number that is none.
    pub fn quantize_row(self, x: &[f32], weights: Option<&[f32]>, row: &mut [u8]) -> Result<(), Error> {
        check_finite(x)?;
        let width = x.len() / self.groups;
        let mut scales = Vec::with_capacity(self.groups);
        let mut codes = Vec::with_capacity(x.len());
        for (group, x) in x.chunks_exact(width).enumerate() {
            let scale = self.fit(x, |i| weights.map_or(1.0, |w| w[group * width + i]));
            codes.extend(x.iter().map(|x| self.nearest(*x, scale)));
            scales.push(scale);
        }
        self.store(&scales, &codes, row);
        Ok(())
    }

    /// Stores `x` where `row` holds a row already: each number becomes the nearest that the scales there allow, then scales move to
    /// where they suit those best. A row that holds `x` does not change.
    ///
    /// # Errors
    /// As [`CodeFormat::quantize_row`].
    pub fn requantize_row(self, x: &[f32], row: &mut [u8]) -> Result<(), Error> {
        check_finite(x)?;
        let width = x.len() / self.groups;
        let mut scales = Vec::with_capacity(self.groups);
        let mut codes = Vec::with_capacity(x.len());
        for (group, x) in x.chunks_exact(width).enumerate() {
            let before = self.scale(row, group);
            let is_held = x.iter().all(|x| self.nearest(*x, before) * before == *x);
            let scale = if is_held { before } else { self.refit(x, before, &|_| 1.0) };
            codes.extend(x.iter().map(|x| self.nearest(*x, scale)));
            scales.push(scale);
        }
        self.store(&scales, &codes, row);
        Ok(())
    }

    /// The numbers of a row.
    pub fn dequantize_row(self, row: &[u8], to: &mut [f32]) {
        let (packed, width) = (self.codes(row), to.len() / self.groups);
        let per_byte = 8 / self.bits;
        for (group, to) in to.chunks_exact_mut(width).enumerate() {
            let scale = self.scale(row, group);
            for (i, to) in to.iter_mut().enumerate() {
                let column = group * width + i;
                let byte = packed[column / per_byte];
                *to = scale * self.code(byte >> (column % per_byte * self.bits));
            }
        }
    }

    /// The code in the lowest bits of `field`.
    fn code(self, field: u8) -> f32 {
        match self.bits {
            8 => f32::from(field as i8),
            bits => f32::from(field & mask(bits)) - (1 << (bits - 1)) as f32,
        }
    }
}

fn mask(bits: usize) -> u8 {
    u8::MAX >> (8 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next() + next() + next()).collect()
    }

    #[test]
    fn what_is_stored_comes_back_and_stays() {
        for bits in [2, 4, 8] {
            for groups in [1, 3] {
                let format = CodeFormat { bits, groups };
                let x = numbers(48, 7);
                let mut row = vec![0; format.row_bytes(48).unwrap()];
                format.quantize_row(&x, None, &mut row).unwrap();
                let mut back = vec![0.0; 48];
                format.dequantize_row(&row, &mut back);
                let error = |y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f32>();
                let (size, left) = (error(&[0.0; 48]), error(&back));
                let most = [0.3, 0.02, 1e-4][bits.ilog2() as usize - 1];
                assert!(left < most * size, "{bits} bits, {groups} groups: {left} of {size}");
                let mut again = row.clone();
                format.requantize_row(&back, &mut again).unwrap();
                assert_eq!(row, again, "{bits} bits");
                // Other numbers move the scale, and every scale is one that bf16 holds.
                let wider: Vec<f32> = back.iter().map(|x| 1.2 * x).collect();
                format.requantize_row(&wider, &mut again).unwrap();
                assert!(format.scales(&row) != format.scales(&again));
                assert!(format.scales(&again).as_chunks::<4>().0.iter().all(|s| s[..2] == [0, 0]));
            }
        }
    }

    #[test]
    fn codes_lie_as_the_published_format_has_them() {
        let mut row = vec![0; 4 + 1];
        CodeFormat::rows(2).store(&[1.0], &[-2.0, -1.0, 0.0, 1.0], &mut row);
        assert_eq!(row[4], 0b11_10_01_00);
        CodeFormat::rows(4).store(&[1.0], &[-8.0, 7.0], &mut row);
        assert_eq!(row[4], 0xF0);
        CodeFormat::rows(8).store(&[1.0], &[-128.0], &mut row);
        assert_eq!(row[4], 0x80);
    }

    #[test]
    fn odd_rows_and_numbers_that_are_none_are_refused() {
        assert_eq!(CodeFormat::rows(2).row_bytes(6), None);
        assert_eq!(CodeFormat { bits: 4, groups: 3 }.row_bytes(8), None);
        let mut row = [0; 5];
        assert!(CodeFormat::rows(4).quantize_row(&[f32::NAN, 1.0], None, &mut row).is_err());
        CodeFormat::rows(4).quantize_row(&[0.0, 0.0], None, &mut row).unwrap();
        let mut back = [1.0; 2];
        CodeFormat::rows(4).dequantize_row(&row, &mut back);
        assert_eq!(back, [0.0, 0.0]);
    }
}
