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
