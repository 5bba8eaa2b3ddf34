//! Files that programs hand over before they say which model they belong to, by what they contain.

use crate::{Digest, Error, Store, disk};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FOLDER: &str = ".blobs";
/// What nobody made a model of in this time goes.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A file that is being handed over; it is thrown away unless it is finished.
pub struct BlobWriter {
    file: File,
    path: PathBuf,
    place: PathBuf,
    hash: Sha256,
    expected: Digest,
    is_done: bool,
}

impl Store {
    /// Whether a file of this content was handed over and is still here.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        fs::symlink_metadata(self.blob(digest)).is_ok_and(|found| found.is_file())
    }

    /// Begins to take in a file that should contain `digest`. Old ones that nobody wanted go.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NoRoom`].
    pub fn take_blob(&self, digest: Digest) -> Result<BlobWriter, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = self.hidden(FOLDER)?;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|t| t.elapsed().ok());
            if age.is_some_and(|age| age > KEPT) {
                disk::remove(&entry.path())?;
            }
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("new-{}-{count}", std::process::id()));
        disk::remove(&path)?;
        let file = disk::open_writable(&path)?;
        let (place, hash) = (self.blob(&digest), Sha256::new());
        Ok(BlobWriter { file, path, place, hash, expected: digest, is_done: false })
    }

    /// Where the file of this content is.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root().join(FOLDER).join(format!("sha256-{digest}"))
    }
}

impl BlobWriter {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, "write", e))
    }

    /// The file is complete.
    ///
    /// # Errors
    /// [`Error::WrongDigest`], [`Error::Io`].
    pub fn finish(mut self) -> Result<(), Error> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if found != self.expected {
            return Err(Error::WrongDigest { file: "the file".into(), expected: self.expected, found });
        }
        self.file.sync_all().map_err(|e| Error::io(&self.path, "write", e))?;
        fs::rename(&self.path, &self.place).map_err(|e| Error::io(&self.place, "make", e))?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = disk::remove(&self.path);
        }
    }
}
