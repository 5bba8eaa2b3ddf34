//! Finding messages by what they say.

use crate::{Chats, Error, Id, limits, rows};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

/// Letters before and after what was found.
const AROUND: usize = 40;
/// The shortest text that the index knows.
const INDEXED_LETTERS: usize = 3;

/// A message that holds what was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The conversation.
    pub chat: Id,
    /// What it is called.
    pub title: String,
    /// The message.
    pub message: Id,
    /// The text around the place, on one line.
    pub around: String,
    /// When the message was begun.
    pub created: i64,
}

impl Chats {
    /// Messages that hold all words of `text`, newest first. What stands between double quotes is looked for as it is; case
    /// doesn't matter; a word may be a part of a longer one, as not every script puts spaces between words.
    ///
    /// # Errors
    /// [`Error::Field`] for a text that is too long, or the file cannot be read.
    pub fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>, Error> {
        crate::error::bytes("search", text, limits::QUERY_BYTES_MAX)?;
        // In the index's language a text ends with it.
        let terms = terms(&text.replace('\0', " "));
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let limit = limit.clamp(1, limits::PAGE_MAX);
        let found = self.pool().read(|db| look(db, &terms, limit).map_err(self.told()))?;
        Ok(found.unwrap_or_default())
    }
}

/// What is looked for, in small letters.
fn terms(text: &str) -> Vec<Vec<char>> {
    let mut terms = Vec::new();
    // Every second part stands between quotes; a quote that is never closed closes at the end.
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            terms.push(part.trim());
        } else {
            terms.extend(part.split_whitespace());
        }
    }
    terms.into_iter().filter(|term| !term.is_empty()).map(fold).collect()
}

/// One small letter for each letter, so that places stay the same.
fn fold(text: &str) -> Vec<char> {
    text.chars().map(fold_letter).collect()
}

fn fold_letter(letter: char) -> char {
    match letter {
        'ς' => 'σ',
        letter => letter.to_lowercase().next().unwrap_or(letter),
    }
}

fn look(db: &Connection, terms: &[Vec<char>], limit: usize) -> rusqlite::Result<Vec<Hit>> {
    const INDEXED: &str =
        "SELECT m.key FROM texts JOIN messages m ON m.key = texts.rowid WHERE texts MATCH ?1
        ORDER BY m.created DESC, m.key DESC";
    // Short words are in no index: every message is read, the newest first, until enough were found.
    const ALL: &str = "SELECT key FROM messages ORDER BY created DESC, key DESC";
    const HIT: &str =
        "SELECT c.id, c.title, m.id, m.text, m.created FROM messages m JOIN chats c ON c.key = m.chat
        WHERE m.key = ?1";
    let query = query(terms);
    let mut keys = db.prepare(if query.is_some() { INDEXED } else { ALL })?;
    let mut keys = if query.is_some() { keys.query(params![query])? } else { keys.query([])? };
    let mut hit = db.prepare(HIT)?;
    let mut hits = Vec::new();
    while let Some(row) = keys.next()? {
        hits.extend(hit.query_row([row.get::<_, i64>(0)?], |row| read(row, terms))?);
        if hits.len() == limit {
            break;
        }
    }
    Ok(hits)
}

/// The words that the index knows, in its language: each between quotes, so that none of it means anything else.
fn query(terms: &[Vec<char>]) -> Option<String> {
    let long = terms.iter().filter(|term| term.len() >= INDEXED_LETTERS);
    let quoted: Vec<String> = long.map(|term| format!("\"{}\"", term.iter().collect::<String>())).collect();
    (!quoted.is_empty()).then(|| quoted.join(" AND "))
}

fn read(row: &Row<'_>, terms: &[Vec<char>]) -> rusqlite::Result<Option<Hit>> {
    let text = row.get_ref(3)?.as_str()?;
    let Some(around) = around(text, terms) else { return Ok(None) };
    let (chat, title, message) = (rows::id(row, 0)?, row.get(1)?, rows::id(row, 2)?);
    Ok(Some(Hit { chat, title, message, around, created: row.get(4)? }))
}

/// The text around the first of the terms, on one line; `None` where one of them is not in it.
fn around(text: &str, terms: &[Vec<char>]) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let folded: Vec<char> = letters.iter().copied().map(fold_letter).collect();
    let place = |term: &Vec<char>| {
        let start = folded.windows(term.len()).position(|window| window == term.as_slice())?;
        Some((start, start + term.len()))
    };
    let places = terms.iter().map(place).collect::<Option<Vec<_>>>()?;
    let (start, end) = *places.iter().min()?;
    let (from, to) = (start.saturating_sub(AROUND), (end + AROUND).min(letters.len()));
    let cut: String = letters[from..to].iter().collect();
    let words = cut.split_whitespace().collect::<Vec<_>>().join(" ");
    let dots = |is_cut| if is_cut { "…" } else { "" };
    Some(format!("{}{words}{}", dots(from > 0), dots(to < letters.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quoted_texts_are_looked_for() {
        let told = |text| terms(text).iter().map(|t| t.iter().collect::<String>()).collect::<Vec<_>>();
        assert_eq!(told("Two  words"), ["two", "words"]);
        assert_eq!(told("\"Two  words\" OR* -x"), ["two  words", "or*", "-x"]);
        assert_eq!(told("open \"end"), ["open", "end"]);
        assert!(told(" \"\" \"").is_empty());
        assert_eq!(query(&terms("a* NEAR(b) ok")).as_deref(), Some("\"near(b)\""));
        assert_eq!(query(&terms("ab 漢字")), None);
    }

    #[test]
    fn what_is_around_is_cut_at_letters() {
        let text = format!("{}\n  Ärger {}", "a".repeat(60), "漢".repeat(60));
        let cut = around(&text, &terms("ärger")).unwrap();
        assert_eq!(cut, format!("…{} Ärger {}…", "a".repeat(37), "漢".repeat(39)));
        assert_eq!(around("one two", &terms("two one")).as_deref(), Some("one two"));
        assert_eq!(around("one", &terms("one two")), None);
    }
}
