//! New elements for blocks whose scales are there.

use crate::blocks::iq_encode as iq;
use crate::quantize::check_finite;
use crate::{Error, Lattice, TensorType, quantize_row};

/// Stores the values `src` in `dst`, which holds blocks of `ty`: each element becomes the nearest that the scales there allow,
/// then the scale of the block moves to where it suits those best. Scales inside a block keep their ratios. A row whose
/// values are what `dst` holds does not change, so that training can begin with any rounding. Types of neither [`Lattice`]
/// nor codebook are stored as [`quantize_row`] does it.
///
/// # Errors
/// As [`quantize_row`].
///
/// # Panics
/// When the lengths do not fit.
pub fn requantize_row(ty: TensorType, src: &[f32], dst: &mut [u8]) -> Result<(), Error> {
    assert_eq!(ty.row_bytes(src.len()), Some(dst.len()), "{ty}: {} elements", src.len());
    check_finite(src)?;
    match ty {
        _ if Lattice::exists(ty) => on_lattices(ty, src, dst),
        TensorType::IQ1_S => each_block(src, dst, iq::renew_iq1_s),
        TensorType::IQ1_M => each_block(src, dst, iq::renew_iq1_m),
        TensorType::IQ2_XXS => each_block(src, dst, iq::renew_iq2_xxs),
        TensorType::IQ2_XS => each_block(src, dst, iq::renew_iq2_xs),
        TensorType::IQ2_S => each_block(src, dst, iq::renew_iq2_s),
        TensorType::IQ3_XXS => each_block(src, dst, iq::renew_iq3_xxs),
        TensorType::IQ3_S => each_block(src, dst, iq::renew_iq3_s),
        _ => quantize_row(ty, src, dst)?,
    }
    Ok(())
}

fn on_lattices(ty: TensorType, src: &[f32], dst: &mut [u8]) {
    let mut codes = [0; 256];
    let codes = &mut codes[..ty.block_size()];
    for (x, block) in src.chunks_exact(codes.len()).zip(dst.chunks_exact_mut(ty.block_bytes())) {
        let lattice = Lattice::of(ty, block);
        for (i, (code, x)) in codes.iter_mut().zip(x).enumerate() {
            *code = lattice.nearest(i, *x).0;
        }
        lattice.store(codes, block);
        lattice.refit(x, codes, block);
    }
}

fn each_block<const BYTES: usize>(
    src: &[f32],
    dst: &mut [u8],
    renew: impl Fn(&[f32; 256], &mut [u8; BYTES]),
) {
    let blocks = dst.as_chunks_mut::<BYTES>().0;
    src.as_chunks::<256>().0.iter().zip(blocks).for_each(|(x, block)| renew(x, block));
}
