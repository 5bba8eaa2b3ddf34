//! The form of the file, and how an older one becomes the newest.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Says that a database is Hob's conversations ("HobC").
pub(crate) const APPLICATION: i64 = 0x486f_6243;

/// What makes each form out of the one before. A form that was released is never changed.
const FORMS: [&str; 3] = [FORM_1, FORM_2, FORM_3];

/// The newest form.
pub(crate) const NEWEST: i64 = FORMS.len() as i64;

/// Parents and leaves are foreign keys: no bug of ours and no race between processes can make a message follow one of
/// another conversation. They are checked when a change is complete, as a branch goes in one statement. The index of texts
/// holds none itself; its triggers follow every change of a text, within the same transaction.
const FORM_1: &str = "
CREATE TABLE chats (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    is_named INTEGER NOT NULL CHECK (is_named IN (0, 1)),
    is_private INTEGER NOT NULL CHECK (is_private IN (0, 1)),
    folder TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    leaf TEXT,
    settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    FOREIGN KEY (key, leaf) REFERENCES messages (chat, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX chats_by_age ON chats (updated, key);

CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    chat INTEGER NOT NULL REFERENCES chats (key) DEFERRABLE INITIALLY DEFERRED,
    id TEXT NOT NULL,
    parent TEXT,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text TEXT NOT NULL,
    thought TEXT NOT NULL,
    attachments TEXT NOT NULL,
    created INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'running', 'stopped', 'failed')),
    error TEXT,
    model TEXT,
    finish TEXT CHECK (finish IN ('stop', 'length', 'tool_calls')),
    stats TEXT,
    thought_ms INTEGER,
    UNIQUE (chat, id),
    FOREIGN KEY (chat, parent) REFERENCES messages (chat, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX messages_by_chat ON messages (chat);
CREATE INDEX messages_by_parent ON messages (chat, parent);
CREATE INDEX messages_by_age ON messages (created);

CREATE VIRTUAL TABLE texts USING fts5 (text, content = 'messages', content_rowid = 'key', tokenize = 'trigram');
INSERT INTO texts (texts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER text_comes AFTER INSERT ON messages BEGIN
    INSERT INTO texts (rowid, text) VALUES (new.key, new.text);
END;
CREATE TRIGGER text_goes AFTER DELETE ON messages BEGIN
    INSERT INTO texts (texts, rowid, text) VALUES ('delete', old.key, old.text);
END;
CREATE TRIGGER text_changes AFTER UPDATE OF text ON messages WHEN old.text IS NOT new.text BEGIN
    INSERT INTO texts (texts, rowid, text) VALUES ('delete', old.key, old.text);
    INSERT INTO texts (rowid, text) VALUES (new.key, new.text);
END;
";

/// How long conversations are kept. The name of a folder is nobody else's business, so the rules are where it is.
const FORM_2: &str = "
CREATE TABLE rules (
    key INTEGER PRIMARY KEY,
    folder TEXT UNIQUE,
    days INTEGER CHECK (days > 0)
) STRICT;
";

/// Folders whose conversations never leave this machine. They are here for the same reason, and so that whoever moves a
/// conversation and whoever asks about it see one state.
const FORM_3: &str = "
CREATE TABLE private_folders (
    key INTEGER PRIMARY KEY,
    folder TEXT NOT NULL UNIQUE
) STRICT;
";

/// What a database says that it is.
pub(crate) struct Stamp {
    /// Whose it is.
    pub(crate) application: i64,
    /// Its form.
    pub(crate) form: i64,
    /// Whether nothing is in it.
    pub(crate) is_empty: bool,
}

impl Stamp {
    /// Reads the stamp; the first touch of the file's contents.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        // One moment's state: another process may be making the file right now.
        let moment = connection.unchecked_transaction()?;
        let number = |sql| moment.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            application: number("PRAGMA application_id")?,
            form: number("PRAGMA user_version")?,
            is_empty: number("SELECT count(*) FROM sqlite_schema")? == 0,
        })
    }
}

/// Brings a database to the newest form, all of it or nothing.
pub(crate) fn renew(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let form: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for sql in FORMS.iter().skip(usize::try_from(form).unwrap_or(0)) {
        change.execute_batch(sql)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", NEWEST)?;
    change.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_form_becomes_the_newest_and_keeps_what_it_holds() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch(FORM_1).unwrap();
        db.execute_batch(
            "INSERT INTO chats (id, title, is_named, is_private, created, updated, settings, version)
             VALUES ('chat0001', 'Old', 0, 0, 1, 1, '{}', 1); PRAGMA user_version = 1;",
        )
        .unwrap();
        renew(&mut db).unwrap();
        renew(&mut db).unwrap();
        let stamp = Stamp::read(&db).unwrap();
        assert_eq!((stamp.application, stamp.form), (APPLICATION, NEWEST));
        let kept = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((kept("SELECT count(*) FROM chats"), kept("SELECT count(*) FROM rules")), (1, 0));
        assert_eq!(kept("SELECT count(*) FROM private_folders"), 0);
    }
}
