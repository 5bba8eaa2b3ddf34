//! The reference: decoded rows, f64 sums, and exact integers where the layer has a trained input range.

#[cfg(test)]
use crate::{Linear, Projection};

#[cfg(test)]
pub(super) fn project(x: &[f32], tokens: usize, job: &mut Projection<'_>) {
    let Linear { weight, bias, input_scale, output_scale } = job.linear;
    let (rows, cols) = (weight.rows(), weight.cols());
    let rounded: Vec<f32>;
    let x = match input_scale {
        Some(scale) => {
            rounded = x.iter().map(|&x| round_to_range(x, *scale)).collect();
            &rounded
        }
        None => x,
    };
    let mut w = vec![0f32; cols];
    for row in 0..rows {
        weight.dequantize_row(row, &mut w);
        for t in 0..tokens {
            let sum: f64 =
                x[t * cols..(t + 1) * cols].iter().zip(&w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            let mut y = sum as f32 + bias.as_ref().map_or(0.0, |b| b[row]);
            if let Some(scale) = output_scale {
                y = round_to_range(y, *scale);
            }
            job.out[t * rows + row] = y;
        }
    }
}

/// `clamp(round_half_even(x / scale), -128, 127) * scale`.
pub(super) fn round_to_range(x: f32, scale: f32) -> f32 {
    (x / scale).round_ties_even().clamp(-128.0, 127.0) * scale
}
