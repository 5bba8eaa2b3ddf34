use super::Activation;
use crate::ops::testing::{WIDTHS, hold, misaligned, numbers, reference, variants};
use crate::{Compute, Cpu};

const ALL: [Activation; 3] = [Activation::Silu, Activation::GeluTanh, Activation::GeluErf];

#[test]
fn variants_agree_with_the_reference() {
    for width in WIDTHS.into_iter().chain([0]) {
        for scale in [1.0, 8.0, 100.0] {
            let x: Vec<f32> = numbers(5, width).iter().map(|x| x * scale).collect();
            let up = numbers(6, width);
            for act in ALL {
                let (mut plain, mut gated) = (x.clone(), x.clone());
                reference().activate(act, &mut plain);
                reference().gated(act, &mut gated, &up);
                for cpu in variants() {
                    let name = format!("{} {act:?} width {width}", cpu.isa());
                    let bound = |i: usize| 16.0 * f32::EPSILON * x[i].abs().max(1.0);
                    let found = misaligned(&x, |x| cpu.activate(act, x));
                    hold(&name, &found, &plain, |i, _| bound(i));
                    let found = misaligned(&x, |x| cpu.gated(act, x, &up));
                    hold(&name, &found, &gated, |i, _| bound(i) * up[i].abs() + f32::MIN_POSITIVE);
                }
            }
        }
    }
}

#[test]
fn nan_stays_nan() {
    for cpu in variants() {
        for act in ALL {
            let mut x = [1.0, f32::NAN, 2.0];
            cpu.activate(act, &mut x);
            assert!(x[1].is_nan() && x[0].is_finite() && x[2].is_finite(), "{} {act:?}", cpu.isa());
        }
    }
}

#[test]
fn thread_counts_agree_bit_for_bit() {
    let (gate, up) = (numbers(7, 70_001), numbers(8, 70_001));
    let run = |threads| {
        let mut gate = gate.clone();
        Cpu::new(threads, Compute::Exact).gated(Activation::GeluTanh, &mut gate, &up);
        gate
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(4));
}
