//! Keeping conversations and reading them back.

use crate::pool::Pool;
use crate::rows::{self, as_json, as_word, chat_columns, message_columns};
use crate::tree;
use crate::{Call, Chat, Error, Id, Message, Stats, limits};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The conversations of one data folder. Nothing is opened before it is needed, and nothing is made before something is
/// kept. Can be shared by threads; other processes may use the same file.
#[derive(Debug)]
pub struct Chats {
    pool: Pool,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// The conversation.
    #[serde(flatten)]
    pub chat: Chat,
    /// A number that grows with every change of it or of its messages.
    pub version: i64,
}

/// Some conversations, those first in which something was said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The conversations.
    pub chats: Vec<Listed>,
    /// Where the next ones begin, if there are more.
    pub next: Option<Cursor>,
}

/// Some messages of a conversation, in the order in which they were kept first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// The messages.
    pub messages: Vec<Message>,
    /// Where the next ones begin, if there are more.
    pub next: Option<i64>,
}

/// A place in the list of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    updated: i64,
    key: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.updated, self.key)
    }
}

/// What an answer took.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When it was begun, in milliseconds since 1970.
    pub created: i64,
    /// The model, if it is known.
    pub model: Option<String>,
    /// Its figures.
    pub stats: Stats,
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (updated, key) = parts.ok_or_else(|| Error::Field {
            field: "after",
            expected: "what the list before gave as `next`".into(),
            found: format!("{:?}", text.chars().take(60).collect::<String>()),
        })?;
        Ok(Self { updated, key })
    }
}

impl Chats {
    /// The conversations in the folder `chats` of the data folder. Nothing needs to exist yet.
    pub fn in_data(data: &Path) -> Self {
        Self { pool: Pool::new(data.join("chats")) }
    }

