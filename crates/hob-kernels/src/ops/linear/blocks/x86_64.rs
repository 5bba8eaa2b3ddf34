//! The loops over rows, blocks and tokens for x86-64, with the format and the number of tokens as constants.
#![allow(unsafe_code)]

/// A function of the AVX2 level.
macro_rules! avx2 {
    ($(#[$note:meta])* fn $name:ident $(<$(const $param:ident: $kind:ty),*>)? ($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block) => {
        $(#[$note])*
        #[inline]
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(in crate::ops::linear) fn $name $(<$(const $param: $kind),*>)? ($($arg: $ty),*) $(-> $ret)? $body
    };
}

/// Calls `$function::<F>` with the constant for `$ty`.
macro_rules! with_format {
    ($ty:expr, $function:ident($($argument:expr),*)) => {
        with_format!(@ $ty, $function, ($($argument),*),
            Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4
            IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S)
    };
    (@ $ty:expr, $function:ident, $arguments:tt, $($name:ident)*) => {
        match $ty {
            $(TensorType::$name => with_format!(@call $function, $name, $arguments),)*
            _ => unreachable!("only types with a `Format` get here"),
        }
    };
    (@call $function:ident, $name:ident, ($($argument:expr),*)) => {
        $function::<{ TensorType::$name as usize }>($($argument),*)
    };
}

mod avx2;
mod avx512;
mod codebook;
pub(in crate::ops::linear) mod fours;
mod round;
pub(super) mod unpack_avx2;
mod unpack_avx512;
mod whole;
mod widen;

use super::format::{Format, MAX_UNIT_BYTES, WeightUnit, format};
use crate::Matrix;
use crate::isa::{Avx2, Avx512, Avx512Bf16};
use crate::matrix::EncodedRows;
use crate::ops::linear::activations::{Activations, UNIT, Unit};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::SLAB;
use hob_quant::TensorType;
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
use std::ops::Range;

/// The type whose index in `TensorType::ALL` is `F`: types themselves cannot be constant parameters yet.
const fn type_of<const F: usize>() -> TensorType {
    TensorType::ALL[F]
}

/// Whether codes of the type number `F` are entries of a codebook.
const fn has_codebook<const F: usize>() -> bool {
    use TensorType as T;
    matches!(type_of::<F>(), T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S)
}

const fn format_of<const F: usize>() -> Format {
    match format(type_of::<F>()) {
        Some(format) => format,
        None => panic!("this type has no units"),
    }
}

/// How far ahead of its use a weight is asked for: the hardware's own prefetching stops at the end of a page of memory, and
/// a core that reads 30 GB/s with 100 ns of latency has 3 KB under way.
const AHEAD_BYTES: usize = 4096;

/// Asks for the cache lines of the `bytes` bytes that lie `ahead` bytes behind the beginning of `block`.
#[inline]
fn prefetch<const HINT: i32>(block: &[u8], ahead: usize, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        let address = block.as_ptr().wrapping_add(ahead + line);
        // SAFETY: a prefetch is a hint about an address, which need not be readable.
        unsafe { _mm_prefetch::<HINT>(address.cast()) };
    }
}

/// A row against `T` tokens, unit by unit, once per instruction set.
macro_rules! dot_row {
    ($name:ident, $module:ident, $features:literal) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $name<const F: usize, const T: usize>(row: &[u8], x: &[&[Unit]; T]) -> [f32; T] {
            let bytes = const { format_of::<F>().bytes };
            let mut sums = [$module::ZERO; T];
            let (whole, rest) = (row.len() / bytes, row.len() % bytes);
            let x_whole = x.map(|x| &x[..whole]);
            for (index, block) in row.chunks_exact(bytes).enumerate().take(whole) {
                prefetch::<_MM_HINT_T0>(block, AHEAD_BYTES, bytes);
                let unit = $module::unpacked::<F>(block);
                for t in 0..T {
                    $module::add_unit::<F>(&unit, &x_whole[t][index], &mut sums[t]);
                }
                // The order of `groups.rs`.
                if index % SLAB == SLAB - 1 {
                    sums.iter_mut().for_each(|sums| $module::fold(sums));
                }
            }
            if rest > 0 {
                let mut padded = [0u8; MAX_UNIT_BYTES];
                padded[..rest].copy_from_slice(&row[whole * bytes..]);
                let unit = $module::unpacked::<F>(&padded[..bytes]);
                for t in 0..T {
                    $module::add_unit::<F>(&unit, &x[t][whole], &mut sums[t]);
                }
            }
            sums.map(|sum| $module::finish(sum))
        }
    };
}

