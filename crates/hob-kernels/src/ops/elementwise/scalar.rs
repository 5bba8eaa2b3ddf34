//! The reference.

pub(super) fn add_scaled(x: &mut [f32], factor: f32, y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

pub(super) fn scale(x: &mut [f32], factor: f32) {
    x.iter_mut().for_each(|x| *x *= factor);
}

pub(super) fn softcap(x: &mut [f32], cap: f32) {
    let cap = f64::from(cap);
    x.iter_mut().for_each(|x| *x = (cap * (f64::from(*x) / cap).tanh()) as f32);
}

/// Adding this to a float of magnitude below 2^22 rounds it half to even.
const ROUND: f32 = 12_582_912.0;

/// In operations that every CPU has as vectors: the bounds are integers, so clamping first changes nothing.
pub(super) fn round_to_step(x: &mut [f32], step: f32) {
    x.iter_mut().for_each(|x| *x = ((*x / step).clamp(-128.0, 127.0) + ROUND - ROUND) * step);
}
