//! The one place where foreign bytes become numbers: every step is checked against the bytes that are left.

use crate::Error;

/// Walks a byte slice from front to back; reading past the end is an [`Error::Truncated`] that says where.
pub(crate) struct Reader<'a> {
    file: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        Self { file, bytes, position: 0 }
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Bytes not yet consumed.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `count` bytes. The count may come straight from the file.
    pub(crate) fn take(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], Error> {
        let taken = usize::try_from(count).ok().and_then(|n| self.bytes[self.position..].get(..n));
        let Some(taken) = taken else { return Err(self.truncated(count, what)) };
        self.position += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let Some(taken) = self.bytes[self.position..].first_chunk::<N>() else {
            return Err(self.truncated(N as u64, what));
        };
        self.position += N;
        Ok(*taken)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A GGUF string: u64 length, then that many bytes.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let length = self.u64(what)?;
        self.take(length, what)
    }

    #[cold]
    fn truncated(&self, needed: u64, what: &'static str) -> Error {
        let file = self.file.to_owned();
        Error::Truncated { file, what, offset: self.position as u64, needed, left: self.left() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_stops_at_the_end() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'h', b'i', 9];
        let mut reader = Reader::new("t", &bytes);
        assert_eq!(reader.u32("one").unwrap(), 1);
        assert_eq!(reader.string("text").unwrap(), b"hi");
        assert_eq!((reader.position(), reader.left()), (14, 1));
        let error = reader.u64("count").unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 14, needed: 8, left: 1, .. }), "{error}");
        assert_eq!(reader.take(1, "rest").unwrap(), [9]);
    }

    #[test]
    fn huge_lengths_do_not_wrap() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.push(0);
        assert!(Reader::new("t", &bytes).string("text").is_err());
    }
}