    /// The file in which they are, as far as that is known: another process may encrypt them into another file.
    pub fn path(&self) -> PathBuf {
        self.pool.path()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn told(&self) -> impl Fn(rusqlite::Error) -> Error {
        |error| Error::sqlite(&self.path(), error)
    }

    /// Conversations after `after`, at most `limit` of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self, after: Option<Cursor>, limit: usize) -> Result<Listing, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            chat_columns!(),
            " FROM chats WHERE (updated, key) < (?1, ?2) ORDER BY updated DESC, key DESC LIMIT ?3"
        );
        let limit = limit.clamp(1, limits::PAGE_MAX);
        let Cursor { updated, key } = after.unwrap_or(Cursor { updated: i64::MAX, key: i64::MAX });
        let listed = self.pool.read(|db| {
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            // One more than wanted tells whether there are more.
            let rows = statement.query_map(params![updated, key, limit as i64 + 1], rows::chat);
            let rows = rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(self.told())?;
            let last = (rows.len() > limit).then(|| &rows[limit - 1]);
            let next = last.map(|(chat, _, key)| Cursor { updated: chat.updated, key: *key });
            let chats = rows.into_iter().take(limit).map(|(chat, version, _)| Listed { chat, version });
            Ok(Listing { chats: chats.collect(), next })
        })?;
        Ok(listed.unwrap_or_default())
    }

    /// A conversation.
    ///
    /// # Errors
    /// [`Error::UnknownChat`], or the file cannot be read.
    pub fn get(&self, id: &Id) -> Result<Listed, Error> {
        let found = self.pool.read(|db| self.row(db, id))?.flatten();
        let (chat, version, _) = found.ok_or_else(|| Error::UnknownChat { id: id.to_string() })?;
        Ok(Listed { chat, version })
    }

    /// The conversation whose id begins with `start`.
    ///
    /// # Errors
    /// [`Error::UnknownChat`] and [`Error::Ambiguous`], or the file cannot be read.
    pub fn find(&self, start: &str) -> Result<Listed, Error> {
        const SQL: &str =
            concat!("SELECT ", chat_columns!(), " FROM chats WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2");
        let id: String = start.chars().take(limits::ID_MAX + 1).collect();
        let found = self.pool.read(|db| {
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let rows = statement.query_map([&id], rows::chat);
            rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(self.told())
        })?;
        let mut found = found.unwrap_or_default();
        match (found.pop(), found.is_empty()) {
            (Some((chat, version, _)), true) if !id.is_empty() => Ok(Listed { chat, version }),
            (None, _) => Err(Error::UnknownChat { id }),
            _ => Err(Error::Ambiguous { id }),
        }
    }

    /// Keeps a conversation and messages of it, all or nothing, and returns its new version. Messages that it has already are
    /// replaced; a message comes after the one it follows. The rest of its messages stays.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::NoParent`], [`Error::Moved`], [`Error::UnknownMessage`] for a leaf that is not there,
    /// [`Error::Full`], or the file cannot be written.
    pub fn put(&self, chat: &Chat, messages: &[Message]) -> Result<i64, Error> {
        self.put_as(chat, messages, None).map(|kept| kept.version)
    }

    /// The same by who knows version `known` of it. Where another has come since, nothing takes away that it is private, or
    /// that it lies in a private folder: whoever writes knew nothing of that. Gives what is kept now.
    ///
    /// # Errors
    /// As [`Chats::put`].
    pub fn put_knowing(&self, chat: &Chat, messages: &[Message], known: i64) -> Result<Listed, Error> {
        self.put_as(chat, messages, Some(known))
    }

    fn put_as(&self, chat: &Chat, messages: &[Message], known: Option<i64>) -> Result<Listed, Error> {
        const SQL: &str = "INSERT INTO chats
            (id, title, is_named, is_private, folder, created, updated, leaf, settings, version)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)
            ON CONFLICT (id) DO UPDATE SET title = ?2, is_named = ?3, is_private = ?4, folder = ?5, updated = ?7,
            leaf = ?8, settings = ?9, version = version + 1 RETURNING key, version";
        chat.check()?;
        messages.iter().try_for_each(Message::check)?;
        self.pool.write(|db| {
            let chat = &self.as_private(db, chat, known)?;
            let Chat { id, title, is_named, is_private, folder, created, updated, leaf, settings } = chat;
            let leaf = leaf.as_ref();
            let values = params![
                id.as_str(),
                title,
                is_named,
                is_private,
                folder,
                created,
                updated,
                leaf.map(Id::as_str),
                as_json(settings)
            ];
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let kept = statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)));
            let (key, version): (i64, i64) = kept.map_err(self.told())?;
            self.keep(db, key, messages)?;
            match leaf {
                Some(leaf) if !self.has(db, key, leaf)? => Err(Error::UnknownMessage { id: leaf.clone() }),
                _ => Ok(Listed { chat: chat.clone(), version }),
            }
        })
    }

    /// A conversation that is about to be written, at least as private as the one that is kept.
    fn as_private(&self, db: &Connection, chat: &Chat, known: Option<i64>) -> Result<Chat, Error> {
        let mut chat = chat.clone();
        let Some(known) = known else { return Ok(chat) };
        let Some((kept, version, _)) = self.row(db, &chat.id)? else { return Ok(chat) };
        if version == known {
            return Ok(chat);
        }
        chat.is_private |= kept.is_private;
        if let Some(folder) = kept.folder.filter(|folder| chat.folder.as_ref() != Some(folder))
            && self.is_marked(db, &folder)?
        {
            chat.folder = Some(folder);
        }
        Ok(chat)
    }

    /// Keeps messages of a conversation that is there, all or nothing, and returns its new version.
    ///
    /// # Errors
    /// As [`Chats::put`], and [`Error::UnknownChat`].
    pub fn put_messages(&self, chat: &Id, messages: &[Message]) -> Result<i64, Error> {
        messages.iter().try_for_each(Message::check)?;
        self.pool.write(|db| {
            let (key, version) = self.touch(db, chat)?;
            self.keep(db, key, messages)?;
            Ok(version)
        })
    }

    /// Messages of a conversation after `after`, at most `limit` of them and not many more bytes than
    /// [`limits::PAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Error::UnknownChat`], or the file cannot be read.
    pub fn messages(&self, chat: &Id, after: Option<i64>, limit: usize) -> Result<Messages, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE chat = ?1 AND key > ?2 ORDER BY key LIMIT ?3"
        );
        let limit = limit.clamp(1, limits::PAGE_MAX);
        let unknown = || Error::UnknownChat { id: chat.to_string() };
        let read = self.pool.read(|db| {
            let key = self.row(db, chat)?.ok_or_else(unknown)?.2;
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let mut rows = statement
                .query_map(params![key, after.unwrap_or(0), limit as i64 + 1], rows::message)
                .map_err(self.told())?;
            let (mut messages, mut bytes, mut last) = (Vec::new(), 0, None);
            while let Some(row) = rows.next().transpose().map_err(self.told())? {
                if messages.len() == limit || bytes > limits::PAGE_BYTES_MAX {
                    return Ok(Messages { messages, next: last });
                }
                let (message, key) = row;
                bytes += message.text.len() + message.thought.len();
                bytes += message.attachments.iter().map(|file| file.text.len()).sum::<usize>();
                bytes += message.calls.iter().map(Call::bytes).sum::<usize>();
                last = Some(key);
                messages.push(message);
            }
            Ok(Messages { messages, next: None })
        })?;
        read.ok_or_else(unknown)
    }

    /// The branch of a conversation that is shown, oldest message first.
    ///
    /// # Errors
    /// [`Error::UnknownChat`], or the file cannot be read.
    pub fn branch(&self, chat: &Id) -> Result<Vec<Message>, Error> {
        const SQL: &str = concat!("SELECT ", message_columns!(), " FROM messages WHERE key = ?1");
        let unknown = || Error::UnknownChat { id: chat.to_string() };
        let read = self.pool.read(|db| {
            let (chat, _, key) = self.row(db, chat)?.ok_or_else(unknown)?;
            let keys = tree::branch(db, key, chat.leaf.as_ref()).map_err(self.told())?;
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let rows =
                keys.iter().map(|key| statement.query_row([key], rows::message).map(|(message, _)| message));
            rows.collect::<Result<_, _>>().map_err(self.told())
        })?;
        read.ok_or_else(unknown)
    }

    /// What each answer since `since` (milliseconds since 1970) took, oldest first: when it was written, by which model, its
    /// figures.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn taken(&self, since: i64) -> Result<Vec<Taken>, Error> {
        const SQL: &str = "SELECT created, model, stats FROM messages \
            WHERE role = 'assistant' AND stats IS NOT NULL AND created >= ?1 ORDER BY created, key";
        let taken = self.pool.read(|db| {
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let rows = statement.query_map([since], |row| {
                let (created, model) = (row.get(0)?, row.get(1)?);
                Ok(rows::stats(row, 2)?.0.map(|stats| Taken { created, model, stats }))
            });
            let told =
                rows.and_then(|rows| rows.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>());
            told.map_err(self.told())
        })?;
        Ok(taken.unwrap_or_default())
    }

    /// Deletes a conversation with all its messages.
    ///
    /// # Errors
    /// [`Error::UnknownChat`], or the file cannot be written.
    pub fn delete(&self, chat: &Id) -> Result<(), Error> {
        // Nothing is made only to find that nothing is there.
        self.get(chat)?;
        self.pool.write(|db| {
            let (key, _) = self.touch(db, chat)?;
            self.drop_chat(db, key)
        })?;
        self.forget()
    }

    pub(crate) fn drop_chat(&self, db: &Connection, key: i64) -> Result<(), Error> {
        let run = |sql| db.prepare(sql)?.execute([key]);
        run("UPDATE chats SET leaf = NULL WHERE key = ?1").map_err(self.told())?;
        run("DELETE FROM messages WHERE chat = ?1").map_err(self.told())?;
        run("DELETE FROM chats WHERE key = ?1").map_err(self.told()).map(drop)
    }

    /// Deletes a message and everything below it, and returns how many messages that were. If the shown branch went through
    /// it, another is shown.
    ///
    /// # Errors
    /// [`Error::UnknownChat`] and [`Error::UnknownMessage`], or the file cannot be written.
    pub fn delete_message(&self, chat: &Id, message: &Id) -> Result<usize, Error> {
        self.get(chat)?;
        let count = self.pool.write(|db| {
            let (key, _) = self.touch(db, chat)?;
            match tree::remove(db, key, message).map_err(self.told())? {
                0 => Err(Error::UnknownMessage { id: message.clone() }),
                count => Ok(count),
            }
        })?;
        self.forget()?;
        Ok(count)
    }

    /// Whether the file is whole: its pages, the links between rows, the index of texts.
    ///
    /// # Errors
    /// [`Error::Damaged`] says what is not.
    pub fn verify(&self) -> Result<(), Error> {
        let damaged = |found: String| Error::Damaged { path: self.path(), found };
        self.pool.unread(|db| {
            let told = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
            match told.map_err(self.told())? {
                told if told == "ok" => {}
                told => return Err(damaged(told)),
            }
            let loose =
                db.query_row("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0)).optional();
            if let Some(table) = loose.map_err(self.told())? {
                return Err(damaged(format!("a row of {table} belongs to none")));
            }
            let checked = "INSERT INTO texts (texts, rank) VALUES ('integrity-check', 1)";
            db.execute(checked, []).map_err(self.told()).map(drop)
        })?;
        Ok(())
    }

    /// What was deleted leaves the journal as well. Where readers keep it from being emptied, a later writer does it.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let emptied = self
            .pool
            .bare(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(self.told()));
        match emptied {
            Ok(_) | Err(Error::Busy { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn row(&self, db: &Connection, id: &Id) -> Result<Option<(Chat, i64, i64)>, Error> {
        const SQL: &str = concat!("SELECT ", chat_columns!(), " FROM chats WHERE id = ?1");
        let found = db.prepare(SQL).and_then(|mut s| s.query_row([id.as_str()], rows::chat).optional());
        found.map_err(self.told())
    }

    /// Counts a change of a conversation; its key and new version.
    fn touch(&self, db: &Connection, id: &Id) -> Result<(i64, i64), Error> {
        const SQL: &str = "UPDATE chats SET version = version + 1 WHERE id = ?1 RETURNING key, version";
        let found = db.prepare(SQL).and_then(|mut statement| {
            statement.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        });
        found.map_err(self.told())?.ok_or_else(|| Error::UnknownChat { id: id.to_string() })
    }

    fn has(&self, db: &Connection, chat: i64, id: &Id) -> Result<bool, Error> {
        const SQL: &str = "SELECT 1 FROM messages WHERE chat = ?1 AND id = ?2";
        let found = db.prepare(SQL).and_then(|mut s| s.exists(params![chat, id.as_str()]));
        found.map_err(self.told())
    }

    fn keep(&self, db: &Connection, chat: i64, messages: &[Message]) -> Result<(), Error> {
        const PLACE: &str = "SELECT parent, role FROM messages WHERE chat = ?1 AND id = ?2";
        const COUNT: &str = "SELECT count(*) FROM messages WHERE chat = ?1";
        let mut count: Option<i64> = None;
        for message in messages {
            let Message { id, parent, role, .. } = message;
            let place = db.prepare(PLACE).and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                statement.query_row(params![chat, id.as_str()], read).optional()
            });
            let place: Option<(Option<String>, String)> = place.map_err(self.told())?;
            match place {
                Some((before, spoke))
                    if before.as_deref() == parent.as_ref().map(Id::as_str) && spoke == as_word(role) =>
                {
                    self.replace(db, chat, message)?;
                }
                Some(_) => return Err(Error::Moved { id: id.clone() }),
                None => {
                    // Counted once: counting takes as long as there are messages.
                    let before = match count {
                        Some(before) => before,
                        None => db
                            .prepare(COUNT)
                            .and_then(|mut s| s.query_row([chat], |row| row.get(0)))
                            .map_err(self.told())?,
                    };
                    if before >= limits::MESSAGES_MAX as i64 {
                        return Err(Error::Full { max: limits::MESSAGES_MAX });
                    }
                    count = Some(before + 1);
                    self.add(db, chat, message)?;
                }
            }
        }
        Ok(())
    }

    fn add(&self, db: &Connection, chat: i64, message: &Message) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO messages (chat, id, parent, role, text, thought, attachments, created, state,
            error, model, finish, stats, thought_ms) VALUES (?1, ?2, ?13, ?14, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        if let Some(parent) = &message.parent
            && !self.has(db, chat, parent)?
        {
            return Err(Error::NoParent { id: message.id.clone(), parent: parent.clone() });
        }
        let place = (message.parent.as_ref().map(Id::as_str), as_word(&message.role));
        self.write_message(db, SQL, chat, message, Some(place))
    }

    fn replace(&self, db: &Connection, chat: i64, message: &Message) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE messages SET text = ?3, thought = ?4, attachments = ?5, created = ?6, state = ?7,
            error = ?8, model = ?9, finish = ?10, stats = ?11, thought_ms = ?12 WHERE chat = ?1 AND id = ?2";
        self.write_message(db, SQL, chat, message, None)
    }

    /// Runs a statement with what a message says. Where it stands and who speaks are `place`, and given only once.
    fn write_message(
        &self,
        db: &Connection,
        sql: &'static str,
        chat: i64,
        message: &Message,
        place: Option<(Option<&str>, String)>,
    ) -> Result<(), Error> {
        let mut statement = db.prepare(sql).map_err(self.told())?;
        let error = message.error.as_ref().map(as_json);
        let finish = message.finish.as_ref().map(as_word);
        let stats = rows::stats_column(message.stats.as_ref(), &message.calls);
        let (attachments, state) = (as_json(&message.attachments), as_word(&message.state));
        let id = message.id.as_str();
        let mut values: Vec<&dyn rusqlite::ToSql> = vec![
            &chat,
            &id,
            &message.text,
            &message.thought,
            &attachments,
            &message.created,
            &state,
            &error,
            &message.model,
            &finish,
            &stats,
            &message.thought_ms,
        ];
        if let Some((parent, role)) = &place {
            values.extend([parent as &dyn rusqlite::ToSql, role]);
        }
        statement.execute(values.as_slice()).map_err(self.told()).map(drop)
    }
}
