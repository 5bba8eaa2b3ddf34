use crate::ops::testing::{WIDTHS, numbers, reference, variants};

const VOCABULARY: usize = 262_144;

#[test]
fn argmax_takes_the_lowest_index_and_never_nan() {
    for cpu in variants() {
        let largest = |x: &[f32]| cpu.argmax(x);
        assert_eq!(largest(&[]), None);
        assert_eq!(largest(&[f32::NAN; 40]), None);
        assert_eq!(largest(&[f32::NEG_INFINITY; 3000]), Some(0));
        assert_eq!(largest(&[0.0, -0.0, 0.0]), Some(0), "zeros are equal");
        assert_eq!(largest(&[-0.0, 0.0]), Some(0));
        for width in WIDTHS.into_iter().chain([1024, 1025, 5000]) {
            let x = numbers(9, width);
            assert_eq!(largest(&x), reference().argmax(&x), "{} width {width}", cpu.isa());
            for first in [0, width / 2, width - 1] {
                let mut x = x.clone();
                x[first] = 2.0;
                x[width - 1] = 2.0;
                if first > 0 {
                    x[first - 1] = f32::NAN;
                }
                assert_eq!(largest(&x), Some(first), "{} width {width}", cpu.isa());
            }
            let mut x = vec![f32::NAN; width];
            x[width - 1] = f32::NEG_INFINITY;
            assert_eq!(largest(&x), Some(width - 1), "{} width {width}", cpu.isa());
        }
    }
}

#[test]
fn log_sum_exp_within_its_bound() {
    for width in WIDTHS.into_iter().chain([1023, 1025, VOCABULARY]) {
        for scale in [1.0, 30.0] {
            let x: Vec<f32> = numbers(10, width).iter().map(|x| x * scale).collect();
            let expected = reference().log_sum_exp(&x);
            for cpu in variants() {
                let found = cpu.log_sum_exp(&x);
                let error = (found - expected).abs();
                assert!(error <= 4.0 * f64::from(f32::EPSILON), "{} width {width}: {error:e}", cpu.isa());
            }
        }
    }
}

#[test]
fn log_softmax_sums_to_one_and_reports_nan() {
    for cpu in variants() {
        let mut x: Vec<f32> = numbers(11, 2 * 5003).iter().map(|x| x * 10.0).collect();
        cpu.log_softmax(&mut x, 5003);
        for row in x.chunks(5003) {
            let sum: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
            assert!((sum - 1.0).abs() < 8.0 * f64::from(f32::EPSILON), "{}: {sum}", cpu.isa());
        }
        assert!(cpu.log_sum_exp(&[0.0, f32::NAN, 1.0]).is_nan());
        assert!(cpu.log_sum_exp(&[f32::NEG_INFINITY; 20]).is_nan());
        assert_eq!(cpu.log_sum_exp(&[f32::NEG_INFINITY, 3.0]), 3.0);
    }
}
