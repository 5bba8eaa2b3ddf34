//! A cheap, cloneable view of bytes that somebody else keeps alive (a memory map, a buffer).

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Whoever keeps bytes alive for views of them. Anything that lends bytes is one.
pub trait Owner: Send + Sync {
    /// All bytes, the same ones at every call.
    fn bytes(&self) -> &[u8];

    /// Lets go of the memory behind `range`, where the bytes can be had again from where they came: a mapped file.
    fn release(&self, range: Range<usize>) {
        let _ = range;
    }
}

impl<T: AsRef<[u8]> + Send + Sync> Owner for T {
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }
}

/// A read-only range of bytes with shared ownership of whatever holds them.
///
/// Weights are views of the mapped file: cloning or slicing one copies no bytes and touches no page.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Arc<dyn Owner>,
    range: Range<usize>,
}

impl SharedBytes {
    /// Shares all bytes of `owner`.
    pub fn new(owner: impl Owner + 'static) -> Self {
        let range = 0..owner.bytes().len();
        Self { owner: Arc::new(owner), range }
    }

    /// The bytes `range` of this view, or `None` when they are not all inside it.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let start = self.range.start + range.start;
        Some(Self { owner: Arc::clone(&self.owner), range: start..start + range.len() })
    }

    /// Lets go of the memory that reading these bytes has taken, if they are those of a mapped file: they stay readable, and
    /// are fetched again when they are. For large tables of which a few rows are read.
    pub fn release(&self) {
        self.owner.release(self.range.clone());
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.owner.bytes()[self.range.clone()]
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_nest_and_stay_inside() {
        let all = SharedBytes::from((0..10).collect::<Vec<u8>>());
        let middle = all.slice(2..8).unwrap();
        assert_eq!(&*middle, &[2, 3, 4, 5, 6, 7]);
        assert_eq!(&*middle.slice(1..3).unwrap(), &[3, 4]);
        assert!(middle.slice(0..7).is_none());
        assert!(middle.slice(5..usize::MAX).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "a reversed range must be refused")]
        let reversed = middle.slice(3..2);
        assert!(reversed.is_none());
    }

    #[test]
    fn outlives_the_first_handle() {
        let part = SharedBytes::from(vec![1, 2, 3]).slice(1..3).unwrap();
        assert_eq!(&*part, &[2, 3]);
    }
}
