//! Working memory that operations borrow and give back.
//!
//! A step over a long prompt works on tens of megabytes. Asked from the system anew each time, every page of them costs a
//! fault and a clearing: measured, a tenth of the whole prefill. So a [`Cpu`](crate::Cpu) keeps what it once had.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes kept for later: about what a prompt chunk of an 8B model needs. More than that goes back to the system.
const KEPT_MAX: usize = 160 << 20;

/// Pieces kept for later; they are searched one by one.
const PIECES_MAX: usize = 48;

/// A cache line, the alignment of every buffer.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

const LINE: usize = 64;

/// Types whose values are any bits at all.
///
/// # Safety
/// Every bit pattern is a valid value, the alignment is at most 64, and nothing happens when a value is dropped.
pub(crate) unsafe trait Plain: Copy + Send {}

// SAFETY: numbers, and arrays and pairs of them, are valid whatever their bits.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i16 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Pieces of memory that nobody uses at the moment.
#[derive(Default)]
pub(crate) struct Shelf {
    pieces: Mutex<Vec<Vec<Line>>>,
}

impl Shelf {
    /// `len` elements of unspecified value.
    pub(crate) fn take<T: Plain>(self: &Arc<Self>, len: usize) -> Buffer<T> {
        let need = len.checked_mul(size_of::<T>()).expect("a buffer fits in memory").div_ceil(LINE);
        let lines = self.find(need).unwrap_or_else(|| vec![Line([0; LINE]); need]);
        Buffer { lines, len, shelf: Arc::clone(self), element: PhantomData }
    }

    /// The smallest piece of at least `need` lines, unless it is far too large.
    fn find(&self, need: usize) -> Option<Vec<Line>> {
        let mut pieces = self.lock();
        let fits = |piece: &&Vec<Line>| piece.len() >= need && piece.len() / 4 <= need;
        let best = pieces.iter().filter(fits).map(Vec::len).min()?;
        let place = pieces.iter().position(|piece| piece.len() == best)?;
        Some(pieces.swap_remove(place))
    }

    fn put_back(&self, lines: Vec<Line>) {
        let mut pieces = self.lock();
        pieces.push(lines);
        // The oldest sizes go first: they are the ones nobody asked for since.
        while pieces.len() > PIECES_MAX || pieces.iter().map(Vec::len).sum::<usize>() * LINE > KEPT_MAX {
            pieces.remove(0);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Line>>> {
        // Pieces are moved in and out whole, so a panic elsewhere leaves them usable.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slice of `T` that goes back to its [`Cpu`](crate::Cpu) when dropped; aligned to 64 bytes.
pub struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    shelf: Arc<Shelf>,
    element: PhantomData<T>,
}

impl<T> Buffer<T> {
    /// Gives up all elements from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.shelf.put_back(std::mem::take(&mut self.lines));
    }
}

#[allow(private_bounds, reason = "only this crate makes buffers")]
impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `take` made `lines` long enough for `len` elements, all bytes are initialised, and `Plain` types are
        // valid whatever the bytes and need no more than a line's alignment.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

#[allow(private_bounds, reason = "only this crate makes buffers")]
impl<T: Plain> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back() {
        let shelf = Arc::new(Shelf::default());
        let mut first = shelf.take::<f32>(1000);
        first.fill(1.0);
        let place = first.as_ptr();
        drop(first);
        // A slightly smaller one of another type gets the same memory; a much smaller one does not.
        assert!(!std::ptr::eq(shelf.take::<i8>(40).as_ptr().cast(), place));
        let second = shelf.take::<i16>(1500);
        assert!(std::ptr::eq(second.as_ptr().cast(), place));
        assert_eq!((second.len(), second.as_ptr().align_offset(64)), (1500, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let shelf = Arc::new(Shelf::default());
        drop((0..100).map(|i| shelf.take::<u8>(1 << (i % 12))).collect::<Vec<_>>());
        assert!(shelf.lock().len() <= PIECES_MAX);
        drop((0..3).map(|_| shelf.take::<u8>(KEPT_MAX / 2)).collect::<Vec<_>>());
        let kept: usize = shelf.lock().iter().map(|piece| piece.len() * LINE).sum();
        assert!(kept <= KEPT_MAX, "{kept}");
        assert!(shelf.take::<f32>(0).is_empty());
    }
}
