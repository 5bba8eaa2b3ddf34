//! AMX: eight registers of sixteen rows of 64 bytes, and products of two of them.
//!
//! The compiler has no use for these registers and does not know them, so they keep their content from one of these
//! functions to the next. Everything is `unsafe` to write and safe to call: whoever has [`Registers`] has made them usable,
//! and operands are places in memory of the right size.
#![allow(unsafe_code)]

use crate::isa::Amx;
use crate::scratch::Plain;
use std::arch::asm;
use std::marker::PhantomData;

/// Rows of a register, and numbers of 32 bits in each.
pub(crate) const SIDE: usize = 16;

/// The registers of this thread, all of whole size, until they are dropped.
pub(crate) struct Registers {
    /// Another thread has its own.
    here: PhantomData<*const ()>,
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row of each register.
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static WHOLE: Shapes = Shapes {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Registers {
    pub(crate) fn new(_proof: Amx) -> Self {
        // SAFETY: the proof exists only where this instruction does and is permitted; it reads 64 bytes.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, preserves_flags, readonly))
        };
        Self { here: PhantomData }
    }

    /// Clears register `R`.
    #[inline(always)]
    pub(crate) fn clear<const R: usize>(&self) {
        // SAFETY: `self` exists only while the registers are usable; nothing else is touched.
        unsafe { asm!("tilezero tmm{r}", r = const R, options(nostack, preserves_flags, nomem)) };
    }

    /// Loads register `R`.
    #[inline(always)]
    pub(crate) fn load<T: Plain, const R: usize, const N: usize>(&self, from: &[[T; N]; SIDE]) {
        const { assert!(size_of::<[T; N]>() == 64, "a row of a register") };
        // SAFETY: 1,024 readable bytes.
        unsafe { self.load_rows::<R>(from.as_ptr().cast(), 64) }
    }

    /// Loads register `R` with bytes `64 * part ..` of each row.
    #[inline(always)]
    pub(crate) fn load_part<const R: usize, const N: usize>(&self, rows: &[[u8; N]; SIDE], part: usize) {
        assert!(64 * part + 64 <= N, "a part of a row");
        // SAFETY: 64 readable bytes, `N` bytes apart.
        unsafe { self.load_rows::<R>(rows.as_ptr().cast::<u8>().add(64 * part), N) }
    }

    /// Loads every row of register `R` with `row`.
    #[inline(always)]
    pub(crate) fn load_repeated<const R: usize>(&self, row: &[i32; SIDE]) {
        // SAFETY: 64 readable bytes, each time the same.
        unsafe { self.load_rows::<R>(row.as_ptr().cast(), 0) }
    }

    /// # Safety
    /// From `from` on, 64 bytes can be read sixteen times, `stride` bytes apart.
    #[inline(always)]
    unsafe fn load_rows<const R: usize>(&self, from: *const u8, stride: usize) {
        // SAFETY: `self` exists only while the registers are usable, and the bytes can be read.
        unsafe {
            asm!(
                "tileloadd tmm{r}, [{from} + {stride}*1]",
                r = const R,
                from = in(reg) from,
                stride = in(reg) stride,
                options(nostack, preserves_flags, readonly)
            );
        }
    }

    /// Stores register `R`.
    #[inline(always)]
    pub(crate) fn store<T: Plain, const R: usize>(&self, to: &mut [[T; SIDE]; SIDE]) {
        const { assert!(size_of::<T>() == 4, "a number of a register") };
        // SAFETY: `self` exists only while the registers are usable; 1,024 writable bytes of a type for which all bits are values.
        unsafe {
            asm!(
                "tilestored [{to} + {stride}*1], tmm{r}",
                r = const R,
                to = in(reg) to.as_mut_ptr(),
                stride = in(reg) 64usize,
                options(nostack, preserves_flags)
            );
        }
    }

    /// `C[m][n] += sum over k of A[m][k] * B[k / 4][n][k % 4]`: 64 unsigned bytes of each row of `A`, signed ones of `B`, sums of 32 bits.
    #[inline(always)]
    pub(crate) fn dot_bytes<const C: usize, const A: usize, const B: usize>(&self) {
        // SAFETY: `self` exists only while the registers are usable; nothing else is touched.
        unsafe {
            asm!(
                "tdpbusd tmm{c}, tmm{a}, tmm{b}",
                c = const C, a = const A, b = const B,
                options(nostack, preserves_flags, nomem)
            );
        }
    }

    /// `C[m][n] += sum over k of A[m][k] * B[k / 2][n][k % 2]`: 32 bf16 numbers of each row, sums of f32.
    #[inline(always)]
    pub(crate) fn dot_pairs<const C: usize, const A: usize, const B: usize>(&self) {
        // SAFETY: `self` exists only while the registers are usable; nothing else is touched.
        unsafe {
            asm!(
                "tdpbf16ps tmm{c}, tmm{a}, tmm{b}",
                c = const C, a = const A, b = const B,
                options(nostack, preserves_flags, nomem)
            );
        }
    }
}

impl Drop for Registers {
    /// A thread that has no more use for them costs the system less to switch.
    fn drop(&mut self) {
        // SAFETY: they are usable; nothing else is touched.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}
