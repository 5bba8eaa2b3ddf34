//! The reference.

pub(super) fn rms_norm(row: &mut [f32], weight: Option<&[f32]>, eps: f32) {
    let sum: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale = (1.0 / (sum / row.len() as f64 + f64::from(eps)).sqrt()) as f32;
    match weight {
        Some(weight) => row.iter_mut().zip(weight).for_each(|(x, w)| *x *= scale * w),
        None => row.iter_mut().for_each(|x| *x *= scale),
    }
}
