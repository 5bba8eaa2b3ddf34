//! The reference, in f64 inside.

use super::Activation;

pub(super) fn activate(act: Activation, x: f32) -> f32 {
    let x = f64::from(x);
    let y = match act {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::GeluErf => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
    };
    y as f32
}

/// The error function: its Maclaurin series near zero, the continued fraction of `erfc` in the tails.
/// Both are carried until they no longer change an f64. Source: NIST DLMF 7.6.2 and 7.9.1.
pub(crate) fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    let value = if magnitude < 2.5 {
        let (mut term, mut sum, mut n) = (magnitude, magnitude, 0.0);
        while term > sum * f64::EPSILON * 0.1 {
            n += 1.0;
            term *= 2.0 * magnitude * magnitude / (2.0 * n + 1.0);
            sum += term;
        }
        sum * 2.0 / std::f64::consts::PI.sqrt() * (-magnitude * magnitude).exp()
    } else if magnitude < 6.0 {
        // erfc(x) = exp(-x^2) / sqrt(pi) * 1 / (x + (1/2) / (x + (2/2) / (x + ...))), from the inside out.
        let mut fraction = magnitude;
        for n in (1..=60).rev() {
            fraction = magnitude + 0.5 * f64::from(n) / fraction;
        }
        1.0 - (-magnitude * magnitude).exp() / std::f64::consts::PI.sqrt() / fraction
    } else {
        1.0
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    #[test]
    fn erf_at_published_points() {
        // Abramowitz and Stegun, table 7.1.
        for (x, y) in [
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ] {
            assert!((super::erf(x) - y).abs() < 1e-14, "erf({x})");
            assert!((super::erf(-x) + y).abs() < 1e-14, "erf(-{x})");
        }
    }
}
