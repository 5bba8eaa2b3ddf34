//! What an importance for each element changes: less error where it counts, and rows that must be refused.

mod common;

use common::normals;
use hob_quant::{
    Aims, Error, TensorType, dequantize_row, has_codebook, quantize_block_towards, quantize_row,
    quantize_row_weighted,
};
use proptest::prelude::*;

fn block_types() -> impl Iterator<Item = TensorType> {
    TensorType::ALL.iter().copied().filter(|ty| ty.can_quantize() && ty.is_quantized())
}

/// Types whose plain result is kept where it is better, block by block.
fn never_worse(ty: TensorType) -> bool {
    !["IQ1", "IQ2", "IQ3"].iter().any(|group| ty.name().starts_with(group))
}

fn stored(ty: TensorType, row: &[f32], importance: Option<&[f32]>) -> Result<Vec<f32>, Error> {
    let mut bytes = vec![0xAA; ty.row_bytes(row.len()).expect("rows here are whole blocks")];
    match importance {
        Some(importance) => quantize_row_weighted(ty, row, importance, &mut bytes)?,
        None => quantize_row(ty, row, &mut bytes)?,
    }
    let mut back = vec![f32::NAN; row.len()];
    dequantize_row(ty, &bytes, &mut back);
    Ok(back)
}

fn weighted_error(row: &[f32], back: &[f32], importance: &[f32]) -> f64 {
    let squares = row.iter().zip(back).map(|(x, y)| f64::from(x - y).powi(2));
    squares.zip(importance).map(|(square, &importance)| f64::from(importance) * square).sum()
}

/// The mean of squares of activations is about this uneven.
fn importance(count: usize) -> Vec<f32> {
    normals(9, count).iter().map(|x| x * x).collect()
}

#[test]
fn importance_lowers_the_error_it_weighs() {
    let (row, importance) = (normals(1, 16 * 256), importance(16 * 256));
    for ty in block_types() {
        let plain = weighted_error(&row, &stored(ty, &row, None).unwrap(), &importance);
        let weighted = weighted_error(&row, &stored(ty, &row, Some(&importance)).unwrap(), &importance);
        println!("{ty}: {:.3} of the plain error", weighted / plain);
        assert!(weighted < 0.995 * plain, "{ty}: {weighted} against {plain}");
    }
}

#[test]
fn codebooks_beat_spanning_the_values_with_as_many_levels() {
    use TensorType as T;
    let row = normals(2, 64 * 256);
    let ones = vec![1.0; row.len()];
    // Levels of a symmetric integer grid that needs at least as many bits, its scale one exact float for each 32.
    for (ty, largest) in
        [(T::IQ1_S, 1.0), (T::IQ1_M, 1.0), (T::IQ2_XXS, 2.0), (T::IQ2_XS, 2.0), (T::IQ2_S, 2.0)]
            .into_iter()
            .chain([(T::IQ3_XXS, 3.5), (T::IQ3_S, 4.0), (T::NVFP4, 7.0)])
    {
        let naive = |x: &[f32]| -> Vec<f32> {
            let step = x.iter().fold(0.0_f32, |m, x| m.max(x.abs())) / largest;
            x.iter().map(|x| (x / step).round() * step).collect()
        };
        let naive: Vec<f32> = row.chunks(32).flat_map(naive).collect();
        let (ours, naive) = (stored(ty, &row, None).unwrap(), weighted_error(&row, &naive, &ones));
        let ours = weighted_error(&row, &ours, &ones);
        println!("{ty}: {:.3} of the naive error", ours / naive);
        assert!(ours < naive, "{ty}: {ours} against {naive}");
    }
}

#[test]
fn stored_values_are_stored_again_almost_exactly() {
    // Rows that a format can hold: the search may miss the scales they came with, but not by much.
    let row = normals(3, 8 * 256);
    for ty in block_types().filter(|ty| !matches!(ty, TensorType::NVFP4)) {
        let once = stored(ty, &row, None).unwrap();
        let twice = stored(ty, &once, None).unwrap();
        let ones = vec![1.0; row.len()];
        let (first, second) = (weighted_error(&row, &once, &ones), weighted_error(&once, &twice, &ones));
        println!("{ty}: second error {:.3} of the first", second / first);
        assert!(second < 0.5 * first, "{ty}: {second} after {first}");
    }
}

#[test]
fn only_ratios_of_the_importance_count() {
    let (row, weights) = (normals(4, 512), importance(512));
    for ty in block_types() {
        let expected = stored(ty, &row, Some(&weights)).unwrap();
        for factor in [2.0_f32.powi(-90), 2.0_f32.powi(90)] {
            let scaled: Vec<f32> = weights.iter().map(|w| w * factor).collect();
            assert_eq!(stored(ty, &row, Some(&scaled)).unwrap(), expected, "{ty} times {factor:e}");
        }
        let zeros = stored(ty, &row, Some(&[0.0; 512])).unwrap();
        assert_eq!(zeros, stored(ty, &row, Some(&[1.0; 512])).unwrap(), "{ty}: zeros weigh all alike");
    }
}

