//! The store's ways of touching the disk: no links followed when writing, files that appear whole, room asked for first.

use crate::Error;
use hob_format::{AtomicFile, Commit};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Opens a plain file for reading and writing, making it if need be. A link in its place is an error.
pub(crate) fn open_writable(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let is_plain = |m: &fs::Metadata| m.is_file();
    match fs::symlink_metadata(path) {
        Ok(found) if !is_plain(&found) => return Err(Error::NotOurs { path: path.to_path_buf() }),
        _ => {}
    }
    let file = options.open(path).map_err(|e| Error::io(path, "open", e))?;
    match file.metadata() {
        Ok(found) if is_plain(&found) => Ok(file),
        Ok(_) => Err(Error::NotOurs { path: path.to_path_buf() }),
        Err(e) => Err(Error::io(path, "open", e)),
    }
}

/// Opens a plain file for adding at its end, making it if need be. A link in its place is an error.
pub(crate) fn open_appending(path: &Path) -> Result<File, Error> {
    drop(open_writable(path)?);
    OpenOptions::new().append(true).open(path).map_err(|e| Error::io(path, "open", e))
}

/// Makes a folder and those above it, the last of which may not be a link.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|e| Error::io(path, "make", e))?;
    let found = fs::symlink_metadata(path).map_err(|e| Error::io(path, "open", e))?;
    if found.is_dir() { Ok(()) } else { Err(Error::NotOurs { path: path.to_path_buf() }) }
}

/// Reads a file of at most `bytes_max`; `None` when there is none.
pub(crate) fn read_small(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, "open", e)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, "read", e))?;
    if bytes.len() as u64 > bytes_max {
        let source = io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes"));
        return Err(Error::io(path, "read", source));
    }
    Ok(Some(bytes))
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path).map_err(|e| match e {
        hob_format::Error::Io { source, .. } => Error::io(path, "write", source),
        other => Error::io(path, "write", io::Error::other(other.to_string())),
    })?;
    file.write_all(bytes).and_then(|()| file.commit()).map_err(|e| Error::io(path, "write", e))
}

/// Makes what happened to a folder's entries last through a power cut, where the system can.
pub(crate) fn sync_folder(path: &Path) {
    // Windows has no such call, and some network file systems refuse it; the rename itself has happened.
    if cfg!(unix)
        && let Ok(folder) = File::open(path)
    {
        let _ = folder.sync_all();
    }
}

/// Removes a file or folder if it is there; a link is removed, not followed.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match result {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", e)),
        _ => Ok(()),
    }
}

/// Asks for room for a file of `bytes`, so that a full disk shows before hours of download rather than after.
pub(crate) fn reserve(file: &File, path: &Path, bytes: u64) -> Result<(), Error> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), 0, bytes.max(1)) {
            Ok(()) => {}
            // Not every file system can; there the length alone is set.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(e) => return Err(Error::io(path, "make room", e.into())),
        }
    }
    file.set_len(bytes).map_err(|e| Error::io(path, "make room", e))
}

/// Bytes that are free for us where `path` is, if the system tells.
pub fn free_bytes(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        // The folder may not exist yet; the nearest one above it that does is on the same disk.
        let there = path.ancestors().find(|p| p.exists())?;
        let stat = rustix::fs::statvfs(there).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Whether `to` became a copy of `from` that shares its blocks.
pub(crate) fn reflink(from: &Path, to: &Path) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let Ok(source) = File::open(from) else { return false };
        let Ok(target) = OpenOptions::new().write(true).create_new(true).open(to) else { return false };
        if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
            return true;
        }
        let _ = fs::remove_file(to);
    }
    let _ = (from, to);
    false
}
