//! What survives quantising and back: error bounds, the worth of the search, and rows that must be refused.

use hob_quant::{Error, TensorType, dequantize_row, quantize_row};
use proptest::prelude::*;

fn encodable() -> impl Iterator<Item = TensorType> {
    TensorType::ALL.iter().copied().filter(|ty| ty.can_quantize())
}

fn round_trip(ty: TensorType, row: &[f32]) -> Result<Vec<f32>, Error> {
    let mut bytes = vec![0xAA; ty.row_bytes(row.len()).expect("rows here are whole blocks")];
    quantize_row(ty, row, &mut bytes)?;
    let mut back = vec![f32::NAN; row.len()];
    dequantize_row(ty, &bytes, &mut back);
    Ok(back)
}

fn squared_error(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// The largest error of an element that plain spanning scales may make, relative to the largest magnitude in the block.
///
/// Formats with a minimum spread their codes over a range of twice the magnitude: half a step, plus half a unit of the
/// scale at the last code, plus half a unit of the minimum. Signed formats lack the positive end of their range: one
/// step for a value that belongs there, plus half a unit of the scale (a whole one where the scale itself is clipped).
fn error_bound(ty: TensorType) -> f64 {
    use TensorType as T;
    let affine = |codes: f64, scales: f64| 1.0 / codes + 1.0 / scales + 0.5 / scales;
    match ty {
        T::F32 => 0.0,
        T::F16 => 1.0 / 2048.0,
        T::BF16 => 1.0 / 256.0,
        T::Q4_0 => 1.0 / 8.0,
        T::Q4_1 => 1.0 / 15.0,
        T::Q5_0 => 1.0 / 16.0,
        T::Q5_1 => 1.0 / 31.0,
        T::Q8_0 => 0.5 / 127.0,
        T::Q2_K => affine(3.0, 15.0),
        T::Q3_K => 1.0 / 4.0 + 1.0 / 32.0,
        T::Q4_K => affine(15.0, 63.0),
        T::Q5_K => affine(31.0, 63.0),
        T::Q6_K => 1.0 / 32.0 + 1.0 / 128.0,
        // The table ends at 113 on the side where a value may reach 127.
        T::IQ4_NL => 14.0 / 127.0,
        T::IQ4_XS => 14.0 / 127.0 + 1.0 / 32.0,
        T::TQ1_0 | T::TQ2_0 => 1.0 / 2.0,
        // Values just below 8 units become 6; between 4 and 6 the middle is one unit away.
        T::MXFP4 => 1.0 / 4.0,
        // Half the gap below the largest value, and half a step of the e4m3 scale's three fraction bits.
        T::NVFP4 => 1.0 / 6.0 + 1.0 / 16.0,
        // Half the largest gap of levels for every element, and as much again because not all combinations are entries.
        T::IQ2_XXS | T::IQ2_XS | T::IQ2_S => 18.0 / 43.0,
        T::IQ3_XXS => 10.0 / 62.0 + 1.0 / 31.0,
        T::IQ3_S => 2.0 / 15.0 + 1.0 / 31.0,
        T::IQ1_S | T::IQ1_M => 1.0,
        _ => unreachable!("{ty} has no encoder"),
    }
}

/// 256 values whose sub-blocks of 16 differ in size and offset.
fn weights() -> impl Strategy<Value = Vec<f32>> {
    let run = (-1.0_f32..1.0, 0.0_f32..1.0, prop::collection::vec(-1.0_f32..1.0, 16))
        .prop_map(|(offset, size, run)| run.into_iter().map(move |x| offset * offset * offset + size * x));
    (prop::collection::vec(run, 16), 0_i32..12).prop_map(|(runs, exponent)| {
        runs.into_iter().flatten().map(|x| x * (exponent as f32).exp2()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn root_mean_square_error_is_within_the_format_bound(row in weights()) {
        for ty in encodable() {
            // Values beyond NVFP4's largest, 2688, need a scale for the tensor.
            let size = if ty == TensorType::NVFP4 { 1.0 / 64.0 } else { 1.0 };
            let row: Vec<f32> = row.iter().map(|x| size * x).collect();
            let back = round_trip(ty, &row).unwrap();
            for (x, y) in row.chunks(ty.block_size()).zip(back.chunks(ty.block_size())) {
                let largest = f64::from(x.iter().fold(0.0_f32, |m, x| m.max(x.abs())));
                let error = (squared_error(x, y) / x.len() as f64).sqrt();
                // Two percent for the rounding of small scales to binary16.
                let smallest = if ty == TensorType::NVFP4 { 1.0 / 1024.0 } else { 1e-6 };
                prop_assert!(error <= 1.02 * error_bound(ty) * largest + smallest, "{ty}: {error} of {largest}");
            }
        }
    }

    #[test]
    fn any_finite_row_is_stored_finite_or_refused(
        bits in prop::collection::vec(any::<u32>(), 256),
        // All magnitudes; those below two; those whose scales are subnormal or vanish.
        mask in prop::sample::select(vec![u32::MAX, 0xBFFF_FFFF, 0xB3FF_FFFF]),
    ) {
        let values = bits.into_iter().map(|bits| f32::from_bits(bits & mask));
        let row: Vec<f32> = values.map(|x| if x.is_finite() { x } else { 1.0 }).collect();
        for ty in encodable() {
            match round_trip(ty, &row) {
                Ok(back) => prop_assert!(back.iter().all(|x| x.is_finite()), "{ty}"),
                Err(error) => prop_assert!(matches!(error, Error::TooLarge { .. }), "{ty}: {error}"),
            }
        }
    }

    #[test]
    fn any_bytes_decode(bytes in prop::collection::vec(any::<u8>(), 1024)) {
        for &ty in TensorType::ALL.iter().filter(|ty| ty.can_dequantize()) {
            let mut out = vec![0.0; 256];
            dequantize_row(ty, &bytes[..ty.row_bytes(256).unwrap()], &mut out);
        }
    }
}

/// Values like trained weights: sums of uniform ones are nearly normal.
fn normal_rows() -> Vec<f32> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
    };
    (0..64 * 256).map(|_| (0..8).map(|_| uniform()).sum::<f32>() * 0.05).collect()
}

/// Each run of `run` values spread over its range, or over its largest magnitude, with scales kept in f32.
fn naive(row: &[f32], run: usize, code: f32, symmetric: bool) -> Vec<f32> {
    let spread = |x: &[f32]| -> Vec<f32> {
        let low = x.iter().copied().fold(0.0, f32::min);
        let high = x.iter().copied().fold(0.0, f32::max);
        let (step, zero) = if symmetric { (high.max(-low) / code, 0.0) } else { ((high - low) / code, low) };
        x.iter().map(|x| ((x - zero) / step).round() * step + zero).collect()
    };
    row.chunks(run).flat_map(spread).collect()
}

#[test]
fn searched_scales_beat_naive_ones_that_need_no_rounding() {
    use TensorType as T;
    let row = normal_rows();
    for (ty, run, code, symmetric) in [
        (T::Q2_K, 16, 3.0, false),
        (T::Q3_K, 16, 3.0, true),
        (T::Q4_K, 32, 15.0, false),
        (T::Q5_K, 32, 31.0, false),
        (T::Q6_K, 16, 31.0, true),
        (T::IQ4_NL, 32, 7.0, true),
        (T::IQ4_XS, 32, 7.0, true),
    ] {
        let searched = squared_error(&row, &round_trip(ty, &row).unwrap());
        let plain = squared_error(&row, &naive(&row, run, code, symmetric));
        println!(
            "{ty}: relative error {:.4}",
            (searched / squared_error(&row, &vec![0.0; row.len()])).sqrt()
        );
        assert!(searched < plain, "{ty}: {searched} against {plain}");
    }
}

#[test]
fn constant_rows_survive() {
    for ty in encodable() {
        assert_eq!(round_trip(ty, &[0.0; 256]).unwrap(), [0.0; 256], "{ty}");
        for value in [1.0, -3.0] {
            for back in round_trip(ty, &[value; 256]).unwrap() {
                assert!((back - value).abs() <= 0.01 * value.abs(), "{ty}: {value} became {back}");
            }
        }
    }
}

#[test]
fn values_below_every_scale_become_zero() {
    for ty in encodable().filter(|&ty| !matches!(ty, TensorType::F32 | TensorType::BF16 | TensorType::MXFP4))
    {
        let back = round_trip(ty, &[1e-12; 256]).unwrap();
        assert!(back.iter().all(|&x| x == 0.0), "{ty}");
    }
}

#[test]
fn rows_that_cannot_be_stored_are_refused_with_the_place() {
    let mut row = [0.5; 512];
    row[300] = f32::NEG_INFINITY;
    for ty in encodable() {
        let error = round_trip(ty, &row).unwrap_err();
        assert_eq!(error, Error::NotFinite { position: 300, value: f32::NEG_INFINITY }, "{ty}");
    }
    row[300] = f32::MAX;
    for ty in encodable().filter(|&ty| !matches!(ty, TensorType::F32 | TensorType::MXFP4)) {
        let position = 300 / ty.block_size() * ty.block_size();
        let expected = Error::TooLarge { ty, position, end: position + ty.block_size(), value: f32::MAX };
        assert_eq!(round_trip(ty, &row), Err(expected));
    }
    let mut bytes = [0; 256];
    let unsupported = quantize_row(TensorType::I8, &[0.0; 256], &mut bytes);
    assert_eq!(unsupported, Err(Error::Unsupported { ty: TensorType::I8 }));
}

#[test]
#[should_panic(expected = "do not match the bytes")]
fn lengths_must_fit() {
    dequantize_row(TensorType::Q4_0, &[0; 18], &mut [0.0; 64]);
}
