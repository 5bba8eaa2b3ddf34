//! Sums, scales and caps over whole buffers.

use crate::Cpu;

impl Cpu {
    /// `x += y`.
    pub fn add(&self, x: &mut [f32], y: &[f32]) {
        assert_eq!(x.len(), y.len(), "one shape");
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    }

    /// `x += factor * y`.
    pub fn add_scaled(&self, x: &mut [f32], factor: f32, y: &[f32]) {
        assert_eq!(x.len(), y.len(), "one shape");
        x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
    }

    /// `x *= factor`.
    pub fn scale(&self, x: &mut [f32], factor: f32) {
        x.iter_mut().for_each(|x| *x *= factor);
    }

    /// `x = cap * tanh(x / cap)`.
    pub fn softcap(&self, x: &mut [f32], cap: f32) {
        x.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
    }
}
