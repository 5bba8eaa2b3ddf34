use super::{RopeLayout, RopeTable};
use crate::ops::testing::{misaligned, numbers, reference, variants};
use crate::{Compute, Cpu};

fn table(pairs: usize) -> RopeTable {
    let frequencies = (0..pairs).map(|k| 10_000f32.powf(-(k as f32) / pairs.max(1) as f32)).collect();
    RopeTable { frequencies, amplitude: 1.1 }
}

#[test]
fn variants_equal_the_reference() {
    for (head_dim, pairs) in
        [(1, 0), (2, 1), (10, 3), (34, 17), (64, 32), (80, 40), (96, 48), (128, 32), (256, 128)]
    {
        for (tokens, heads) in [(0, 1), (1, 1), (3, 2)] {
            let positions: Vec<usize> = (0..tokens).map(|t| 7 + 100 * t).collect();
            let angles = table(pairs).angles(&positions);
            let x = numbers(12, tokens * heads * head_dim);
            for layout in [RopeLayout::Halves, RopeLayout::Adjacent] {
                let mut expected = x.clone();
                reference().rope(&mut expected, heads, head_dim, layout, &angles);
                for cpu in variants() {
                    let found = misaligned(&x, |x| cpu.rope(x, heads, head_dim, layout, &angles));
                    assert_eq!(found, expected, "{} {layout:?} width {head_dim}", cpu.isa());
                }
            }
        }
    }
}

#[test]
fn a_turn_keeps_lengths_and_position_zero() {
    let mut table = table(16);
    table.amplitude = 1.0;
    for cpu in variants() {
        for layout in [RopeLayout::Halves, RopeLayout::Adjacent] {
            let x = numbers(13, 2 * 40);
            let mut y = x.clone();
            cpu.rope(&mut y, 1, 40, layout, &table.angles(&[0, 5]));
            assert_eq!(y[..40], x[..40], "position 0 turns by nothing");
            assert_ne!(y[40..72], x[40..72]);
            assert_eq!(y[72..], x[72..], "elements beyond the rotary width stay");
            let square = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            assert!((square(&x) - square(&y)).abs() < 64.0 * f64::from(f32::EPSILON), "{}", cpu.isa());
        }
    }
}

#[test]
fn thread_counts_agree_bit_for_bit() {
    let positions: Vec<usize> = (0..40).collect();
    let (x, angles) = (numbers(14, 40 * 32 * 64), table(32).angles(&positions));
    let run = |threads| {
        let mut x = x.clone();
        Cpu::new(threads, Compute::Exact).rope(&mut x, 32, 64, RopeLayout::Adjacent, &angles);
        x
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(4));
}
