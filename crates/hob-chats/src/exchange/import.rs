//! Conversations out of files. A file may come from anywhere: what is wrong with one conversation leaves the others alone,
//! and nothing that is here already is overwritten.

use super::hob::Carried;
use super::stream::{self, Origin};
use super::{Above, Imported, Skipped, chatgpt};
use crate::{Chats, Error, limits};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};

impl Chats {
    /// Takes conversations out of a file that Hob or ChatGPT wrote (`conversations.json`). Each is kept as a whole or not at
    /// all; one whose id is there already stays as it is, so that a file may be imported again.
    ///
    /// # Errors
    /// [`Error::Import`] when the file is none of these or breaks off, and what keeping can bring ([`Chats::put`]) where it
    /// is about the disk.
    pub fn import(&self, from: impl Read, above: &mut Above<'_>) -> Result<Imported, Error> {
        let mut from = BufReader::new(from);
        let start = from.fill_buf().map_err(|error| unreadable(error.to_string(), 0))?;
        if start.starts_with(b"PK") {
            let found = "this is a ZIP archive; unpack it and import the conversations.json in it";
            return Err(Error::Import { found: found.into(), taken: 0 });
        }
        // Some programs put a mark before a text in UTF-8.
        if start.starts_with(b"\xef\xbb\xbf") {
            from.consume(3);
        }
        let mut imported = Imported::default();
        let mut failed = None;
        let read = stream::read(from, &mut |origin, json| match self.take(origin, json, above) {
            Ok(true) => {
                imported.taken += 1;
                true
            }
            Ok(false) => {
                imported.known += 1;
                true
            }
            Err(error) if is_about_conversation(&error) => {
                imported.skip(json, &error);
                true
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Err(found)) => Err(unreadable(found, imported.taken)),
            (None, Ok(())) => Ok(imported),
        }
    }

    /// Keeps one conversation; `false` if it is there already.
    fn take(&self, origin: Origin, json: &[u8], above: &mut Above<'_>) -> Result<bool, Error> {
        let mut carried = match origin {
            Origin::Hob => serde_json::from_slice::<Carried>(json).map_err(not_understood)?,
            Origin::ChatGpt => chatgpt::read(json, above)?,
        };
        match self.get(&carried.chat.id) {
            Err(Error::UnknownChat { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(false),
        }
        carried.sort()?;
        self.put(&carried.chat, &carried.messages)?;
        Ok(true)
    }
}

/// Whether something is wrong with one conversation, so that the next may be better.
fn is_about_conversation(error: &Error) -> bool {
    matches!(
        error,
        Error::Id { .. }
            | Error::Field { .. }
            | Error::NoParent { .. }
            | Error::Moved { .. }
            | Error::UnknownMessage { .. }
            | Error::Full { .. }
    )
}

/// A conversation whose JSON says something else than a conversation's.
pub(super) fn not_understood(error: serde_json::Error) -> Error {
    Error::Field {
        field: "conversation",
        expected: "what Hob or ChatGPT exports".into(),
        found: error.to_string(),
    }
}

fn unreadable(found: String, taken: u64) -> Error {
    Error::Import { found: format!("the file cannot be read as an export of Hob or ChatGPT: {found}"), taken }
}

impl Imported {
    fn skip(&mut self, json: &[u8], error: &Error) {
        /// As much as is needed to name a conversation of either kind.
        #[derive(Deserialize)]
        struct Named {
            title: Option<String>,
            chat: Option<Inner>,
        }
        #[derive(Deserialize)]
        struct Inner {
            title: Option<String>,
        }
        self.skipped += 1;
        if self.reasons.len() < limits::SKIPPED_MAX {
            let named = serde_json::from_slice::<Named>(json).ok();
            let title = named.and_then(|named| named.title.or(named.chat.and_then(|chat| chat.title)));
            let number = self.taken + self.known + self.skipped;
            let title =
                title.map_or_else(|| format!("conversation {number}"), |title| crate::title_of(&title));
            self.reasons.push(Skipped { title, why: error.to_string() });
        }
    }
}
