use crate::ops::testing::{WIDTHS, hold, largest, misaligned, numbers, reference, variants};
use crate::{Compute, Cpu};

#[test]
fn variants_agree_with_the_reference() {
    for width in WIDTHS {
        let weight = numbers(2, width);
        for (rows, scale) in [(0, 1.0), (1, 1.0), (3, 1e-3), (2, 1e4)] {
            let x: Vec<f32> = numbers(1, rows * width).iter().map(|x| x * scale).collect();
            for weight in [None, Some(&weight[..])] {
                let mut expected = x.clone();
                reference().rms_norm(&mut expected, width, weight, 1e-6);
                for cpu in variants() {
                    let found = misaligned(&x, |x| cpu.rms_norm(x, width, weight, 1e-6));
                    for (found, expected) in found.chunks(width).zip(expected.chunks(width)) {
                        let bound = 4.0 * f32::EPSILON * (width as f32).sqrt() * largest(expected);
                        hold(&format!("{} width {width}", cpu.isa()), found, expected, |_, _| bound);
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_of_zeros_stays_zero() {
    for cpu in variants() {
        let mut x = [0f32; 40];
        cpu.rms_norm(&mut x, 40, None, 1e-6);
        assert_eq!(x, [0f32; 40]);
    }
}

#[test]
fn thread_counts_agree_bit_for_bit() {
    // 40 rows of 2048 are above the size that goes to the pool.
    let (x, weight) = (numbers(3, 40 * 2048), numbers(4, 2048));
    let run = |threads| {
        let mut x = x.clone();
        Cpu::new(threads, Compute::Exact).rms_norm(&mut x, 2048, Some(&weight), 1e-5);
        x
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(4));
}
