//! What answers took, for who adds it up again and again: only conversations that changed are read anew.

use crate::chats::Taken;
use crate::{Chats, Error, Id, rows};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// How a conversation stood when it was read. The key and the time tell one that was deleted and made anew from itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    key: i64,
    version: i64,
    created: i64,
    updated: i64,
}

/// What is other than it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Conversations that are there no longer.
    pub gone: Vec<Id>,
    /// Those that are new or have changed, each with what all of its answers took.
    pub changed: Vec<(Id, Stand, Vec<Taken>)>,
}

impl Chats {
    /// What answers took in conversations that do not stand as in `known`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn taken_since<T>(&self, known: &BTreeMap<Id, (Stand, T)>) -> Result<Changes, Error> {
        let changes = self.pool().read(|db| {
            let now = self.stands(db)?;
            let mut changes = Changes::default();
            for (id, stand) in &now {
                if known.get(id).is_none_or(|(before, _)| before != stand) {
                    changes.changed.push((id.clone(), *stand, self.taken_in(db, stand.key)?));
                }
            }
            changes.gone = known.keys().filter(|id| !now.contains_key(id)).cloned().collect();
            Ok(changes)
        })?;
        Ok(changes.unwrap_or_else(|| Changes { gone: known.keys().cloned().collect(), changed: Vec::new() }))
    }

    fn stands(&self, db: &Connection) -> Result<BTreeMap<Id, Stand>, Error> {
        const SQL: &str = "SELECT id, key, version, created, updated FROM chats";
        let mut statement = db.prepare(SQL).map_err(self.told())?;
        let rows = statement.query_map([], |row| {
            let (key, version, created, updated) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get::<_, String>(0)?, Stand { key, version, created, updated }))
        });
        let rows: Vec<(String, Stand)> = rows.and_then(Iterator::collect).map_err(self.told())?;
        rows.into_iter().map(|(id, stand)| Ok((Id::parse(&id)?, stand))).collect()
    }

    fn taken_in(&self, db: &Connection, chat: i64) -> Result<Vec<Taken>, Error> {
        const SQL: &str = "SELECT created, model, stats FROM messages \
            WHERE chat = ?1 AND role = 'assistant' AND stats IS NOT NULL";
        let mut statement = db.prepare(SQL).map_err(self.told())?;
        let rows = statement.query_map([chat], |row| {
            let (created, model) = (row.get(0)?, row.get(1)?);
            Ok(rows::stats(row, 2)?.0.map(|stats| Taken { created, model, stats }))
        });
        rows.and_then(|rows| rows.filter_map(Result::transpose).collect()).map_err(self.told())
    }
}
