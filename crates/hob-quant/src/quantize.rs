//! From f32 to stored bytes, row by row.

use half::{bf16, f16};

use crate::blocks::{fp4, iq4, kquants_encode as kquants, legacy, ternary};
use crate::search::signed_extreme;
use crate::{Error, TensorType};

impl TensorType {
    /// Whether [`quantize_row`] knows the type.
    pub fn can_quantize(self) -> bool {
        use TensorType as T;
        let decode_only = matches!(
            self,
            T::NVFP4 | T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S
        );
        self.can_dequantize() && !decode_only
    }
}

/// Stores the values `src` as blocks of `ty` in `dst`.
///
/// `src` is a whole number of blocks, `dst` exactly their bytes. F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0,
/// TQ2_0 and MXFP4 equal the output of the PyPI package `gguf` 0.19 bit for bit (where that overflows to infinity, this
/// fails). Q2_K to Q6_K, IQ4_NL and IQ4_XS search scales that lower the squared error; they weigh all elements alike.
/// Values far below a block's representable scale (about 6e-8 times the largest code) become zero.
///
/// # Errors
/// `NotFinite` for NaN and infinity, `TooLarge` when a scale overflows, `Unsupported` for a type without quantiser;
/// `dst` then holds unspecified bytes.
///
/// # Panics
/// When the lengths do not fit.
pub fn quantize_row(ty: TensorType, src: &[f32], dst: &mut [u8]) -> Result<(), Error> {
    assert_eq!(
        ty.row_bytes(src.len()),
        Some(dst.len()),
        "{ty}: {} elements do not match the bytes",
        src.len()
    );
    if let Some((position, &value)) = src.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(Error::NotFinite { position, value });
    }
    let at = Row { ty, src };
    match ty {
        TensorType::F32 => at.each_block(dst, |&[x], block| store(block, x.to_le_bytes(), true)),
        TensorType::F16 => at.each_block(dst, |&[x], block| {
            let rounded = f16::from_f32(x);
            store(block, rounded.to_le_bytes(), rounded.is_finite())
        }),
        TensorType::BF16 => at.each_block(dst, |&[x], block| {
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
}

impl Row<'_> {
    fn each_block<const BYTES: usize, const N: usize>(
        &self,
        dst: &mut [u8],
        encode: impl Fn(&[f32; N], &mut [u8; BYTES]) -> Option<()>,
    ) -> Result<(), Error> {
        let (values, src_rest) = self.src.as_chunks::<N>();
        let (blocks, dst_rest) = dst.as_chunks_mut::<BYTES>();
        assert!(src_rest.is_empty() && dst_rest.is_empty() && blocks.len() == values.len());
        for (index, (values, block)) in values.iter().zip(blocks).enumerate() {
            encode(values, block).ok_or_else(|| Error::TooLarge {
                ty: self.ty,
                position: index * N,
                end: (index + 1) * N,
                value: signed_extreme(values),
            })?;
        }
        Ok(())
    }
}
