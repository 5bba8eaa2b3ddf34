//! The file: where it lies, who may read it, and whether it is ours.

use crate::Error;
use crate::schema::{self, APPLICATION, NEWEST, Stamp};
use rusqlite::{Connection, OpenFlags};
use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a writer waits for others. A change takes milliseconds, so that only something that hangs takes longer.
const BUSY: Duration = Duration::from_secs(20);

/// For each connection. `FULL`: a change is on the disk before the call returns. `secure_delete`: what is deleted is
/// overwritten.
pub(crate) const SETTINGS: &str = "
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA journal_size_limit = 4194304;
";

/// Opens the file, and makes it if it `may_be_made`. `None`: there is none. A sealed one comes with its VFS.
pub(crate) fn open(path: &Path, may_be_made: bool, vfs: Option<&CStr>) -> Result<Option<Connection>, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err(Error::NotOurs { path: path.to_path_buf() }),
        Ok(_) => close_to_others(path),
        Err(e) if e.kind() == ErrorKind::NotFound && !may_be_made => return Ok(None),
        Err(e) if e.kind() == ErrorKind::NotFound => make(path)?,
        Err(e) => return Err(Error::io(path, "open", e)),
    }
    let told = |error| Error::sqlite(path, error);
    let mut connection = connect(path, vfs, OpenFlags::empty())?;
    // Nothing is written before it is clear whose file this is.
    if is_older(path, &connection)? {
        let _alone = lock(path.parent().unwrap_or(Path::new(".")))?;
        if is_older(path, &connection)? {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(told)?;
            schema::renew(&mut connection).map_err(told)?;
        }
    }
    connection.execute_batch(SETTINGS).map_err(told)?;
    Ok(Some(connection))
}

/// A connection to a file that is there.
pub(crate) fn connect(path: &Path, vfs: Option<&CStr>, more: OpenFlags) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let opened = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let told = |error| Error::sqlite(path, error);
    let connection = opened.map_err(told)?;
    connection.busy_timeout(BUSY).map_err(told)?;
    // Before anything else: what is sorted or taken back must not get into files.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(told)?;
    Ok(connection)
}

/// Whether the file is new, or of an older form.
fn is_older(path: &Path, connection: &Connection) -> Result<bool, Error> {
    let path_owned = || path.to_path_buf();
    let stamp = Stamp::read(connection).map_err(|error| Error::sqlite(path, error))?;
    match stamp {
        Stamp { application: 0, form: 0, is_empty: true } => Ok(true),
        Stamp { application: APPLICATION, form, .. } if form > NEWEST => {
            Err(Error::Newer { path: path_owned(), found: form, known: NEWEST })
        }
        Stamp { application: APPLICATION, form, .. } => Ok(form < NEWEST),
        _ => Err(Error::Foreign { path: path_owned() }),
    }
}

/// Makes the folder and an empty file that nobody else can read. What SQLite puts beside it gets the same permissions.
fn make(path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|e| Error::io(folder, "make", e))?;
    }
    match private().create_new(true).open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(Error::io(path, "make", e)),
        _ => {
            close_to_others(path);
            Ok(())
        }
    }
}

/// A file that nobody else can read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes from others what permissions they may have got, by a copy for example. Where the system refuses, they stay as
/// whoever runs it wanted them.
fn close_to_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (place, mode) in path.parent().map(|folder| (folder, 0o700)).into_iter().chain([(path, 0o600)]) {
            let is_open = fs::metadata(place).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
            if is_open {
                let _ = fs::set_permissions(place, fs::Permissions::from_mode(mode));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Waits until no other process makes, renews or encrypts the file: SQLite itself doesn't wait while the journal's kind changes.
pub(crate) fn lock(folder: &Path) -> Result<File, Error> {
    let (file, beside) = lock_file(folder)?;
    file.lock().map_err(|e| Error::io(&beside, "lock", e))?;
    Ok(file)
}

/// The same without waiting; nothing if another process has it.
pub(crate) fn try_lock(folder: &Path) -> Result<Option<File>, Error> {
    let (file, _) = lock_file(folder)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn lock_file(folder: &Path) -> Result<(File, PathBuf), Error> {
    let beside = folder.join("chats.lock");
    let open = private().create(true).truncate(false).open(&beside);
    let file = open.map_err(|e| Error::io(&beside, "open", e))?;
    Ok((file, beside))
}
