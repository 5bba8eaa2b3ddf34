//! Rows of the tables as conversations and messages, and back.

use crate::{Call, Chat, Id, Message, Stats};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The columns of a conversation, in the order in which [`chat`] reads them.
macro_rules! chat_columns {
    () => {
        "id, title, is_named, is_private, folder, created, updated, leaf, settings, version, key"
    };
}

/// The columns of a message, in the order in which [`message`] reads them.
macro_rules! message_columns {
    () => {
        "id, parent, role, text, thought, attachments, created, state, error, model, finish, stats, thought_ms, key"
    };
}

pub(crate) use {chat_columns, message_columns};

/// A conversation, its version and its key.
pub(crate) fn chat(row: &Row<'_>) -> rusqlite::Result<(Chat, i64, i64)> {
    let chat = Chat {
        id: id(row, 0)?,
        title: row.get(1)?,
        is_named: row.get(2)?,
        is_private: row.get(3)?,
        folder: row.get(4)?,
        created: row.get(5)?,
        updated: row.get(6)?,
        leaf: optional_id(row, 7)?,
        settings: json(row, 8)?,
    };
    Ok((chat, row.get(9)?, row.get(10)?))
}

/// A message and its key.
pub(crate) fn message(row: &Row<'_>) -> rusqlite::Result<(Message, i64)> {
    let (stats, calls) = stats(row, 11)?;
    let message = Message {
        id: id(row, 0)?,
        parent: optional_id(row, 1)?,
        role: word(row, 2)?,
        text: row.get(3)?,
        thought: row.get(4)?,
        attachments: json(row, 5)?,
        created: row.get(6)?,
        state: word(row, 7)?,
        error: optional_json(row, 8)?,
        model: row.get(9)?,
        finish: row.get::<_, Option<String>>(10)?.map(|_| word(row, 10)).transpose()?,
        stats,
        thought_ms: row.get(12)?,
        calls,
    };
    Ok((message, row.get(13)?))
}

/// An id in a column.
pub(crate) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Id> {
    Id::parse(&row.get::<_, String>(column)?).map_err(|error| unreadable(column, error))
}

fn optional_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Id>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| Id::parse(&text).map_err(|error| unreadable(column, error))).transpose()
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| unreadable(column, error))
}

/// The member of the column `stats` in which the calls of an answer are.
const CALLS: &str = "calls";

/// What the column `stats` holds: the figures of an answer and, beside them, the calls it made. The form of the file has no
/// column of their own for the few answers that have any, and a row without them is as it always was.
pub(crate) fn stats(row: &Row<'_>, column: usize) -> rusqlite::Result<(Option<Stats>, Vec<Call>)> {
    let told: Option<Map<String, Value>> = optional_json(row, column)?;
    let mut told = told.unwrap_or_default();
    let wrong = |error: serde_json::Error| unreadable(column, error);
    let calls = told.remove(CALLS).map(serde_json::from_value).transpose().map_err(wrong)?;
    let stats = (!told.is_empty()).then(|| serde_json::from_value(told.into())).transpose().map_err(wrong)?;
    Ok((stats, calls.unwrap_or_default()))
}

/// The same as it is written.
pub(crate) fn stats_column(stats: Option<&Stats>, calls: &[Call]) -> Option<String> {
    if calls.is_empty() {
        return stats.map(as_json);
    }
    let mut told = match stats.map(serde_json::to_value) {
        Some(Ok(Value::Object(told))) => told,
        _ => Map::new(),
    };
    told.insert(CALLS.into(), serde_json::to_value(calls).expect("calls are texts"));
    Some(as_json(&told))
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, error))).transpose()
}

fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(text.into()).map_err(|error| unreadable(column, error))
}

/// A value that nobody here can have written.
fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A value as JSON.
pub(crate) fn as_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have texts as keys and no errors of their own")
}

/// The one word that stands for a value.
pub(crate) fn as_word(value: &impl Serialize) -> String {
    as_json(value).trim_matches('"').to_owned()
}
