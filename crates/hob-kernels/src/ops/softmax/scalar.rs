//! The reference.

pub(super) fn argmax(x: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, &x) in x.iter().enumerate() {
        if !x.is_nan() && best.is_none_or(|(_, largest)| x > largest) {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

pub(super) fn log_sum_exp(x: &[f32]) -> f64 {
    let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = x.iter().map(|&x| (f64::from(x) - f64::from(largest)).exp()).sum();
    f64::from(largest) + sum.ln()
}
