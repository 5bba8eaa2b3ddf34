//! What the tests of several operations share.

use crate::{Compute, Cpu, Isa};

/// A single-threaded CPU at every level of this machine, the reference first.
pub(crate) fn variants() -> Vec<Cpu> {
    Isa::available().into_iter().map(|isa| Cpu::with_isa(1, Compute::Exact, isa)).collect()
}

/// The reference, single-threaded.
pub(crate) fn reference() -> Cpu {
    Cpu::with_isa(1, Compute::Exact, Isa::Scalar)
}

/// No element, one, and one below, at and above each number of lanes; then widths of real models.
pub(crate) const WIDTHS: [usize; 17] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 65, 640, 1536, 2048];

/// `len` numbers in `-1..1` from a fixed sequence per seed (xorshift).
pub(crate) fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A copy that starts one element (four bytes) past an aligned address; `with` works on it and it comes back.
pub(crate) fn misaligned(x: &[f32], with: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut buffer = vec![0f32; x.len() + 16];
    let offset = buffer.as_ptr().align_offset(64) % 16 + 1;
    let part = &mut buffer[offset..][..x.len()];
    part.copy_from_slice(x);
    with(part);
    part.to_vec()
}

/// Fails unless every element is within `bound(index, expected)` of `expected`.
#[track_caller]
pub(crate) fn hold(what: &str, found: &[f32], expected: &[f32], bound: impl Fn(usize, f32) -> f32) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let bound = bound(i, *e);
        assert!((f - e).abs() <= bound, "{what}[{i}]: {f}, expected {e} within {bound:e}");
    }
}

/// The largest magnitude.
pub(crate) fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |m, x| m.max(x.abs()))
}
