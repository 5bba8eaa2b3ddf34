//! The 4-bit formats with a non-uniform table: IQ4_NL (32 elements) and IQ4_XS (256).
//!
//! ```text
//! IQ4_NL  d, qs[16]                               x = d * T[q]
//! IQ4_XS  d, scales_h u16, scales_l[4], qs[128]   x = d * (ls[i / 32] - 32) * T[q]
//!         ls[b] = nibble b of scales_l | bits 2b, 2b + 1 of scales_h << 4
//! ```
//!
//! In each run of 32 the low nibbles come first. Source: the GGUF format description (`../shared/reference/gguf.md`).

use super::kquants_encode::symmetric;
use super::{decode_by_table, f16_at, field};
use crate::float::{store_f16, through_f16};
use crate::search::{Grid, fit_scale, fit_scale_weighted, inverse, symmetric_error};

/// The sixteen values of the IQ4 formats, in code order.
pub const IQ4_NL_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

pub(crate) fn decode_iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    decode_by_table(f16_at::<0>(block), &IQ4_NL_VALUES, field::<2, 16>(block), out);
}

pub(crate) fn decode_iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let scales = iq4_xs_scales(field::<2, 2>(block), field::<4, 4>(block));
    let runs = field::<8, 128>(block).as_chunks::<16>().0;
    for ((out, codes), scale) in out.as_chunks_mut::<32>().0.iter_mut().zip(runs).zip(scales) {
        decode_by_table(d * f32::from(scale), &IQ4_NL_VALUES, codes, out);
    }
}

/// The eight signed scales (-32..=31) of an IQ4_XS block, from its fields `scales_h` and `scales_l`.
#[inline]
pub fn iq4_xs_scales(scales_h: &[u8; 2], scales_l: &[u8; 4]) -> [i8; 8] {
    let high = u16::from_le_bytes(*scales_h);
    std::array::from_fn(|b| {
        let low = (scales_l[b / 2] >> (4 * (b % 2))) & 15;
        let top = (high >> (2 * b)) as u8 & 3;
        (low | (top << 4)) as i8 - 32
    })
}

/// The IQ4 table as a grid for the scale search.
struct Iq4Grid;

impl Grid for Iq4Grid {
    const EXTREME: f32 = -127.0;

    #[inline(always)]
    fn nearest(&self, y: f32) -> (u8, f32) {
        // Counting the midpoints passed needs no table look-up, so that the search vectorises.
        let (mut code, mut value) = (0_i32, Self::EXTREME);
        for pair in IQ4_NL_VALUES.windows(2) {
            let (low, high) = (f32::from(pair[0]), f32::from(pair[1]));
            let passed = y > (low + high) * 0.5;
            code += i32::from(passed);
            value += if passed { high - low } else { 0.0 };
        }
        (code as u8, value)
    }
}

pub(crate) fn encode_iq4_nl(x: &[f32; 32], w: Option<&[f32; 32]>, block: &mut [u8; 18]) -> Option<()> {
    let d = w.map_or_else(|| equal_weights_scale(x), |w| fit_scale_weighted(x, w, &Iq4Grid));
    let inverse = inverse(d);
    for i in 0..16 {
        let (low, high) = (Iq4Grid.nearest(x[i] * inverse).0, Iq4Grid.nearest(x[i + 16] * inverse).0);
        block[2 + i] = low | (high << 4);
    }
    store_f16(block, 0, d)
}

fn equal_weights_scale(x: &[f32; 32]) -> f32 {
    let best = fit_scale(x, &Iq4Grid).map(through_f16);
    let errors = best.map(|d| symmetric_error(x, &[1.0; 32], &Iq4Grid, d));
    if errors[1] < errors[0] { best[1] } else { best[0] }
}

pub(crate) fn encode_iq4_xs(x: &[f32; 256], w: Option<&[f32; 256]>, block: &mut [u8; 136]) -> Option<()> {
    let best = symmetric::<8, 32>(x, w, &Iq4Grid, -32);
    let scales = best.scales.map(|scale| (scale + 32) as u16);
    let high = (0..8).fold(0, |bits, b| bits | ((scales[b] >> 4) << (2 * b)));
    block[2..4].copy_from_slice(&high.to_le_bytes());
    for (i, byte) in block[4..8].iter_mut().enumerate() {
        *byte = (scales[2 * i] & 15) as u8 | ((scales[2 * i + 1] & 15) << 4) as u8;
    }
    for (i, byte) in block[8..].iter_mut().enumerate() {
        let at = i / 16 * 32 + i % 16;
        *byte = best.codes[at] | (best.codes[at + 16] << 4);
    }
    store_f16(block, 0, best.d)
}
