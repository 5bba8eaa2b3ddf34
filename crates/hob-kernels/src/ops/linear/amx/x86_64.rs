//! What becomes of weights and activations before registers of AMX take them, and of sums after, in vectors of AVX-512.
#![allow(unsafe_code)]

use super::pairs::{Panel, Tile};
use super::registers::SIDE;
use crate::Isa;
use crate::isa::Avx512Bf16;
use crate::ops::linear::blocks::format::UNIT;
use crate::ops::linear::panel::{self, Lines};
use crate::ops::linear::x86_64::{load_ints, rounded_pairs, store_ints, transpose16};
use crate::scratch::Plain;
use std::arch::x86_64::*;
use std::ops::Range;

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl Plain for Tile {}

fn proof() -> Avx512Bf16 {
    Avx512Bf16::detect().expect("AMX is used only where this is")
}

/// Codes of one unit of some rows.
pub(super) fn fill(source: &panel::Source<'_>, rows: Range<usize>, unit: usize, lines: &mut Lines) {
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn body(source: &panel::Source<'_>, rows: Range<usize>, unit: usize, lines: &mut Lines) {
        source.fill(Isa::Avx512, rows, unit, lines, &|address| {
            _mm_prefetch::<_MM_HINT_T1>(address.cast());
        });
    }
    let _proof = proof();
    // SAFETY: the proof exists only where these features do.
    unsafe { body(source, rows, unit, lines) }
}

/// A row that is stored as bf16.
pub(super) fn copy(stored: &[u8], unit: usize, row: usize, panel: &mut Panel) {
    let _proof = proof();
    // SAFETY: the proof exists only where these features do.
    unsafe { copy_row(stored, unit, row, panel) }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn copy_row(stored: &[u8], unit: usize, row: usize, Panel(panel): &mut Panel) {
    let stored = &stored[2 * UNIT * unit..];
    for line in (0..2 * UNIT).step_by(64) {
        // The row's next unit is needed after all tokens have been multiplied with this one.
        _mm_prefetch::<_MM_HINT_T1>(stored.as_ptr().wrapping_add(2 * UNIT + line).cast());
    }
    for (part, place) in panel.iter_mut().enumerate() {
        let bytes = &stored[(64 * part).min(stored.len())..];
        let count = bytes.len().min(64);
        let mask = if count == 64 { u64::MAX } else { (1 << count) - 1 };
        // SAFETY: the bytes of the mask can be read, and 64 can be written; neither needs alignment.
        unsafe {
            let numbers = _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast());
            _mm512_storeu_si512(place[row].as_mut_ptr().cast(), numbers);
        }
    }
}

/// One unit of sixteen tokens as bf16; rows that are short end in zeros.
pub(super) fn pack(rows: &[&[f32]; SIDE], tile: &mut Tile) {
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn body(rows: &[&[f32]; SIDE], Tile(parts): &mut Tile) {
        for (index, part) in parts.iter_mut().enumerate() {
            let mut vectors = [_mm512_setzero_si512(); SIDE];
            for (vector, row) in vectors.iter_mut().zip(rows) {
                *vector = rounded_pairs(row, index);
            }
            for (pairs, vector) in part.iter_mut().zip(transpose16(vectors)) {
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(pairs.as_mut_ptr().cast(), vector) }
            }
        }
    }
    let _proof = proof();
    // SAFETY: the proof exists only where these features do.
    unsafe { body(rows, tile) }
}

/// From the tokens of sixteen rows to `rows ..` of sixteen tokens.
pub(super) fn transpose<const N: usize>(from: &[[i32; SIDE]; SIDE], to: &mut [[i32; N]; SIDE], rows: usize) {
    #[target_feature(enable = "avx512f")]
    fn body<const N: usize>(from: &[[i32; SIDE]; SIDE], to: &mut [[i32; N]; SIDE], rows: usize) {
        let mut vectors = [_mm512_setzero_si512(); SIDE];
        vectors.iter_mut().zip(from).for_each(|(vector, row)| *vector = load_ints(row));
        for (to, vector) in to.iter_mut().zip(transpose16(vectors)) {
            store_ints(to[rows..].first_chunk_mut().expect("sixteen rows"), vector);
        }
    }
    let _proof = proof();
    // SAFETY: the proof exists only where this feature does.
    unsafe { body(from, to, rows) }
}

/// The numbers that have these bits.
pub(super) fn floats<const N: usize>(bits: &[i32; N]) -> &[f32; N] {
    // SAFETY: as many numbers of the same size and alignment, for which all bits are values.
    unsafe { &*std::ptr::from_ref(bits).cast() }
}
