//! A block whose scales are settled: its elements can then be rounded one after the other.
//!
//! Rounding that hands the error of one column on to the next (GPTQ) needs the value that a format would store for an
//! element *before* the next one is known. [`Lattice::of`] reads the scales of a block that [`quantize_row`] or
//! [`quantize_row_weighted`](crate::quantize_row_weighted) made, [`Lattice::nearest`] rounds to them, [`Lattice::store`] writes
//! the codes back.
//!
//! [`quantize_row`]: crate::quantize_row

use crate::TensorType;
use crate::blocks::kquants_encode::{pack_nibbles, pack_top_bits, pack_two_bits};
use crate::blocks::{f16_at, field, legacy};
use crate::float::{f16_to_f32, store_f16, through_f16};
use crate::search::{inverse, is_small_step};
use crate::{IQ4_NL_VALUES, iq4_xs_scales, k_scales_and_mins, q3_k_scales};

/// Largest block.
const BLOCK_MAX: usize = 256;

/// What codes stand for: `x = step * value(code) - min`.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// `code - offset`, up to `codes` codes.
    Integers { offset: i32, codes: i32 },
    /// The table of the IQ4 formats.
    Iq4,
}

/// The values that each element of one block can have.
#[derive(Clone, Debug)]
pub struct Lattice {
    ty: TensorType,
    values: Values,
    steps: [f32; BLOCK_MAX],
    mins: [f32; BLOCK_MAX],
}

impl Lattice {
    /// Whether elements of `ty` are rounded by themselves, so that there is a lattice.
    pub fn exists(ty: TensorType) -> bool {
        use TensorType as T;
        matches!(
            ty,
            T::Q4_0
                | T::Q4_1
                | T::Q5_0
                | T::Q5_1
                | T::Q8_0
                | T::Q2_K
                | T::Q3_K
                | T::Q4_K
                | T::Q5_K
                | T::Q6_K
                | T::IQ4_NL
                | T::IQ4_XS
        )
    }

    /// The lattice of `block`, one block of `ty`.
    ///
    /// # Panics
    /// When `ty` has no lattice or `block` another size.
    pub fn of(ty: TensorType, block: &[u8]) -> Self {
        assert_eq!(block.len(), ty.block_bytes(), "one block of {ty}");
        let mut l = Self { ty, values: Values::Iq4, steps: [0.0; BLOCK_MAX], mins: [0.0; BLOCK_MAX] };
        let integers = |offset, bits: u32| Values::Integers { offset, codes: 1 << bits };
        match ty {
            TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 | TensorType::IQ4_NL => {
                l.values = match ty {
                    TensorType::Q4_0 => integers(8, 4),
                    TensorType::Q5_0 => integers(16, 5),
                    // The format has a code for -128, but its quantiser never writes it.
                    TensorType::Q8_0 => Values::Integers { offset: 127, codes: 255 },
                    _ => Values::Iq4,
                };
                l.steps.fill(f16_at::<0>(block));
            }
            TensorType::Q4_1 | TensorType::Q5_1 => {
                l.values = integers(0, if ty == TensorType::Q4_1 { 4 } else { 5 });
                l.steps.fill(f16_at::<0>(block));
                l.mins.fill(-f16_at::<2>(block));
            }
            TensorType::Q2_K => {
                l.values = integers(0, 2);
                let (d, dmin) = (f16_at::<80>(block), f16_at::<82>(block));
                l.runs::<16>(field::<0, 16>(block).map(|s| d * f32::from(s & 15)));
                l.min_runs::<16>(field::<0, 16>(block).map(|s| dmin * f32::from(s >> 4)));
            }
            TensorType::Q3_K => {
                l.values = integers(4, 3);
                let d = f16_at::<108>(block);
                l.runs::<16>(q3_k_scales(field::<96, 12>(block)).map(|s| d * f32::from(s)));
            }
            TensorType::Q4_K | TensorType::Q5_K => {
                l.values = integers(0, if ty == TensorType::Q4_K { 4 } else { 5 });
                let (d, dmin) = (f16_at::<0>(block), f16_at::<2>(block));
                let (scales, mins) = k_scales_and_mins(field::<4, 12>(block));
                l.runs::<8>(scales.map(|s| d * f32::from(s)));
                l.min_runs::<8>(mins.map(|m| dmin * f32::from(m)));
            }
            TensorType::Q6_K => {
                l.values = integers(32, 6);
                let d = f16_at::<208>(block);
                l.runs::<16>(field::<192, 16>(block).map(|s| d * f32::from(s as i8)));
            }
            TensorType::IQ4_XS => {
                let d = f16_at::<0>(block);
                let scales = iq4_xs_scales(field::<2, 2>(block), field::<4, 4>(block));
                l.runs::<8>(scales.map(|s| d * f32::from(s)));
            }
            _ => panic!("{ty} has no lattice"),
        }
        l
    }

