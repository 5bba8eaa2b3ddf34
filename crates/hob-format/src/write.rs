//! What both writers share: files that appear whole or not at all, and a checked stream of tensor bytes.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;

/// Large enough that writing rows one by one costs no more than writing them together.
const BUFFER_BYTES: usize = 1 << 20;
/// Attempts at an unused temporary name; more than one is needed only after a crash of a process with our id.
const NAMES_MAX: u32 = 1000;

/// A sink that becomes visible only when complete.
pub trait Commit: Write {
    /// Makes what was written final.
    fn commit(self) -> io::Result<()>;
}

/// Memory needs no commit.
impl Commit for &mut Vec<u8> {
    fn commit(self) -> io::Result<()> {
        Ok(())
    }
}

/// A file written under a temporary name in the target's directory and renamed over the target by [`Commit::commit`].
///
/// Dropping it uncommitted removes the temporary file. A killed process leaves a `.NAME.PID-N.tmp` behind, never a half
/// file under the final name. Readers that mapped an older file keep the old bytes.
#[derive(Debug)]
pub struct AtomicFile {
    /// `None` once committed.
    file: Option<BufWriter<File>>,
    temporary: PathBuf,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts writing the file that will be at `target`. Its directory must exist.
    pub fn create(target: &Path) -> Result<Self, Error> {
        Self::create_with(target, File::options().write(true).create_new(true))
    }

    /// The same for a file that nobody but its owner may read, from its first byte on (where the system knows owners).
    pub fn create_private(target: &Path) -> Result<Self, Error> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::create_with(target, &options)
    }

    fn create_with(target: &Path, options: &OpenOptions) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(name) = target.file_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
            return Err(Error::io(target, "create", source));
        };
        for _ in 0..NAMES_MAX {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
            let temporary = target.with_file_name(hidden);
            // `create_new` neither follows a planted link nor takes over a file of somebody else's.
            match options.open(&temporary) {
                Ok(file) => {
                    let file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
                    return Ok(Self { file, temporary, target: target.to_owned() });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io(&temporary, "create", e)),
            }
        }
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "too many old temporary files beside it");
        Err(Error::io(target, "create", source))
    }

    fn inner(&mut self) -> &mut BufWriter<File> {
        self.file.as_mut().expect("the file is taken only by commit, which consumes self")
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

impl Commit for AtomicFile {
    fn commit(mut self) -> io::Result<()> {
        self.inner().flush()?;
        // Without this a power cut after the rename could leave the new name on unwritten blocks.
        self.inner().get_ref().sync_all()?;
        std::fs::rename(&self.temporary, &self.target)?;
        self.file = None;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // `into_parts` drops the buffer unwritten; Windows removes a file only once it is closed.
            drop(file.into_parts());
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// The space a tensor takes in the data section.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    /// Zeros after the data.
    pub(crate) padding: usize,
}

/// The data section: tensors in the announced order, each with exactly the announced bytes.
#[derive(Debug)]
pub(crate) struct Body<W: Commit> {
    sink: W,
    path: PathBuf,
    slots: std::vec::IntoIter<Slot>,
    /// The tensor being written and its bytes still to come.
    current: Option<(Slot, usize)>,
}

impl<W: Commit> Body<W> {
    /// Writes `header` and prepares for the tensors of `slots`. `path` is named in errors.
    pub(crate) fn new(mut sink: W, path: &Path, header: &[u8], slots: Vec<Slot>) -> Result<Self, Error> {
        sink.write_all(header).map_err(|e| Error::io(path, "write", e))?;
        Ok(Self { sink, path: path.to_owned(), slots: slots.into_iter(), current: None })
    }

    /// Starts the next tensor. Panics when the one before is incomplete or another name is due.
    pub(crate) fn begin(&mut self, name: &str) -> Result<(), Error> {
        self.end_current()?;
        let slot =
            self.slots.next().unwrap_or_else(|| panic!("tensor {name}: all announced tensors are written"));
        assert_eq!(slot.name, name, "tensors are written in the announced order");
        let bytes = slot.bytes;
        self.current = Some((slot, bytes));
        Ok(())
    }

    /// Appends to the current tensor. Panics when that is more than its size.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (slot, left) = self.current.as_mut().expect("`begin` comes before `write`");
        assert!(bytes.len() <= *left, "tensor {}: {} bytes beyond its size", slot.name, bytes.len() - *left);
        *left -= bytes.len();
        self.sink.write_all(bytes).map_err(|e| Error::io(&self.path, "write", e))
    }

    /// Completes the file. Panics when tensors are missing.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.end_current()?;
        if let Some(slot) = self.slots.next() {
            panic!("tensor {} was announced but not written", slot.name);
        }
        self.sink.commit().map_err(|e| Error::io(&self.path, "finish", e))
    }

    fn end_current(&mut self) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let Some((slot, left)) = self.current.take() else { return Ok(()) };
        assert_eq!(left, 0, "tensor {}: bytes missing", slot.name);
        let mut padding = slot.padding;
        while padding > 0 {
            let n = padding.min(ZEROS.len());
            self.sink.write_all(&ZEROS[..n]).map_err(|e| Error::io(&self.path, "write", e))?;
            padding -= n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let list = std::fs::read_dir(dir).unwrap();
        list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn files_appear_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("m.gguf");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert!(names(dir.path()).is_empty());

        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"whole").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(names(dir.path()), ["m.gguf"]);
    }

    #[test]
    fn a_failed_rename_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("taken");
        std::fs::create_dir(&target).unwrap();
        let file = AtomicFile::create(&target).unwrap();
        assert!(file.commit().is_err());
        assert_eq!(names(dir.path()), ["taken"]);
    }

    fn body(sink: &mut Vec<u8>) -> Body<&mut Vec<u8>> {
        let slot = |name: &str, bytes, padding| Slot { name: name.into(), bytes, padding };
        Body::new(sink, Path::new("memory"), b"h", vec![slot("a", 3, 5), slot("b", 1, 0)]).unwrap()
    }

    #[test]
    fn the_body_pads_between_tensors() {
        let mut sink = Vec::new();
        let mut body = body(&mut sink);
        body.begin("a").unwrap();
        body.write(&[1]).unwrap();
        body.write(&[2, 3]).unwrap();
        body.begin("b").unwrap();
        body.write(&[4]).unwrap();
        body.finish().unwrap();
        assert_eq!(sink, [b'h', 1, 2, 3, 0, 0, 0, 0, 0, 4]);
    }

    #[test]
    #[should_panic(expected = "bytes missing")]
    fn short_tensors_are_a_bug_of_the_caller() {
        let mut sink = Vec::new();
        let mut body = body(&mut sink);
        body.begin("a").unwrap();
        let _ = body.begin("b");
    }

    #[test]
    #[should_panic(expected = "announced but not written")]
    fn missing_tensors_are_a_bug_of_the_caller() {
        let mut sink = Vec::new();
        let _ = body(&mut sink).finish();
    }
}
