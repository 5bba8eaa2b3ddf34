use super::*;
use crate::Compute;

/// Every level with vectors that this machine has.
fn levels() -> Vec<Cpu> {
    let levels = Isa::available().into_iter().filter(|isa| *isa != Isa::Scalar);
    levels.map(|isa| Cpu::with_isa(1, Compute::Exact, isa)).collect()
}

struct Map<'a, F>(&'a mut [f32], F);

trait Function: Copy {
    fn call<S: Simd>(self, simd: S, x: S::F) -> S::F;
}

impl<F: Function> Kernel for Map<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        map(
            simd,
            self.0,
            #[inline(always)]
            |x| self.1.call(simd, x),
        );
    }
}

macro_rules! function {
    ($name:ident, $path:path) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn call<S: Simd>(self, simd: S, x: S::F) -> S::F {
                $path(simd, x)
            }
        }
    };
}
function!(Exp, math::exp);
function!(Exp2, math::exp2);
function!(Tanh, math::tanh);
function!(Erf, math::erf);
function!(Sigmoid, math::sigmoid);

/// Holds `f` to `reference` on a grid of `from..to`: relative to `|reference| + floor`, in units of EPSILON.
fn hold<F: Function>(f: F, reference: fn(f64) -> f64, (from, to): (f32, f32), floor: f64, bound: f64) {
    let grid: Vec<f32> = (0..=200_003).map(|i| from + (to - from) * (i as f32 / 200_003.0)).collect();
    for cpu in levels() {
        let mut y = grid.clone();
        dispatch(&cpu, Map(&mut y, f));
        for (x, y) in grid.iter().zip(&y) {
            let expected = reference(f64::from(*x));
            let error = (f64::from(*y) - expected).abs() / (expected.abs() + floor) / f64::from(f32::EPSILON);
            assert!(error <= bound, "{}: f({x}) = {y}, expected {expected}: {error} EPSILON", cpu.isa());
        }
    }
}

#[test]
fn functions_within_their_bounds() {
    hold(Exp, f64::exp, (-87.2, 87.9), 0.0, 2.0);
    hold(Exp, f64::exp, (-1.0, 1.0), 0.0, 2.0);
    hold(Exp2, f64::exp2, (-126.0, 127.0), 0.0, 3.0);
    hold(Exp2, f64::exp2, (-1.0, 1.0), 0.0, 3.0);
    hold(Tanh, f64::tanh, (-12.0, 12.0), 0.0, 4.0);
    hold(Tanh, f64::tanh, (-0.7, 0.7), 0.0, 4.0);
    hold(Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), (-40.0, 40.0), 1.0, 4.0);
    hold(Erf, crate::ops::activation::erf, (-7.0, 7.0), 1.0, 2.0);
    hold(Erf, crate::ops::activation::erf, (-1.1, 1.1), 1.0, 2.0);
}

#[test]
fn exp_at_the_ends_of_its_range() {
    for cpu in levels() {
        let mut x = [f32::NEG_INFINITY, -1e30, -88.0, 0.0, -0.0, f32::NAN, 1e30, f32::INFINITY];
        dispatch(&cpu, Map(&mut x, Exp));
        assert_eq!(x[..5], [0.0, 0.0, 0.0, 1.0, 1.0], "{}", cpu.isa());
        assert!(x[5].is_nan() && x[6].is_finite() && x[6] > 1e38 && x[7] == x[6], "{}: {x:?}", cpu.isa());
    }
}

#[test]
fn exp2_at_the_ends_of_its_range() {
    for cpu in levels() {
        let mut x = [f32::NEG_INFINITY, -1e30, 0.0, -0.0, f32::NAN];
        dispatch(&cpu, Map(&mut x, Exp2));
        assert_eq!(x[..2], [0.0; 2], "{}", cpu.isa());
        assert!(
            x[2..4].iter().all(|x| (1.0..1.000_001).contains(x)) && x[4].is_nan(),
            "{}: {x:?}",
            cpu.isa()
        );
    }
}

/// Every method against plain Rust, on numbers whose results are exact, and comparisons on NaN.
struct Methods;

