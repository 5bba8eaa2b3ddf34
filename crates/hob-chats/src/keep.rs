//! How long conversations are kept. Nothing goes by itself unless somebody has set a rule for it.

use crate::rows::{self, chat_columns};
use crate::{Chats, Error, Id, Listed, limits};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

const DAY_MS: i64 = 86_400_000;

/// How long conversations of a folder are kept after something was said in them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The folder; nothing for all conversations whose folder has no rule of its own.
    pub folder: Option<String>,
    /// Days; nothing for ever.
    pub days: Option<u32>,
}

impl Chats {
    /// The rules, the general one first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rules(&self) -> Result<Vec<Rule>, Error> {
        let rules = self.pool().read(|db| {
            let mut statement = db
                .prepare("SELECT folder, days FROM rules ORDER BY folder IS NOT NULL, folder")
                .map_err(self.told())?;
            let rows = statement.query_map([], |row| Ok(Rule { folder: row.get(0)?, days: row.get(1)? }));
            rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(self.told())
        })?;
        Ok(rules.unwrap_or_default())
    }

    /// Sets a rule, in place of the one that was there. Nothing is deleted by this.
    ///
    /// # Errors
    /// [`Error::Field`], or the file cannot be written.
    pub fn set_rule(&self, rule: &Rule) -> Result<(), Error> {
        if let Some(folder) = &rule.folder {
            crate::error::bytes("folder", folder, limits::FOLDER_BYTES_MAX)?;
        }
        if let Some(days) = rule.days.filter(|days| !(1..=limits::DAYS_MAX).contains(days)) {
            let expected = format!("1 to {}", limits::DAYS_MAX);
            return Err(Error::Field { field: "days", expected, found: days.to_string() });
        }
        self.pool().write(|db| {
            db.execute("DELETE FROM rules WHERE folder IS ?1", params![rule.folder]).map_err(self.told())?;
            let set = "INSERT INTO rules (folder, days) VALUES (?1, ?2)";
            db.execute(set, params![rule.folder, rule.days]).map_err(self.told()).map(drop)
        })
    }

    /// Takes a rule away, and says whether there was one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remove_rule(&self, folder: Option<&str>) -> Result<bool, Error> {
        if !self.rules()?.iter().any(|rule| rule.folder.as_deref() == folder) {
            return Ok(false);
        }
        self.pool().write(|db| {
            let gone = db.execute("DELETE FROM rules WHERE folder IS ?1", params![folder]);
            gone.map(|count| count > 0).map_err(self.told())
        })
    }

    /// Conversations that the rules let go at this moment (milliseconds since 1970), those first that were left alone longest.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn due(&self, now: i64) -> Result<Vec<Listed>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            chat_columns!(),
            " FROM chats WHERE updated <= ?1 - ?2 * coalesce(
                (SELECT coalesce(days, 1000000000) FROM rules WHERE rules.folder = chats.folder),
                (SELECT days FROM rules WHERE folder IS NULL), 1000000000)
            ORDER BY updated, key"
        );
        let due = self.pool().read(|db| {
            let mut statement = db.prepare(SQL).map_err(self.told())?;
            let rows = statement.query_map(params![now, DAY_MS], rows::chat);
            let rows = rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(self.told())?;
            Ok(rows.into_iter().map(|(chat, version, _)| Listed { chat, version }).collect())
        })?;
        Ok(due.unwrap_or_default())
    }

    /// Deletes what the rules let go, and returns what that was.
    ///
    /// # Errors
    /// The file cannot be written; what was deleted before that is gone.
    pub fn expire(&self, now: i64) -> Result<Vec<Listed>, Error> {
        let mut gone = Vec::new();
        for listed in self.due(now)? {
            // Somebody may have gone on with it, or deleted it, since it was found.
            if self.delete_if(&listed.chat.id, listed.version)? {
                gone.push(listed);
            }
        }
        if !gone.is_empty() {
            self.forget()?;
        }
        Ok(gone)
    }

    fn delete_if(&self, id: &Id, version: i64) -> Result<bool, Error> {
        self.pool().write(|db| {
            let key = db
                .query_row(
                    "SELECT key FROM chats WHERE id = ?1 AND version = ?2",
                    params![id.as_str(), version],
                    |row| row.get::<_, i64>(0),
                )
                .optional();
            match key.map_err(self.told())? {
                Some(key) => self.drop_chat(db, key).map(|()| true),
                None => Ok(false),
            }
        })
    }
}
