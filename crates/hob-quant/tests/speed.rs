//! How fast rows are converted on one core; asserts nothing.
//!
//! Run: `cargo test --release -p hob-quant --test speed -- --ignored --nocapture`

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use hob_quant::{TensorType, dequantize_row, quantize_row};

/// A row that stays in the first-level cache with its values.
const COLUMNS: usize = 4096;

fn ns_per_element(rounds: usize, mut run: impl FnMut()) -> f64 {
    // The best of several is the least disturbed by other programs.
    let times = (0..7).map(|_| {
        let start = Instant::now();
        (0..rounds).for_each(|_| run());
        start.elapsed().as_secs_f64() * 1e9 / (rounds * COLUMNS) as f64
    });
    times.fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "prints times; run it alone in release"]
fn elements_per_ns() {
    let values: Vec<f32> = (0..COLUMNS).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
    let mut out = vec![0.0; COLUMNS];
    for &ty in TensorType::ALL.iter().filter(|ty| ty.can_dequantize()) {
        let mut bytes = vec![0x55; ty.row_bytes(COLUMNS).unwrap()];
        let encode = ty.can_quantize().then(|| {
            ns_per_element(20, || quantize_row(ty, black_box(&values), black_box(&mut bytes)).unwrap())
        });
        let decode = ns_per_element(2000, || dequantize_row(ty, black_box(&bytes), black_box(&mut out)));
        let encode = encode.map_or("-".to_owned(), |ns| format!("{ns:.1}"));
        println!("{ty:8} decode {:5.2} elements/ns   encode {encode:>6} ns/element", 1.0 / decode);
    }
}
