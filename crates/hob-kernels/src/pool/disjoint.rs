//! A slice that the chunks of one job write to at the same time.

use std::marker::PhantomData;
use std::ops::Range;

/// Exclusive access to a slice, handed out in pieces that the holder promises not to overlap.
///
/// Where the pieces are consecutive, [`Pool::for_each_part`](crate::Pool::for_each_part) does the same without `unsafe`.
pub struct DisjointMut<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the value stands for a `&mut [T]`, which may move to another thread when `T` may.
unsafe impl<T: Send> Send for DisjointMut<'_, T> {}
// SAFETY: through a shared reference only `slice` reaches elements, and its caller promises that no two pieces overlap,
// so each element is used by one thread at a time, as if the slice had been split and its parts sent.
unsafe impl<T: Send> Sync for DisjointMut<'_, T> {}

impl<'a, T> DisjointMut<'a, T> {
    /// Takes over `slice` until this value goes.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The elements `range`.
    ///
    /// # Safety
    /// While the returned slice lives, no other piece of this value may exist, on any thread, that shares an element with it.
    ///
    /// # Panics
    /// When the range is not inside the slice.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that pieces do not overlap")]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a piece lies inside the slice");
        // SAFETY: the range is inside the slice that this value holds exclusively; that nothing else refers to these
        // elements is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
