//! Blocks whose scales are kept while their elements change.

mod common;

use common::normals;
use hob_quant::{TensorType, dequantize_row, quantize_row, requantize_row};

fn types() -> impl Iterator<Item = TensorType> {
    TensorType::ALL.iter().copied().filter(|ty| ty.can_quantize() && ty.is_quantized())
}

fn decoded(ty: TensorType, block: &[u8]) -> Vec<f32> {
    let mut x = vec![f32::NAN; ty.block_size()];
    dequantize_row(ty, block, &mut x);
    x
}

fn block(ty: TensorType, seed: u64) -> Vec<u8> {
    let mut block = vec![0; ty.block_bytes()];
    quantize_row(ty, &normals(seed, ty.block_size()), &mut block).expect("normal values fit every type");
    block
}

#[test]
fn what_is_stored_stays_as_it_is() {
    for ty in types() {
        let first = block(ty, 1);
        let (values, mut again) = (decoded(ty, &first), first.clone());
        requantize_row(ty, &values, &mut again).unwrap();
        assert_eq!(decoded(ty, &again), values, "{ty}");
    }
}

#[test]
fn elements_follow_and_the_scale_follows_them() {
    for ty in types() {
        let first = block(ty, 2);
        let values = decoded(ty, &first);
        // A tenth larger, and some noise.
        let noise = normals(3, values.len());
        let goal: Vec<f32> = values.iter().zip(noise).map(|(x, n)| 1.1 * x + 0.02 * n).collect();
        let error = |x: &[f32]| x.iter().zip(&goal).map(|(x, goal)| (x - goal).powi(2)).sum::<f32>();
        let mut moved = first.clone();
        requantize_row(ty, &goal, &mut moved).unwrap();
        let (before, after) = (error(&values), error(&decoded(ty, &moved)));
        // Powers of two have no tenths.
        let most = if ty == TensorType::MXFP4 { 1.0 } else { 0.8 };
        assert!(after <= most * before, "{ty}: {before} to {after}");
    }
}

#[test]
fn values_far_away_leave_scales_that_can_be_stored() {
    for ty in types() {
        for size in [0.0, 1e-30, 1e6, 1e30] {
            let goal: Vec<f32> = normals(4, ty.block_size()).iter().map(|x| size * x).collect();
            let mut moved = block(ty, 5);
            if requantize_row(ty, &goal, &mut moved).is_ok() {
                assert!(decoded(ty, &moved).iter().all(|x| x.is_finite()), "{ty} {size}");
            }
        }
        let mut stays = block(ty, 6);
        assert!(requantize_row(ty, &vec![f32::NAN; ty.block_size()], &mut stays).is_err(), "{ty}");
    }
}
