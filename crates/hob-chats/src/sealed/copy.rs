//! The conversations of one file in another, which is sealed in another way.

use super::cipher::RESERVED;
use super::vfs;
use crate::{Error, file};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::ffi::CStr;
use std::fmt::Write;
use std::path::Path;

/// All of what people wrote, in an order that both files have.
const TABLES: [&str; 4] = [
    "SELECT * FROM chats ORDER BY key",
    "SELECT * FROM messages ORDER BY key",
    "SELECT * FROM rules ORDER BY key",
    "SELECT * FROM private_folders ORDER BY key",
];

/// Writes what `old` holds into a new file.
pub(crate) fn write(old: &Path, from: Option<&CStr>, new: &Path, to: Option<&CStr>) -> Result<(), Error> {
    let told = |error| Error::sqlite(new, error);
    let db = file::connect(old, from, OpenFlags::SQLITE_OPEN_URI)?;
    // SQLite would make a file that others can read.
    file::private().create_new(true).open(new).map_err(|e| Error::io(new, "make", e))?;
    let system = vfs::system_name()?;
    let reserved = if to.is_some() { RESERVED } else { 0 };
    let uri = uri(new, to.unwrap_or(&system), reserved);
    db.execute("VACUUM INTO ?1", [uri]).map_err(told)?;
    drop(db);
    // Several processes are to use it. The one change that this takes must not get into a journal in the clear.
    let db = file::connect(new, to, OpenFlags::empty())?;
    for mode in ["MEMORY", "WAL"] {
        db.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).map_err(told)?;
    }
    Ok(())
}

/// Reads the new file whole and compares what it says with the old one.
pub(crate) fn check(old: &Connection, new: &Path, to: Option<&CStr>) -> Result<(), Error> {
    let told = |error| Error::sqlite(new, error);
    let unequal = |found: String| Error::Unequal { path: new.to_path_buf(), found };
    let db = file::connect(new, to, OpenFlags::empty())?;
    db.execute_batch(file::SETTINGS).map_err(told)?;
    let whole = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)).map_err(told)?;
    if whole != "ok" {
        return Err(unequal(whole));
    }
    for pragma in ["application_id", "user_version"] {
        let of = |db: &Connection| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if of(old).map_err(told)? != of(&db).map_err(told)? {
            return Err(unequal(pragma.into()));
        }
    }
    for sql in TABLES {
        if !is_same(old, &db, sql).map_err(told)? {
            return Err(unequal(sql.into()));
        }
    }
    db.execute("INSERT INTO texts (texts, rank) VALUES ('integrity-check', 1)", []).map_err(told)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(told)
}

fn is_same(old: &Connection, new: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let (mut a, mut b) = (old.prepare(sql)?, new.prepare(sql)?);
    let columns = a.column_count();
    if b.column_count() != columns {
        return Ok(false);
    }
    let (mut a, mut b) = (a.query([])?, b.query([])?);
    loop {
        match (a.next()?, b.next()?) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) => {
                for column in 0..columns {
                    if a.get::<_, Value>(column)? != b.get::<_, Value>(column)? {
                        return Ok(false);
                    }
                }
            }
            _ => return Ok(false),
        }
    }
}

/// A path with the VFS to use and the bytes of each page that SQLite leaves to it.
fn uri(path: &Path, vfs: &CStr, reserved: usize) -> String {
    let mut uri = "file:".to_owned();
    for byte in bytes_of(path) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b':' => {
                uri.push(byte.into())
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    format!("{uri}?vfs={}&reserve={reserved}", vfs.to_string_lossy())
}

#[cfg(unix)]
fn bytes_of(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
}

/// SQLite wants `/C:/folder/file`.
#[cfg(not(unix))]
fn bytes_of(path: &Path) -> Vec<u8> {
    format!("/{}", path.to_string_lossy().replace('\\', "/")).into_bytes()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_nothing_else_in_addresses() {
        assert_eq!(
            uri(Path::new("/a b/ü?x#y%.db"), c"v", 9),
            "file:/a%20b/%C3%BC%3Fx%23y%25.db?vfs=v&reserve=9"
        );
    }
}