#[test]
fn an_element_without_importance_does_not_disturb() {
    let mut row = normals(5, 256);
    let mut weights = vec![1.0; 256];
    (row[77], weights[77]) = (40.0, 0.0);
    for ty in block_types() {
        let plain = weighted_error(&row, &stored(ty, &row, None).unwrap(), &weights);
        let ignoring = weighted_error(&row, &stored(ty, &row, Some(&weights)).unwrap(), &weights);
        assert!(ignoring <= plain, "{ty}: {ignoring} against {plain}");
    }
}

#[test]
fn invalid_importance_is_refused_with_the_place() {
    for (bad, name) in [(-1.0, "negative"), (f32::INFINITY, "infinite"), (f32::NAN, "NaN")] {
        let mut weights = [1.0; 256];
        weights[200] = bad;
        let error = stored(TensorType::Q4_K, &[0.5; 256], Some(&weights)).unwrap_err();
        assert!(matches!(error, Error::Importance { position: 200, .. }), "{name}: {error}");
    }
}

#[test]
#[should_panic(expected = "one importance for each element")]
fn importance_must_fit() {
    let _ = quantize_row_weighted(TensorType::Q4_0, &[0.0; 32], &[1.0; 31], &mut [0; 18]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_row_and_importance_is_stored_finite_or_refused(
        bits in prop::collection::vec((any::<u32>(), any::<u32>()), 256),
        // All magnitudes; those below two; those whose scales are subnormal or vanish.
        mask in prop::sample::select(vec![u32::MAX, 0xBFFF_FFFF, 0xB3FF_FFFF]),
    ) {
        let finite = |x: f32| if x.is_finite() { x } else { 1.0 };
        let row: Vec<f32> = bits.iter().map(|&(x, _)| finite(f32::from_bits(x & mask))).collect();
        let weights: Vec<f32> = bits.iter().map(|&(_, w)| finite(f32::from_bits(w & 0x7FFF_FFFF))).collect();
        for ty in block_types() {
            match stored(ty, &row, Some(&weights)) {
                Ok(back) => {
                    prop_assert!(back.iter().all(|x| x.is_finite()), "{ty}");
                    if never_worse(ty) {
                        let plain = stored(ty, &row, None).unwrap();
                        for (i, x) in row.chunks(ty.block_size()).enumerate() {
                            let at = i * ty.block_size()..(i + 1) * ty.block_size();
                            let error = |back: &[f32]| weighted_error(x, &back[at.clone()], &weights[at.clone()]);
                            prop_assert!(error(&back) <= error(&plain) * (1.0 + 1e-6), "{ty} block {i}");
                        }
                    }
                }
                Err(error) => prop_assert!(matches!(error, Error::TooLarge { .. }), "{ty}: {error}"),
            }
        }
    }
}

/// Aims that move on by the error of the run before, and what was said to be stored.
struct Following<'a> {
    row: &'a [f32],
    owed: [f32; 8],
    told: Vec<f32>,
}

impl Aims for Following<'_> {
    fn aim(&mut self, run: usize, x: &mut [f32; 8]) {
        for (i, x) in x.iter_mut().enumerate() {
            *x = self.row[8 * run + i] + self.owed[i];
        }
    }

    fn settle(&mut self, run: usize, values: &[f32; 8]) {
        self.told.extend(values);
        self.owed = std::array::from_fn(|i| self.owed[i] + self.row[8 * run + i] - values[i]);
    }
}

#[test]
fn elements_follow_their_aims_eight_at_a_time() {
    let (row, importance) = (normals(5, 256), importance(256));
    for ty in block_types().filter(|ty| has_codebook(*ty)) {
        let mut aims = Following { row: &row, owed: [0.0; 8], told: Vec::new() };
        let mut block = vec![0xAA; ty.block_bytes()];
        quantize_block_towards(ty, &row, &importance, &mut aims, &mut block).unwrap();
        let mut back = vec![f32::NAN; 256];
        dequantize_row(ty, &block, &mut back);
        // What was said is what is there, but for a rounding of the scale's product.
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * a.abs();
        assert!(aims.told.iter().zip(&back).all(close), "{ty}: {:?} for {back:?}", aims.told);
        // Errors that are handed on do not add up: those of the 32 elements of a lane nearly cancel.
        let plain = stored(ty, &row, Some(&importance)).unwrap();
        let sums = |back: &[f32]| {
            let lane = |i: usize| (i..256).step_by(8).map(|j| row[j] - back[j]).sum::<f32>().powi(2);
            (0..8).map(lane).sum::<f32>()
        };
        assert!(sums(&back) < 0.5 * sums(&plain), "{ty}: {} for {}", sums(&back), sums(&plain));
    }
    let mut aims = Following { row: &row, owed: [0.0; 8], told: Vec::new() };
    let mut block = [0; 66];
    let broken = [f32::NAN; 256];
    let mut refuses = |row: &[f32], importance: &[f32]| {
        quantize_block_towards(TensorType::IQ2_XXS, row, importance, &mut aims, &mut block).unwrap_err()
    };
    assert!(matches!(refuses(&broken, &importance), Error::NotFinite { position: 0, .. }));
    assert!(matches!(refuses(&row, &broken), Error::Importance { position: 0, .. }));
}
