//! The portable body, compiled for wider vectors.
#![allow(unsafe_code)]

use super::{Order, Steps, Unit, row};
use crate::isa::{Avx2, Avx512};

pub(super) fn row_avx2(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    #[target_feature(enable = "avx2")]
    fn body(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
        row(x, steps, order, units);
    }
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where AVX2 does.
    unsafe { body(x, steps, order, units) }
}

pub(super) fn row_avx512(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    fn body(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
        row(x, steps, order, units);
    }
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where these four extensions do.
    unsafe { body(x, steps, order, units) }
}
