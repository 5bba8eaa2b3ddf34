//! From stored bytes to f32, row by row.

use crate::TensorType;
use crate::blocks::{fp4, iq_low, iq4, kquants, legacy, ternary};
use crate::float::{bf16_to_f32, f16_to_f32};

impl TensorType {
    /// Whether [`dequantize_row`] knows the type: every float and block type; not the integers and F64.
    pub fn can_dequantize(self) -> bool {
        use TensorType as T;
        !matches!(self, T::I8 | T::I16 | T::I32 | T::I64 | T::F64)
    }
}

/// Writes the values of the blocks `src`, as f32, to `dst`.
///
/// `dst` holds a whole number of blocks of `ty`, `src` exactly their bytes. Each value is the format's formula in f32
/// arithmetic, in the order of operations of the PyPI package `gguf` 0.19 (scale times scale, times code, minus minimum;
/// no fused multiply-add), so that results are equal to the bit everywhere. NVFP4 values lack the tensor's own scale.
///
/// # Panics
/// When the lengths do not fit or [`TensorType::can_dequantize`] is false.
pub fn dequantize_row(ty: TensorType, src: &[u8], dst: &mut [f32]) {
    assert_eq!(
        ty.row_bytes(dst.len()),
        Some(src.len()),
        "{ty}: {} elements do not match the bytes",
        dst.len()
    );
    match ty {
        TensorType::F32 => each_block(src, dst, |block, [x]| *x = f32::from_le_bytes(*block)),
        TensorType::F16 => each_block(src, dst, |block, [x]| *x = f16_to_f32(u16::from_le_bytes(*block))),
        TensorType::BF16 => each_block(src, dst, |block, [x]| *x = bf16_to_f32(u16::from_le_bytes(*block))),
        TensorType::Q4_0 => each_block(src, dst, legacy::decode_q4_0),
        TensorType::Q4_1 => each_block(src, dst, legacy::decode_q4_1),
        TensorType::Q5_0 => each_block(src, dst, legacy::decode_q5_0),
        TensorType::Q5_1 => each_block(src, dst, legacy::decode_q5_1),
        TensorType::Q8_0 => each_block(src, dst, legacy::decode_q8_0),
        TensorType::Q2_K => each_block(src, dst, kquants::decode_q2_k),
        TensorType::Q3_K => each_block(src, dst, kquants::decode_q3_k),
        TensorType::Q4_K => each_block(src, dst, kquants::decode_q4_k),
        TensorType::Q5_K => each_block(src, dst, kquants::decode_q5_k),
        TensorType::Q6_K => each_block(src, dst, kquants::decode_q6_k),
        TensorType::IQ4_NL => each_block(src, dst, iq4::decode_iq4_nl),
        TensorType::IQ4_XS => each_block(src, dst, iq4::decode_iq4_xs),
        TensorType::TQ1_0 => each_block(src, dst, ternary::decode_tq1_0),
        TensorType::TQ2_0 => each_block(src, dst, ternary::decode_tq2_0),
        TensorType::MXFP4 => each_block(src, dst, fp4::decode_mxfp4),
        TensorType::NVFP4 => each_block(src, dst, fp4::decode_nvfp4),
        TensorType::IQ1_S => each_block::<50, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ1_M => each_block::<56, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ2_XXS => each_block::<66, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ2_XS => each_block::<74, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ2_S => each_block::<82, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ3_XXS => each_block::<98, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        TensorType::IQ3_S => each_block::<110, 256>(src, dst, |b, x| iq_low::decode(ty, b, x)),
        _ => panic!("{ty} cannot be dequantised; `can_dequantize` tells before"),
    }
}

/// Decodes block by block. The decoder's own array lengths are checked against the row's.
#[inline(always)]
fn each_block<const BYTES: usize, const N: usize>(
    src: &[u8],
    dst: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; N]),
) {
    let (blocks, src_rest) = src.as_chunks::<BYTES>();
    let (values, dst_rest) = dst.as_chunks_mut::<N>();
    assert!(src_rest.is_empty() && dst_rest.is_empty() && blocks.len() == values.len());
    for (block, values) in blocks.iter().zip(values) {
        decode(block, values);
    }
}
