//! Folders whose conversations never leave this machine, whatever a router or a person says of one of them.
//!
//! The mark belongs to the name: a folder is there as long as a conversation lies in it, and the mark outlives that. Whoever
//! puts something into a folder of that name again finds it private.

use crate::{Chats, Error, Id, limits};
use rusqlite::Connection;
use unicode_normalization::UnicodeNormalization;

impl Chats {
    /// The folders that are marked, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn private_folders(&self) -> Result<Vec<String>, Error> {
        let folders = self.pool().read(|db| {
            let mut statement =
                db.prepare("SELECT folder FROM private_folders ORDER BY folder").map_err(self.told())?;
            let rows = statement.query_map([], |row| row.get(0));
            rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(self.told())
        })?;
        Ok(folders.unwrap_or_default())
    }

    /// Marks a folder, or takes the mark away; says whether that changed anything.
    ///
    /// # Errors
    /// [`Error::Field`] for a name that no folder has, or the file cannot be written.
    pub fn set_private_folder(&self, folder: &str, is_private: bool) -> Result<bool, Error> {
        crate::error::bytes("folder", folder, limits::FOLDER_BYTES_MAX)?;
        if folder.trim().is_empty() {
            let expected = "the name of a folder".into();
            return Err(Error::Field { field: "folder", expected, found: "none".into() });
        }
        if !is_private {
            // Nothing is made only to find that nothing is there.
            let marks: Vec<String> =
                self.private_folders()?.into_iter().filter(|name| are_alike(name, folder)).collect();
            if marks.is_empty() {
                return Ok(false);
            }
            return self.pool().write(|db| {
                for mark in &marks {
                    let gone = db.execute("DELETE FROM private_folders WHERE folder = ?1", [mark]);
                    gone.map_err(self.told())?;
                }
                Ok(true)
            });
        }
        self.pool().write(|db| {
            let count = "SELECT count(*) FROM private_folders";
            let count: i64 = db.query_row(count, [], |row| row.get(0)).map_err(self.told())?;
            if count >= limits::PRIVATE_FOLDERS_MAX as i64 {
                let expected = format!("at most {} private folders", limits::PRIVATE_FOLDERS_MAX);
                return Err(Error::Field { field: "folder", expected, found: "one more".into() });
            }
            let set = "INSERT INTO private_folders (folder) VALUES (?1) ON CONFLICT DO NOTHING";
            db.execute(set, [folder]).map(|count| count > 0).map_err(self.told())
        })
    }

    /// Whether a question must stay here: it is asked in this conversation, or in one that lies in this folder or is about
    /// to. A conversation that is not kept yet is as private as the folder that is named beside it.
    ///
    /// # Errors
    /// The file cannot be read, so nobody knows; then it has to stay.
    pub fn must_stay(&self, chat: Option<&Id>, folder: Option<&str>) -> Result<bool, Error> {
        let stays = self.pool().read(|db| {
            let kept = chat.map(|chat| self.row(db, chat)).transpose()?.flatten();
            let chat = kept.map(|(chat, ..)| chat);
            if chat.as_ref().is_some_and(|chat| chat.is_private) {
                return Ok(true);
            }
            let lies = chat.as_ref().and_then(|chat| chat.folder.as_deref());
            for folder in folder.into_iter().chain(lies) {
                if self.is_marked(db, folder)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        Ok(stays.unwrap_or(false))
    }

    /// Whether a folder is marked, capitals, blanks at the ends and how accents are written aside: too much staying does no harm.
    pub(crate) fn is_marked(&self, db: &Connection, folder: &str) -> Result<bool, Error> {
        let mut statement = db.prepare("SELECT folder FROM private_folders").map_err(self.told())?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0));
        let marks: Vec<String> = rows.and_then(Iterator::collect).map_err(self.told())?;
        Ok(marks.iter().any(|mark| are_alike(mark, folder)))
    }
}

fn are_alike(mark: &str, folder: &str) -> bool {
    // Keyboards write an accented letter as one character or as two, and nobody sees which.
    let plain =
        |name: &str| -> String { name.trim().nfd().collect::<String>().to_lowercase().nfd().collect() };
    plain(mark) == plain(folder)
}
