//! From f32 to stored bytes, row by row.

use half::{bf16, f16};

use crate::blocks::{fp4, iq_encode, iq4, kquants_encode as kquants, legacy, ternary};
use crate::search::codebook::{Aims, Elements};
use crate::search::signed_extreme;
use crate::{Error, TensorType, dequantize_row};

impl TensorType {
    /// Whether [`quantize_row`] knows the type.
    pub fn can_quantize(self) -> bool {
        self.can_dequantize()
    }
}

/// Stores the values `src` as blocks of `ty` in `dst`.
///
/// `src` is a whole number of blocks, `dst` exactly their bytes. F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0,
/// TQ2_0 and MXFP4 equal the output of the PyPI package `gguf` 0.19 bit for bit (where that overflows to infinity, this
/// fails). The other types search scales, and entries of codebooks, that lower the squared error; they weigh all elements
/// alike. NVFP4 holds no scale for the tensor: divide the values by one first, so that the largest is 2688 at most.
/// Values far below a block's representable scale (about 6e-8 times the largest code) become zero.
///
/// # Errors
/// `NotFinite` for NaN and infinity, `TooLarge` when a scale overflows, `Unsupported` for a type without quantiser;
/// `dst` then holds unspecified bytes.
///
/// # Panics
/// When the lengths do not fit.
pub fn quantize_row(ty: TensorType, src: &[f32], dst: &mut [u8]) -> Result<(), Error> {
    quantize(Row { ty, src, importance: None }, dst)
}

/// Stores `src` as blocks of `ty` in `dst`, at least `sum of importance[i] * (x[i] - stored x[i])^2` found.
///
/// `importance` has one finite number of at least zero for each element; only ratios within a block count, and a block
/// of zeros is weighed evenly. Lengths as for [`quantize_row`], whose result is kept for blocks where no better one is
/// found, so that no block is worse by this measure; except that the codebook types (IQ1 to IQ3) are searched once, and
/// are better on average. F32, F16 and BF16 do not depend on the importance.
///
/// # Errors
/// As [`quantize_row`]; and `Importance` for a negative, infinite or NaN importance.
///
/// # Panics
/// When the lengths do not fit.
pub fn quantize_row_weighted(
    ty: TensorType,
    src: &[f32],
    importance: &[f32],
    dst: &mut [u8],
) -> Result<(), Error> {
    assert_eq!(src.len(), importance.len(), "{ty}: one importance for each element");
    check_importance(importance)?;
    let importance = ty.is_quantized().then_some(importance);
    quantize(Row { ty, src, importance }, dst)
}

/// Stores one block of a type that [`has_codebook`]: its scales are those for `src` under `importance`, as
/// [`quantize_row_weighted`] chooses them, and its elements, eight at a time, are the nearest to where `aims` says by then.
///
/// # Errors
/// As [`quantize_row_weighted`]; aims that are no numbers give elements that are not the nearest.
///
/// # Panics
/// When `ty` has no codebook, or the lengths are not those of a block.
pub fn quantize_block_towards(
    ty: TensorType,
    src: &[f32],
    importance: &[f32],
    aims: &mut dyn Aims,
    dst: &mut [u8],
) -> Result<(), Error> {
    let x: &[f32; 256] = src.try_into().expect("a block of 256 elements");
    let w = relative(importance.try_into().expect("one importance for each element"));
    check_importance(importance)?;
    check_finite(x)?;
    let elements = Elements { x, w: &w, aims: Some(aims) };
    let size = "the bytes of one block";
    let stored = match ty {
        TensorType::IQ1_S => iq_encode::encode_iq1_s(elements, dst.try_into().expect(size)),
        TensorType::IQ1_M => iq_encode::encode_iq1_m(elements, dst.try_into().expect(size)),
        TensorType::IQ2_XXS => iq_encode::encode_iq2_xxs(elements, dst.try_into().expect(size)),
        TensorType::IQ2_XS => iq_encode::encode_iq2_xs(elements, dst.try_into().expect(size)),
        TensorType::IQ2_S => iq_encode::encode_iq2_s(elements, dst.try_into().expect(size)),
        TensorType::IQ3_XXS => iq_encode::encode_iq3_xxs(elements, dst.try_into().expect(size)),
        TensorType::IQ3_S => iq_encode::encode_iq3_s(elements, dst.try_into().expect(size)),
        _ => panic!("{ty} has no codebook"),
    };
    stored.ok_or_else(|| Error::TooLarge { ty, position: 0, end: 256, value: signed_extreme(x) })
}

fn check_importance(importance: &[f32]) -> Result<(), Error> {
    let valid = |importance: f32| importance.is_finite() && importance >= 0.0;
    match importance.iter().enumerate().find(|(_, i)| !valid(**i)) {
        Some((position, &value)) => Err(Error::Importance { position, value }),
        None => Ok(()),
    }
}

pub(crate) fn check_finite(src: &[f32]) -> Result<(), Error> {
    match src.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((position, &value)) => Err(Error::NotFinite { position, value }),
        None => Ok(()),
    }
}