impl Kernel for Methods {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = S::LANES;
        let a: Vec<f32> = (0..n).map(|i| i as f32 - 2.5).collect();
        let b: Vec<f32> = (0..n).map(|i| if i % 3 == 1 { f32::NAN } else { 2.0 - i as f32 }).collect();
        let (va, vb) = (s.load(&a), s.load(&b));
        let check = |name: &str, v: S::F, expected: &dyn Fn(usize) -> f32| {
            let mut out = [0f32; 16];
            s.store(v, &mut out);
            for (i, out) in out[..n].iter().enumerate() {
                let expected = expected(i);
                assert!(
                    *out == expected || out.is_nan() && expected.is_nan(),
                    "{name}[{i}]: {out}, not {expected}"
                );
            }
        };
        check("add", s.add(va, vb), &|i| a[i] + b[i]);
        check("sub", s.sub(va, vb), &|i| a[i] - b[i]);
        check("mul", s.mul(va, vb), &|i| a[i] * b[i]);
        check("div", s.div(va, s.splat(4.0)), &|i| a[i] / 4.0);
        check("mul_add", s.mul_add(va, va, vb), &|i| a[i] * a[i] + b[i]);
        check("max", s.max(va, vb), &|i| if a[i] > b[i] { a[i] } else { b[i] });
        check("min", s.min(va, vb), &|i| if a[i] < b[i] { a[i] } else { b[i] });
        check("abs", s.abs(vb), &|i| b[i].abs());
        check("round", s.round(va), &|i| a[i].round_ties_even());
        check("exp2", s.exp2_integer(s.round(va)), &|i| 2f32.powi(a[i].round_ties_even() as i32));
        check("select", s.select_less(va, vb, va, s.splat(9.0)), &|i| if a[i] < b[i] { a[i] } else { 9.0 });
        let both = [&a[..], &b[..]].concat();
        let (even, odd) = s.unzip(va, vb);
        check("even", even, &|i| both[2 * i]);
        check("odd", odd, &|i| both[2 * i + 1]);
        let (low, high) = s.zip(even, odd);
        check("low", low, &|i| a[i]);
        check("high", high, &|i| b[i]);
        let half: Vec<f16> = a.iter().map(|x| f16::from_f32(*x)).collect();
        check("f16", s.load_f16(&half), &|i| a[i]);
        let bytes: Vec<i8> = (0..n).map(|i| (i as i8 - 4) * 11).collect();
        check("i8", s.load_i8(&bytes), &|i| f32::from(bytes[i]));
        assert_eq!(s.sum(va), a.iter().sum::<f32>());
        assert_eq!(s.largest(vb), 2.0);
    }
}

#[test]
fn methods_agree_with_plain_rust() {
    levels().iter().for_each(|cpu| dispatch(cpu, Methods));
}

/// Runs a closure's worth of pair operations: every pair of `x` and what the operations make of it.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other level has bf16 pairs yet"))]
struct Rounding<'a> {
    x: &'a [f32; 32],
    pair: &'a mut [u32; 16],
    adjacent: &'a mut [u32; 16],
    dot: &'a mut [f32; 16],
}

impl PairKernel for Rounding<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let s = p.floats();
        let (a, b) = (s.load(&self.x[..16]), s.load(&self.x[16..]));
        p.store(p.pair(a, b), self.pair);
        p.store(p.adjacent(a, b), self.adjacent);
        s.store(p.dot(s.splat(0.5), p.load(self.pair), p.splat(self.adjacent[1])), self.dot);
    }
}

/// A Cpu with products of pairs, if this machine has one.
fn with_pairs() -> Option<Cpu> {
    let isa = Isa::available().into_iter().find(|isa| isa.has_bf16());
    if isa.is_none() {
        eprintln!("skipped: this machine has no products of bf16 pairs");
    }
    isa.map(|isa| Cpu::with_isa(1, Compute::Fast, isa))
}

#[test]
fn pairs_round_to_even_and_stay_in_order() {
    let Some(cpu) = with_pairs() else { return };
    let mut x: [f32; 32] = std::array::from_fn(|i| (i as f32 - 11.3) * 1.037);
    // Halfway between two bf16 numbers, to either side.
    (x[4], x[5], x[20]) = (1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -3e30);
    let (mut pair, mut adjacent, mut dot) = ([0; 16], [0; 16], [0.0; 16]);
    let kernel = Rounding { x: &x, pair: &mut pair, adjacent: &mut adjacent, dot: &mut dot };
    dispatch_pairs(&cpu, kernel);
    let round = |x: f32| half::bf16::from_f32(x);
    let word = |a: f32, b: f32| u32::from(round(a).to_bits()) | u32::from(round(b).to_bits()) << 16;
    for i in 0..16 {
        assert_eq!(pair[i], word(x[i], x[i + 16]), "pair {i}");
        assert_eq!(adjacent[i], word(x[2 * i], x[2 * i + 1]), "adjacent {i}");
        let [a, b, c, d] = [x[i], x[i + 16], x[2], x[3]].map(|x| f64::from(round(x).to_f32()));
        let (expected, size) = (0.5 + a * c + b * d, (a * c).abs() + (b * d).abs() + 0.5);
        assert!((f64::from(dot[i]) - expected).abs() <= 2.0 * f64::from(f32::EPSILON) * size, "dot {i}");
    }
}

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other level has bf16 pairs yet"))]
struct Exp2ForBf16<'a>(&'a mut [f32]);