    fn runs<const S: usize>(&mut self, steps: [f32; S]) {
        spread(&mut self.steps, &steps);
    }

    fn min_runs<const S: usize>(&mut self, mins: [f32; S]) {
        spread(&mut self.mins, &mins);
    }

    /// Code and value nearest to `x` at element `at`.
    #[inline]
    pub fn nearest(&self, at: usize, x: f32) -> (u8, f32) {
        let (step, min) = (self.steps[at], self.mins[at]);
        let y = (x + min) * inverse(step);
        let code = match self.values {
            Values::Integers { offset, codes } => {
                (y.round() as i32).saturating_add(offset).clamp(0, codes - 1) as u8
            }
            Values::Iq4 => {
                let passed = |pair: &[i8]| y > f32::from(i16::from(pair[0]) + i16::from(pair[1])) * 0.5;
                IQ4_NL_VALUES.windows(2).filter(|pair| passed(pair)).count() as u8
            }
        };
        (code, step * self.value(code) - min)
    }

    /// Moves the scales of the whole `block`, for which the lattice was read, to where they suit the values `x` best with the
    /// codes chosen for them; the scales of its parts keep their ratios.
    ///
    /// # Panics
    /// When `block` is none of the type, or there is no value and code for each element.
    pub fn refit(&self, x: &[f32], codes: &[u8], block: &mut [u8]) {
        assert!(x.len() == codes.len() && block.len() == self.ty.block_bytes(), "one block");
        // x is nearly a * u - b * v.
        let (mut uu, mut uv, mut vv, mut ux, mut vx) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64);
        for (i, (x, code)) in x.iter().zip(codes).enumerate() {
            let (x, v) = (f64::from(*x), f64::from(self.mins[i]));
            let u = f64::from(self.steps[i] * self.value(*code));
            uu += u * u;
            uv += u * v;
            vv += v * v;
            ux += u * x;
            vx += v * x;
        }
        let det = uu * vv - uv * uv;
        let both = [(ux * vv - vx * uv) / det, (ux * uv - vx * uu) / det].map(|factor| factor as f32);
        // Where there are no minima, or scale and minima cannot be told apart, the scale moves alone.
        let are_apart = det > 1e-6 * uu * vv && both.iter().all(|factor| is_small_step(*factor));
        let factors = if are_apart { both } else { [((ux + uv) / uu) as f32, 1.0] };
        for (at, factor) in self.scales_at().into_iter().zip(factors) {
            let Some(at) = at.filter(|_| is_small_step(factor)) else { continue };
            let new = through_f16(factor * f16_to_f32(u16::from_le_bytes([block[at], block[at + 1]])));
            if new.is_finite() {
                store_f16(block, at, new);
            }
        }
    }

    /// Where a block holds its scale and the scale of its minima.
    fn scales_at(&self) -> [Option<usize>; 2] {
        match self.ty {
            TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K => [Some(0), Some(2)],
            TensorType::Q2_K => [Some(80), Some(82)],
            TensorType::Q3_K => [Some(108), None],
            TensorType::Q6_K => [Some(208), None],
            _ => [Some(0), None],
        }
    }

    /// What `code` stands for, in steps.
    #[inline]
    fn value(&self, code: u8) -> f32 {
        match self.values {
            Values::Integers { offset, .. } => (i32::from(code) - offset) as f32,
            Values::Iq4 => f32::from(IQ4_NL_VALUES[usize::from(code)]),
        }
    }

    /// Puts `codes` into `block`, whose scales stay.
    ///
    /// # Panics
    /// When there are not as many codes as the block has elements, or `block` has another size.
    pub fn store(&self, codes: &[u8], block: &mut [u8]) {
        assert_eq!(codes.len(), self.ty.block_size(), "a code per element");
        assert_eq!(block.len(), self.ty.block_bytes(), "one block");
        if let Ok(codes) = <&[u8; 32]>::try_from(codes) {
            self.store_short(codes, block);
        } else {
            self.store_long(codes.try_into().expect("blocks with a lattice have 32 or 256 elements"), block);
        }
    }

    fn store_short(&self, codes: &[u8; 32], block: &mut [u8]) {
        match self.ty {
            TensorType::Q8_0 => {
                block[2..].iter_mut().zip(codes).for_each(|(b, c)| *b = c.wrapping_sub(127));
            }
            TensorType::Q5_0 | TensorType::Q5_1 => {
                let at = if self.ty == TensorType::Q5_0 { 2 } else { 4 };
                block[at..at + 4].copy_from_slice(&legacy::pack_fifth_bits(codes));
                block[at + 4..].copy_from_slice(&legacy::pack_nibbles(codes));
            }
            TensorType::Q4_1 => block[4..].copy_from_slice(&legacy::pack_nibbles(codes)),
            _ => block[2..].copy_from_slice(&legacy::pack_nibbles(codes)),
        }
    }

    fn store_long(&self, codes: &[u8; 256], block: &mut [u8]) {
        match self.ty {
            TensorType::Q2_K => block[16..80].copy_from_slice(&pack_two_bits(codes)),
            TensorType::Q3_K => {
                block[..32].copy_from_slice(&pack_top_bits(codes, 2));
                block[32..96].copy_from_slice(&pack_two_bits(&codes.map(|c| c & 3)));
            }
            TensorType::Q4_K => block[16..].copy_from_slice(&pack_nibbles(codes)),
            TensorType::Q5_K => {
                block[16..48].copy_from_slice(&pack_top_bits(codes, 4));
                block[48..].copy_from_slice(&pack_nibbles(&codes.map(|c| c & 15)));
            }
            TensorType::Q6_K => {
                block[..128].copy_from_slice(&nibbles_of::<64>(codes));
                block[128..192].copy_from_slice(&pack_two_bits(&codes.map(|c| c >> 4)));
            }
            _ => block[8..].copy_from_slice(&nibbles_of::<16>(codes)),
        }
    }
}

