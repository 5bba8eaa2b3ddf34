//! Memory maps of model files: the crate's only unsafe code.

#![allow(unsafe_code, reason = "mapping a file and unmapping its pages are unsafe by nature")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hob_base::{Owner, SharedBytes};
use memmap2::Mmap;

use crate::Error;

/// How a tensor is going to be read, so that the operating system can read ahead well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No pattern known: the system's default read-ahead.
    Normal,
    /// Single rows anywhere, such as a table of per-layer embeddings: no read-ahead.
    Random,
    /// Front to back: aggressive read-ahead.
    Sequential,
    /// Soon and entirely: start reading now.
    WillNeed,
}

/// A whole file mapped read-only.
///
/// # Files that change underneath
///
/// The bytes belong to the file system. A program that writes to the file while it is mapped changes what we read, and
/// one that truncates it makes the next touch of a lost page end this process with SIGBUS (an access violation on
/// Windows). No portable lock prevents either. What we do about it:
///
/// - whoever replaces a model writes a new file and renames it over the old one, as [`crate::GgufWriter`] does; the old
///   bytes then live on until unmapped;
/// - keys, texts and tensor names are copied at opening, and iterators over mapped arrays check every length again, so
///   changed metadata gives wrong or missing values, not out-of-bounds reads;
/// - weights are plain numbers to every reader: changed ones give wrong results, never undefined control flow.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps the regular file at `path`; reads none of it.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, Error> {
        let file = open_regular(path)?;
        // SAFETY: the map is private to this type and handed out as `&[u8]` only while it lives. That nobody changes the
        // file meanwhile cannot be proven; the type's documentation says what follows if somebody does, and no code of
        // this workspace derives a memory-safety decision from mapped bytes that it read before.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, "map", e))?;
        Ok(Arc::new(Self { map }))
    }

    /// All bytes of the file as a shareable view.
    pub(crate) fn bytes(self: &Arc<Self>) -> SharedBytes {
        SharedBytes::new(Handle(Arc::clone(self)))
    }

    /// Where `part` lies in this map, if it does.
    pub(crate) fn range_of(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.map.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (end <= self.map.len()).then_some(start..end)
    }

    /// Reads the whole file and keeps it in memory until it is unmapped.
    ///
    /// # Errors
    /// The system's reason: most let a process hold on to a few megabytes only unless they are told otherwise.
    pub(crate) fn lock(&self) -> io::Result<()> {
        #[cfg(unix)]
        return self.map.lock();
        #[cfg(not(unix))]
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Tells the system how `range` will be read. A hint: failure is ignored, and so is the call where unsupported.
    pub(crate) fn advise(&self, range: Range<usize>, access: Access) {
        #[cfg(unix)]
        {
            let advice = match access {
                Access::Normal => memmap2::Advice::Normal,
                Access::Random => memmap2::Advice::Random,
                Access::Sequential => memmap2::Advice::Sequential,
                Access::WillNeed => memmap2::Advice::WillNeed,
            };
            let _ = self.map.advise_range(advice, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = (range, access);
    }
}

/// What a [`SharedBytes`] keeps alive.
struct Handle(Arc<Mapping>);

impl Owner for Handle {
    fn bytes(&self) -> &[u8] {
        &self.0.map
    }

    /// A hint, like [`Mapping::advise`]. Where pages cannot be let go they stay until the system needs their memory.
    fn release(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        {
            let (advice, len) = (memmap2::UncheckedAdvice::DontNeed, range.len());
            // SAFETY: the map is read-only and of a file, so its pages hold nothing of their own: the next read of one finds
            // the file's bytes again. The call checks the range against the map.
            let _ = unsafe { self.0.map.unchecked_advise_range(advice, range.start, len) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

/// Opens a regular file. Pipes and devices are refused before opening, because opening one may block.
fn open_regular(path: &Path) -> Result<File, Error> {
    let kind = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    if !kind.is_file() {
        let (expected, found) =
            ("a regular file", if kind.is_dir() { "a directory" } else { "a device or pipe" });
        let hint = "give the path of a model file";
        return Err(Error::NotAModel { path: path.to_owned(), expected, found: found.to_owned(), hint });
    }
    File::open(path).map_err(|e| Error::io(path, "open", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_finds_and_advises() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, (0..=255).cycle().take(10_000).collect::<Vec<u8>>()).unwrap();
        let mapping = Mapping::open(&path).unwrap();
        let bytes = mapping.bytes();
        assert_eq!(bytes.len(), 10_000);
        let part = bytes.slice(5000..5010).unwrap();
        assert_eq!(mapping.range_of(&part), Some(5000..5010));
        let before = part.to_vec();
        part.release();
        assert_eq!(*part, before);
        assert_eq!(mapping.range_of(&[1, 2, 3]), None);
        for access in [Access::Random, Access::Sequential, Access::WillNeed, Access::Normal] {
            mapping.advise(5000..5010, access);
        }
        #[cfg(unix)]
        mapping.lock().unwrap();
        drop(mapping);
        assert_eq!(part[0], (5000 % 256) as u8);
    }

    #[test]
    fn empty_files_map_and_directories_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, []).unwrap();
        assert!(Mapping::open(&path).unwrap().bytes().is_empty());
        assert!(matches!(Mapping::open(dir.path()), Err(Error::NotAModel { .. })));
        assert!(matches!(Mapping::open(&dir.path().join("none")), Err(Error::Io { .. })));
    }
}