impl PairKernel for Exp2ForBf16<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        map(
            p.floats(),
            self.0,
            #[inline(always)]
            |x| math::exp2_for_bf16(p, x),
        );
    }
}

#[test]
fn powers_of_two_for_bf16_are_within_their_bound() {
    let Some(cpu) = with_pairs() else { return };
    let grid: Vec<f32> = (0..=100_003).map(|i| -120.0 + 130.0 * (i as f32 / 100_003.0)).collect();
    let mut y = grid.clone();
    dispatch_pairs(&cpu, Exp2ForBf16(&mut y));
    for (x, y) in grid.iter().zip(&y) {
        let expected = f64::from(*x).exp2();
        assert!((f64::from(*y) - expected).abs() <= 7.6e-5 * expected, "2^{x} = {y}");
    }
    let mut special = [f32::NEG_INFINITY, -1e30, -161.0, 0.0, f32::NAN];
    dispatch_pairs(&cpu, Exp2ForBf16(&mut special));
    assert!(
        special[..3] == [0.0; 3] && (special[3] - 1.0).abs() < 1e-4 && special[4].is_nan(),
        "{special:?}"
    );
}

/// What the operations on 16-bit integers make of `x` and `codes`.
struct Integers<'a> {
    x: &'a [f32; 32],
    codes: &'a [[i8; 32]; 2],
    adjacent: &'a mut [u32; 16],
    pairs: &'a mut [u32; 32],
    sums: &'a mut [f32; 16],
}

impl Int16Kernel for Integers<'_> {
    #[inline(always)]
    fn run<I: Int16>(self, int16: I) {
        let (s, lanes) = (int16.floats(), I::S::LANES);
        let adjacent = int16.adjacent(s.load(self.x), s.load(&self.x[lanes..]));
        int16.store(adjacent, self.adjacent);
        let [low, high] = int16.pair(&self.codes[0], &self.codes[1]);
        int16.store(low, self.pairs);
        int16.store(high, &mut self.pairs[lanes..]);
        let sums = int16.dot(int16.splat(7), int16.load(self.adjacent), int16.splat(self.pairs[1]));
        s.store(int16.to_floats(sums), self.sums);
    }
}

#[test]
fn integers_round_to_even_and_stay_in_order() {
    let Some(isa) = Isa::available().into_iter().find(|isa| has_int16(*isa)) else {
        eprintln!("skipped: no level here has 16-bit integers");
        return;
    };
    let cpu = Cpu::with_isa(1, Compute::Fast, isa);
    let mut x: [f32; 32] = std::array::from_fn(|i| (i as f32 - 11.3) * 100.7);
    (x[0], x[1], x[2], x[3], x[9]) = (32767.0, -32767.0, 2.5, -3.5, 1.5);
    let codes = [1, -7].map(|by| std::array::from_fn(|i| (i as i8 % 16 - 9) * by));
    let (mut adjacent, mut pairs, mut sums) = ([0; 16], [0; 32], [0.0; 16]);
    dispatch_int16(
        &cpu,
        Integers { x: &x, codes: &codes, adjacent: &mut adjacent, pairs: &mut pairs, sums: &mut sums },
    );
    let pair =
        |first: i16, second: i16| u32::from(first.cast_unsigned()) | u32::from(second.cast_unsigned()) << 16;
    let rounded = x.map(|x| x.round_ties_even() as i16);
    let (first, second) = (i32::from(codes[0][1]), i32::from(codes[1][1]));
    // As many as the narrowest vectors have.
    for i in 0..8 {
        let [a, b] = [rounded[2 * i], rounded[2 * i + 1]];
        assert_eq!(adjacent[i], pair(a, b), "adjacent {i}");
        assert_eq!(sums[i], (7 + i32::from(a) * first + i32::from(b) * second) as f32, "dot {i}");
    }
    for i in 0..16 {
        assert_eq!(pairs[i], pair(codes[0][i].into(), codes[1][i].into()), "pair {i}");
    }
}