fn quantize(at: Row, dst: &mut [u8]) -> Result<(), Error> {
    let Row { ty, src, .. } = at;
    assert_eq!(
        ty.row_bytes(src.len()),
        Some(dst.len()),
        "{ty}: {} elements do not match the bytes",
        src.len()
    );
    check_finite(src)?;
    match ty {
        TensorType::F32 => at.each_block(dst, |&[x], _, block| store(block, x.to_le_bytes(), true)),
        TensorType::F16 => at.each_block(dst, |&[x], _, block| {
            let rounded = f16::from_f32(x);
            store(block, rounded.to_le_bytes(), rounded.is_finite())
        }),
        TensorType::BF16 => at.each_block(dst, |&[x], _, block| {
            let rounded = bf16::from_f32(x);
            store(block, rounded.to_le_bytes(), rounded.is_finite())
        }),
        TensorType::Q4_0 => at.each_block(dst, legacy::encode_q4_0),
        TensorType::Q4_1 => at.each_block(dst, legacy::encode_q4_1),
        TensorType::Q5_0 => at.each_block(dst, legacy::encode_q5_0),
        TensorType::Q5_1 => at.each_block(dst, legacy::encode_q5_1),
        TensorType::Q8_0 => at.each_block(dst, legacy::encode_q8_0),
        TensorType::Q2_K => at.each_block(dst, kquants::encode_q2_k),
        TensorType::Q3_K => at.each_block(dst, kquants::encode_q3_k),
        TensorType::Q4_K => at.each_block(dst, kquants::encode_q4_k),
        TensorType::Q5_K => at.each_block(dst, kquants::encode_q5_k),
        TensorType::Q6_K => at.each_block(dst, kquants::encode_q6_k),
        TensorType::IQ4_NL => at.each_block(dst, iq4::encode_iq4_nl),
        TensorType::IQ4_XS => at.each_block(dst, iq4::encode_iq4_xs),
        TensorType::TQ1_0 => at.each_block(dst, ternary::encode_tq1_0),
        TensorType::TQ2_0 => at.each_block(dst, ternary::encode_tq2_0),
        TensorType::MXFP4 => at.each_block(dst, fp4::encode_mxfp4),
        TensorType::NVFP4 => at.each_block(dst, fp4::encode_nvfp4),
        TensorType::IQ1_S => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq1_s(Elements::alone(x, w), block))
        }
        TensorType::IQ1_M => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq1_m(Elements::alone(x, w), block))
        }
        TensorType::IQ2_XXS => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq2_xxs(Elements::alone(x, w), block))
        }
        TensorType::IQ2_XS => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq2_xs(Elements::alone(x, w), block))
        }
        TensorType::IQ2_S => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq2_s(Elements::alone(x, w), block))
        }
        TensorType::IQ3_XXS => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq3_xxs(Elements::alone(x, w), block))
        }
        TensorType::IQ3_S => {
            at.each_block(dst, |x, w, block| iq_encode::encode_iq3_s(Elements::alone(x, w), block))
        }
        _ => Err(Error::Unsupported { ty }),
    }
}

fn store<const N: usize>(block: &mut [u8; N], bytes: [u8; N], fits: bool) -> Option<()> {
    *block = bytes;
    fits.then_some(())
}

/// The row being stored, kept together so that an error can say where.
struct Row<'a> {
    ty: TensorType,
    src: &'a [f32],
    importance: Option<&'a [f32]>,
}

impl Row<'_> {
    fn each_block<const BYTES: usize, const N: usize>(
        &self,
        dst: &mut [u8],
        encode: impl Fn(&[f32; N], Option<&[f32; N]>, &mut [u8; BYTES]) -> Option<()>,
    ) -> Result<(), Error> {
        let (values, src_rest) = self.src.as_chunks::<N>();
        let (blocks, dst_rest) = dst.as_chunks_mut::<BYTES>();
        assert!(src_rest.is_empty() && dst_rest.is_empty() && blocks.len() == values.len());
        for (index, (values, block)) in values.iter().zip(blocks).enumerate() {
            let weights = self.importance.map(|all| relative(&all.as_chunks::<N>().0[index]));
            // The codebooks' plain search is the weighted one with equal weights: as slow, and hardly ever better.
            let plain = weights.as_ref().filter(|_| has_codebook(self.ty));
            encode(values, plain, block).ok_or_else(|| Error::TooLarge {
                ty: self.ty,
                position: index * N,
                end: (index + 1) * N,
                value: signed_extreme(values),
            })?;
            if let (Some(weights), None) = (&weights, plain) {
                let mut other = [0; BYTES];
                let stored = encode(values, Some(weights), &mut other).is_some();
                if stored && self.error(values, weights, &other) < self.error(values, weights, block) {
                    *block = other;
                }
            }
        }
        Ok(())
    }

    /// Weighted squared error of a stored block.
    fn error<const N: usize>(&self, values: &[f32; N], weights: &[f32; N], block: &[u8]) -> f64 {
        let mut stored = [0.0; N];
        dequantize_row(self.ty, block, &mut stored);
        let errors = values.iter().zip(stored).map(|(x, stored)| f64::from(x - stored));
        errors.zip(weights).map(|(error, &weight)| f64::from(weight) * error * error).sum()
    }
}

/// Whether elements of `ty` are stored eight at a time as entries of a codebook.
pub fn has_codebook(ty: TensorType) -> bool {
    use TensorType as T;
    matches!(ty, T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S)
}

/// The importance of a block's elements relative to the largest, so that no sum over- or underflows.
fn relative<const N: usize>(importance: &[f32; N]) -> [f32; N] {
    let largest = importance.iter().copied().fold(0.0, f32::max);
    if largest > 0.0 { importance.map(|importance| importance / largest) } else { [1.0; N] }
}
