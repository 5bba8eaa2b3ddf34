//! Unpacked units as bf16 numbers.

use super::WeightUnit;
use crate::ops::linear::blocks::format::Format;
use crate::ops::linear::x86_64::load_quarter;
use std::arch::x86_64::*;

/// `scale * (code - offset) - min`, rounded to bf16 once, of the columns of one group after the other.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
pub(super) fn widen(format: Format, unit: &WeightUnit, mut put: impl FnMut(usize, [u16; 32])) {
    let halves = if format.halves { [0, 1] } else { [0, 0] };
    let mut bases = [[0.0; 8]; 2];
    for (bases, half) in bases.iter_mut().zip(halves) {
        let of_groups = unit.scales[half].iter().zip(&unit.mins[half]);
        for (base, (scale, min)) in bases.iter_mut().zip(of_groups) {
            *base = -f32::from(format.offset) * scale - if format.mins { *min } else { 0.0 };
        }
    }
    let sixteens = unit.codes.as_chunks::<16>().0;
    for group in 0..8 {
        let mut values = [_mm512_setzero_ps(); 2];
        for (half, values) in values.iter_mut().enumerate() {
            // In storage, the first halves of four groups stand before the second ones.
            let codes = load_quarter(&sixteens[group / 4 * 8 + half * 4 + group % 4]);
            let (scale, base) = (unit.scales[halves[half]][group], bases[half][group]);
            let codes = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes));
            *values = _mm512_fmadd_ps(codes, _mm512_set1_ps(scale), _mm512_set1_ps(base));
        }
        // SAFETY: both are 64 bytes of any value.
        put(group, unsafe {
            std::mem::transmute::<__m512bh, [u16; 32]>(_mm512_cvtne2ps_pbh(values[1], values[0]))
        });
    }
}