fn spread<const S: usize>(to: &mut [f32; BLOCK_MAX], values: &[f32; S]) {
    for (run, value) in to.chunks_exact_mut(BLOCK_MAX / S).zip(values) {
        run.fill(*value);
    }
}

/// Four low bits of elements `HALF` apart, in runs of twice `HALF`, share a byte.
fn nibbles_of<const HALF: usize>(codes: &[u8; 256]) -> [u8; 128] {
    std::array::from_fn(|i| {
        let at = i / HALF * 2 * HALF + i % HALF;
        (codes[at] & 15) | (codes[at + HALF] << 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dequantize_row, quantize_row};

    fn row(seed: u32, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn types() -> impl Iterator<Item = TensorType> {
        TensorType::ALL.iter().copied().filter(|ty| Lattice::exists(*ty))
    }

    #[test]
    fn stored_codes_decode_to_the_values_they_were_chosen_for() {
        for ty in types() {
            let len = ty.block_size();
            let (mut block, mut decoded) = (vec![0; ty.block_bytes()], vec![0.0; len]);
            quantize_row(ty, &row(1, len), &mut block).unwrap();
            let lattice = Lattice::of(ty, &block);
            // Others than the block was made for.
            let chosen: Vec<(u8, f32)> =
                row(2, len).iter().enumerate().map(|(i, x)| lattice.nearest(i, *x)).collect();
            let codes: Vec<u8> = chosen.iter().map(|c| c.0).collect();
            lattice.store(&codes, &mut block);
            dequantize_row(ty, &block, &mut decoded);
            for (i, (decoded, (_, value))) in decoded.iter().zip(&chosen).enumerate() {
                assert!((decoded - value).abs() <= 1e-6 * value.abs().max(1.0), "{ty} element {i}");
            }
        }
    }

    #[test]
    fn no_value_of_the_lattice_is_nearer_than_the_nearest() {
        for ty in types() {
            let len = ty.block_size();
            let mut block = vec![0; ty.block_bytes()];
            quantize_row(ty, &row(3, len), &mut block).unwrap();
            let lattice = Lattice::of(ty, &block);
            for (i, x) in row(4, len).iter().enumerate() {
                let (_, nearest) = lattice.nearest(i, *x);
                // Every value is the nearest to itself: probing many places finds them all.
                for probe in row(5 + i as u32, 64) {
                    let (_, other) = lattice.nearest(i, 1.5 * probe);
                    assert!((nearest - x).abs() <= (other - x).abs() + 1e-6, "{ty} element {i}: {x}");
                }
            }
        }
    }

    #[test]
    fn blocks_of_zeros_stay_zeros() {
        for ty in types() {
            let len = ty.block_size();
            let (mut block, mut decoded) = (vec![0; ty.block_bytes()], vec![1.0; len]);
            quantize_row(ty, &vec![0.0; len], &mut block).unwrap();
            let lattice = Lattice::of(ty, &block);
            let codes: Vec<u8> = (0..len).map(|i| lattice.nearest(i, 0.5).0).collect();
            lattice.store(&codes, &mut block);
            dequantize_row(ty, &block, &mut decoded);
            assert!(decoded.iter().all(|x| *x == 0.0), "{ty}");
        }
    }
}
