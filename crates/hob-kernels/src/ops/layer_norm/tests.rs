use crate::ops::testing::{WIDTHS, hold, largest, misaligned, numbers, reference, variants};

#[test]
fn variants_agree_with_the_reference() {
    let eps = 1e-5;
    for width in WIDTHS {
        let (weight, bias) = (numbers(2, width), numbers(3, width));
        for (rows, mean) in [(0, 0.0), (1, 0.0), (3, 0.5), (2, 100.0)] {
            let x: Vec<f32> = numbers(1, rows * width).iter().map(|x| x + mean).collect();
            for bias in [None, Some(&bias[..])] {
                let mut expected = x.clone();
                reference().layer_norm(&mut expected, &weight, bias, eps);
                for cpu in variants() {
                    let found = misaligned(&x, |x| cpu.layer_norm(x, &weight, bias, eps));
                    for ((found, expected), x) in
                        found.chunks(width).zip(expected.chunks(width)).zip(x.chunks(width))
                    {
                        let factor = (width as f32).sqrt() + largest(x) / (variance(x) + eps).sqrt();
                        let size = largest(expected).max(largest(&weight));
                        let bound = 4.0 * f32::EPSILON * factor * size;
                        hold(&format!("{} width {width}", cpu.isa()), found, expected, |_, _| bound);
                    }
                }
            }
        }
    }
}

fn variance(x: &[f32]) -> f32 {
    let mean = x.iter().sum::<f32>() / x.len() as f32;
    x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / x.len() as f32
}
