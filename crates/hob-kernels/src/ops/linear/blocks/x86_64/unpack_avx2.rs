//! Unpackers for AVX2. The portable ones, compiled for AVX2, serve every format.

use super::{WeightUnit, type_of};
use crate::ops::linear::blocks::unpack as portable;

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn unpack<const F: usize>(bytes: &[u8], unit: &mut WeightUnit) {
    portable::unpack(const { type_of::<F>() }, bytes, unit);
}
