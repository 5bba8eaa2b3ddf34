//! The reference.

pub(super) fn layer_norm(row: &mut [f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) {
    let n = row.len() as f64;
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    let scale = 1.0 / (variance + f64::from(eps)).sqrt();
    for (d, (x, w)) in row.iter_mut().zip(weight).enumerate() {
        let normal = ((f64::from(*x) - mean) * scale) as f32;
        *x = normal * w + bias.map_or(0.0, |b| b[d]);
    }
}
