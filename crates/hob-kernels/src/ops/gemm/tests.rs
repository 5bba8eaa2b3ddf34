use super::{MatrixMut, MatrixView, Precision, Sum};
use crate::ops::testing::{hold, numbers, variants};
use crate::{Compute, Cpu};

/// Shapes `[M, K, N]`: nothing, single rows and columns, one off every tile and depth, and real ones.
const SHAPES: [[usize; 3]; 12] = [
    [0, 3, 4],
    [3, 0, 4],
    [1, 1, 1],
    [5, 7, 3],
    [6, 128, 16],
    [12, 256, 32],
    [13, 257, 33],
    [11, 129, 31],
    [64, 64, 64],
    [1, 300, 100],
    [200, 65, 5],
    [97, 513, 130],
];

fn views<'a>(a: &'a [f32], b: &'a [f32], [m, k, n]: [usize; 3], flips: usize) -> [MatrixView<'a>; 2] {
    let view = |data, rows, cols, flip| {
        if flip { MatrixView::new(data, cols, rows).transposed() } else { MatrixView::new(data, rows, cols) }
    };
    [view(a, m, k, flips & 1 != 0), view(b, k, n, flips & 2 != 0)]
}

/// The exact product and the sum of magnitudes, which bounds its error.
fn expected(a: MatrixView<'_>, b: MatrixView<'_>) -> (Vec<f64>, Vec<f64>) {
    let at = |i: usize, magnitude: bool| {
        let (row, col) = (i / b.cols, i % b.cols);
        let term = |k| f64::from(a.at(row, k)) * f64::from(b.at(k, col));
        (0..a.cols).map(|k| if magnitude { term(k).abs() } else { term(k) }).sum::<f64>()
    };
    let all = |magnitude| (0..a.rows * b.cols).map(|i| at(i, magnitude)).collect();
    (all(false), all(true))
}

#[test]
fn every_level_multiplies_every_shape_and_orientation() {
    for shape @ [m, k, n] in SHAPES {
        let (a, b, before) = (numbers(1, m * k), numbers(2, k * n), numbers(3, m * n));
        for flips in 0..4 {
            let [a, b] = views(&a, &b, shape, flips);
            let (exact, magnitude) = expected(a, b);
            for (sum, how) in
                [(Sum::Replace, Precision::F32), (Sum::Add, Precision::F32), (Sum::Add, Precision::Bf16)]
            {
                let base = |i: usize| if sum == Sum::Add { before[i] } else { 0.0 };
                let wanted: Vec<f32> = (0..m * n).map(|i| (exact[i] + f64::from(base(i))) as f32).collect();
                let relative =
                    (k as f32).sqrt() * f32::EPSILON + if how == Precision::Bf16 { 1.0 / 256.0 } else { 0.0 };
                for cpu in variants() {
                    let mut found = before.clone();
                    cpu.gemm(a, b, MatrixMut::new(&mut found, m, n), sum, how);
                    hold(
                        &format!("{} {shape:?} {flips} {sum:?} {how:?}", cpu.isa()),
                        &found,
                        &wanted,
                        |i, w| {
                            relative * magnitude[i] as f32 + 4.0 * f32::EPSILON * (w.abs() + base(i).abs())
                        },
                    );
                }
            }
        }
    }
}

#[test]
fn parts_of_wider_rows_leave_the_rest_alone() {
    let (a, b) = (numbers(1, 20 * 50), numbers(2, 40 * 70));
    for cpu in variants() {
        let mut c = vec![7.0; 20 * 90];
        let part = MatrixMut::of_wider(&mut c[5..], 20, 33, 90);
        let (a, b) = (MatrixView::of_wider(&a[3..], 20, 40, 50), MatrixView::of_wider(&b[9..], 40, 33, 70));
        cpu.gemm(a, b, part, Sum::Replace, Precision::F32);
        let (exact, magnitude) = expected(a, b);
        for (i, value) in c.iter().enumerate() {
            let (row, col) = (i / 90, i % 90);
            if (5..38).contains(&col) {
                let at = row * 33 + col - 5;
                assert!((f64::from(*value) - exact[at]).abs() < 1e-5 * magnitude[at], "{} {i}", cpu.isa());
            } else {
                assert_eq!(*value, 7.0, "{} {i}", cpu.isa());
            }
        }
    }
}

#[test]
fn thread_counts_and_neighbours_change_no_bit() {
    let (m, k, n) = (301, 700, 150);
    let (a, b) = (numbers(1, m * k), numbers(2, k * n));
    for how in [Precision::F32, Precision::Bf16] {
        let run = |threads, rows| {
            let mut c = vec![0.0; rows * n];
            let cpu = Cpu::new(threads, Compute::Fast);
            let c_view = MatrixMut::new(&mut c, rows, n);
            cpu.gemm(MatrixView::new(&a, rows, k), MatrixView::new(&b, k, n), c_view, Sum::Replace, how);
            c
        };
        let one = run(1, m);
        assert_eq!(one, run(3, m));
        assert_eq!(one[..77 * n], run(2, 77));
    }
}

#[test]
#[should_panic(expected = "do not fit")]
fn a_view_beyond_its_memory_is_refused() {
    MatrixView::of_wider(&[0.0; 10], 3, 2, 5);
}
