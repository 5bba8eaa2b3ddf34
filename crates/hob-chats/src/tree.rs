//! Walking the tree of a conversation inside of the file.

use crate::Id;
use rusqlite::{Connection, OptionalExtension, params};

/// Keys of the messages from the beginning to `leaf`. The walk ends even where a damaged file holds a circle.
pub(crate) fn branch(db: &Connection, chat: i64, leaf: Option<&Id>) -> rusqlite::Result<Vec<i64>> {
    const SQL: &str = "
        WITH RECURSIVE up (key, parent, depth) AS (
            SELECT key, parent, 0 FROM messages WHERE chat = ?1 AND id = ?2
            UNION ALL
            SELECT m.key, m.parent, up.depth + 1 FROM up JOIN messages m ON m.chat = ?1 AND m.id = up.parent
            WHERE up.depth < 100000
        )
        SELECT key FROM up ORDER BY depth DESC";
    let Some(leaf) = leaf else { return Ok(Vec::new()) };
    let mut statement = db.prepare(SQL)?;
    statement.query_map(params![chat, leaf.as_str()], |row| row.get(0))?.collect()
}

/// Removes a message and all below it; how many those were. If the shown branch went through it, the one that ends with the
/// newest messages beside it is shown.
pub(crate) fn remove(db: &Connection, chat: i64, id: &Id) -> rusqlite::Result<usize> {
    const PARENT: &str = "SELECT parent FROM messages WHERE chat = ?1 AND id = ?2";
    const LEAF_GOES: &str = "
        WITH RECURSIVE below (id) AS (
            SELECT ?2
            UNION
            SELECT m.id FROM below JOIN messages m ON m.chat = ?1 AND m.parent = below.id
        )
        SELECT 1 FROM chats WHERE key = ?1 AND leaf IN below";
    const REMOVE: &str = "
        WITH RECURSIVE below (id) AS (
            SELECT ?2
            UNION
            SELECT m.id FROM below JOIN messages m ON m.chat = ?1 AND m.parent = below.id
        )
        DELETE FROM messages WHERE chat = ?1 AND id IN below";
    let place = params![chat, id.as_str()];
    let parent = db.prepare(PARENT)?.query_row(place, |row| row.get::<_, Option<String>>(0)).optional()?;
    let Some(parent) = parent else { return Ok(0) };
    let leaf_goes = db.prepare(LEAF_GOES)?.exists(place)?;
    let count = db.prepare(REMOVE)?.execute(place)?;
    if leaf_goes {
        let leaf = leaf_below(db, chat, parent)?;
        db.prepare("UPDATE chats SET leaf = ?2 WHERE key = ?1")?.execute(params![chat, leaf])?;
    }
    Ok(count)
}

/// Where the branch through a message ends, or the newest branch of all: always with the child that was begun last.
fn leaf_below(db: &Connection, chat: i64, from: Option<String>) -> rusqlite::Result<Option<String>> {
    const CHILD: &str =
        "SELECT id FROM messages WHERE chat = ?1 AND parent IS ?2 ORDER BY created DESC, key DESC LIMIT 1";
    let mut child = db.prepare(CHILD)?;
    let mut at = from;
    loop {
        let next = child.query_row(params![chat, at], |row| row.get::<_, String>(0)).optional()?;
        match next {
            None => return Ok(at),
            next => at = next,
        }
    }
}
