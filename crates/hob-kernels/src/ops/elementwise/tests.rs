use crate::ops::testing::{WIDTHS, hold, misaligned, numbers, reference, variants};
use crate::{Compute, Cpu};

#[test]
fn variants_agree_with_the_reference() {
    for width in WIDTHS.into_iter().chain([0, 40_000]) {
        let (x, y) = (numbers(1, width), numbers(2, width));
        let expect = |run: &dyn Fn(&mut [f32])| {
            let mut x = x.clone();
            run(&mut x);
            x
        };
        let scalar = reference();
        for cpu in variants() {
            let name = format!("{} width {width}", cpu.isa());
            let expected = expect(&|x| scalar.add(x, &y));
            assert_eq!(misaligned(&x, |x| cpu.add(x, &y)), expected, "{name}: one rounding either way");
            let expected = expect(&|x| scalar.scale(x, 0.3));
            assert_eq!(misaligned(&x, |x| cpu.scale(x, 0.3)), expected, "{name}: one rounding either way");
            let expected = expect(&|x| scalar.add_scaled(x, 0.3, &y));
            // One rounding of each term and of the sum, all below 2.
            hold(&name, &misaligned(&x, |x| cpu.add_scaled(x, 0.3, &y)), &expected, |_, _| {
                2.0 * f32::EPSILON
            });
            for (cap, scale) in [(30.0, 100.0), (50.0, 1.0), (1.0, 0.01)] {
                let x: Vec<f32> = x.iter().map(|x| x * scale).collect();
                let mut expected = x.clone();
                scalar.softcap(&mut expected, cap);
                let found = misaligned(&x, |x| cpu.softcap(x, cap));
                hold(&name, &found, &expected, |_, e| 8.0 * f32::EPSILON * e.abs());
            }
        }
    }
}

#[test]
fn rounding_to_a_step_is_its_definition() {
    let halves = (-600..600).map(|i| i as f32 / 4.0);
    let x: Vec<f32> = halves.chain([f32::MAX, f32::MIN, 1e-40, 127.49999, -128.5, 0.49999997]).collect();
    let cpu = Cpu::new(2, Compute::Exact);
    for step in [1.0, 0.5, 0.3] {
        let mut found = x.clone();
        cpu.round_to_step(&mut found, step);
        let wanted = |x: &f32| (x / step).round_ties_even().clamp(-128.0, 127.0) * step;
        assert_eq!(found, x.iter().map(wanted).collect::<Vec<f32>>(), "{step}");
    }
}