/// The loops, once per instruction set, and `$unpack_entry`, which unpacks one unit of some rows. `$dot_row` makes a row.
macro_rules! block_kernel {
    ($entry:ident, $unpack_entry:ident, $unpack_row:ident, $isa:ident, $dot_row:ident, $unpacker:ident, $features:literal) => {
        pub(super) fn $entry(
            ty: TensorType,
            weight: &Matrix,
            rows: Range<usize>,
            x: &Activations,
            finish: &Finish<'_>,
        ) {
            #[target_feature(enable = $features)]
            fn all_tokens<const F: usize>(
                weight: &Matrix,
                rows: Range<usize>,
                x: &Activations,
                finish: &Finish<'_>,
            ) {
                let mut token = 0;
                while token < x.tokens {
                    let rows = rows.clone();
                    token += match x.tokens - token {
                        2.. => some_tokens::<F, 2>(weight, rows, x, token, finish),
                        _ => some_tokens::<F, 1>(weight, rows, x, token, finish),
                    };
                }
            }

            #[target_feature(enable = $features)]
            fn some_tokens<const F: usize, const T: usize>(
                weight: &Matrix,
                rows: Range<usize>,
                x: &Activations,
                first: usize,
                finish: &Finish<'_>,
            ) -> usize {
                let x: [&[Unit]; T] = std::array::from_fn(|t| x.token(first + t));
                let weight = weight.encoded_rows();
                for row in rows {
                    let sums = $dot_row::<F, T>(weight.get(row), &x);
                    sums.iter().enumerate().for_each(|(t, &sum)| finish.put(first + t, row, sum));
                }
                T
            }

            #[target_feature(enable = $features)]
            fn dispatch(
                ty: TensorType,
                weight: &Matrix,
                rows: Range<usize>,
                x: &Activations,
                finish: &Finish<'_>,
            ) {
                with_format!(ty, all_tokens(weight, rows, x, finish));
            }

            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { dispatch(ty, weight, rows, x, finish) }
        }

        /// Unpacks one unit and asks for the row's next one, which is needed after all tokens have met this one.
        #[inline]
        #[target_feature(enable = $features)]
        fn $unpack_row<const F: usize>(row: &[u8], unit: usize, unpacked: &mut WeightUnit) {
            let bytes = const { format_of::<F>().bytes };
            let stored = &row[unit * bytes..];
            prefetch::<_MM_HINT_T1>(stored, bytes, bytes);
            if stored.len() >= bytes {
                $unpacker::unpack::<F>(&stored[..bytes], unpacked);
            } else {
                let mut padded = [0u8; MAX_UNIT_BYTES];
                padded[..stored.len()].copy_from_slice(stored);
                $unpacker::unpack::<F>(&padded[..bytes], unpacked);
            }
        }

        pub(super) fn $unpack_entry(
            ty: TensorType,
            weight: EncodedRows<'_>,
            rows: Range<usize>,
            unit: usize,
            units: &mut [WeightUnit],
        ) {
            #[target_feature(enable = $features)]
            fn all_rows<const F: usize>(
                weight: EncodedRows<'_>,
                rows: Range<usize>,
                unit: usize,
                units: &mut [WeightUnit],
            ) {
                for (row, unpacked) in rows.zip(units) {
                    $unpack_row::<F>(weight.get(row), unit, unpacked);
                }
            }
            #[target_feature(enable = $features)]
            fn dispatch(
                ty: TensorType,
                weight: EncodedRows<'_>,
                rows: Range<usize>,
                unit: usize,
                units: &mut [WeightUnit],
            ) {
                with_format!(ty, all_rows(weight, rows, unit, units));
            }
            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { dispatch(ty, weight, rows, unit, units) }
        }
    };
}

dot_row!(dot_row_avx512, avx512, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni");
block_kernel!(
    avx512,
    unpack_rows_avx512,
    unpack_row_avx512,
    Avx512,
    dot_row_avx512,
    unpack_avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);
dot_row!(dot_row_of_some, avx2, "avx2,fma,f16c");

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_row_avx2<const F: usize, const T: usize>(row: &[u8], x: &[&[Unit]; T]) -> [f32; T] {
    // A look-up of entries is not left out where only scales are wanted.
    if T == 1 && !has_codebook::<F>() {
        [avx2::dot_row::<F>(row, x[0]); T]
    } else {
        dot_row_of_some::<F, T>(row, x)
    }
}

block_kernel!(avx2, unpack_rows_avx2, unpack_row_avx2, Avx2, dot_row_avx2, unpack_avx2, "avx2,fma,f16c");

/// Unpacks one unit of some rows and rounds each to one scale.
pub(super) fn round_avx512(
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    unit: usize,
    codes: &mut [[u8; UNIT]],
    scales: &mut [f32],
) {
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn all_rows<const F: usize>(
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        codes: &mut [[u8; UNIT]],
        scales: &mut [f32],
    ) {
        let format = const { format_of::<F>() };
        let mut unpacked = WeightUnit::ZERO;
        for (row, (codes, scale)) in rows.zip(codes.iter_mut().zip(scales)) {
            unpack_row_avx512::<F>(weight.get(row), unit, &mut unpacked);
            *scale = round::round_to_one_scale(format, &unpacked, codes);
        }
    }
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn dispatch(
        ty: TensorType,
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        codes: &mut [[u8; UNIT]],
        scales: &mut [f32],
    ) {
        with_format!(ty, all_rows(weight, rows, unit, codes, scales))
    }
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: the token exists only where these features do.
    unsafe { dispatch(ty, weight, rows, unit, codes, scales) }
}

/// Unpacks one unit of some rows as bf16 numbers: `[group][row][column]`, of at most 32 rows.
pub(in crate::ops::linear) fn widen_avx512(
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    unit: usize,
    panel: &mut [[[u16; 32]; 32]; 8],
) {
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
    fn all_rows<const F: usize>(
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        panel: &mut [[[u16; 32]; 32]; 8],
    ) {
        let format = const { format_of::<F>() };
        let mut unpacked = WeightUnit::ZERO;
        for (place, row) in rows.enumerate() {
            unpack_row_avx512::<F>(weight.get(row), unit, &mut unpacked);
            widen::widen(format, &unpacked, |group, numbers| panel[group][place] = numbers);
        }
    }
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
    fn dispatch(
        ty: TensorType,
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        panel: &mut [[[u16; 32]; 32]; 8],
    ) {
        with_format!(ty, all_rows(weight, rows, unit, panel))
    }
    let _proof = Avx512Bf16::detect().expect("pairs of bf16 are made only where they are");
    // SAFETY: the proof exists only where these features do.
    unsafe { dispatch(ty, weight, rows, unit, panel) }
}
