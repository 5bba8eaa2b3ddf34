//! What is known of the answers of this machine's models: a file for each, named after its weights.

use crate::book::{read_text, write};
use crate::{Cloud, Error};
use hob_router::Confidence;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Folder with these files.
const FOLDER: &str = "confidence";
/// Longest of them: as many questions as are remembered take a fifth of it.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Files that were read.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, (Stamp, Arc<Confidence>)>>);

/// What tells whether a file has changed since: when it was written, and its length.
type Stamp = (Option<SystemTime>, u64);

impl Cloud {
    /// What is known of the answers of a model of this machine, by the fingerprint of its weights; nothing where it was never
    /// calibrated.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn confidence(&self, model: &str) -> Result<Option<Arc<Confidence>>, Error> {
        let path = self.confidence_path(model)?;
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { path, doing: "read", source }),
        };
        let stamp = (found.modified().ok(), found.len());
        let mut known = self.known().0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, confidence)) = known.get(model)
            && *read == stamp
        {
            return Ok(Some(Arc::clone(confidence)));
        }
        let Some(text) = read_text(&path, FILE_BYTES_MAX)? else { return Ok(None) };
        let wrong = |found: String| Error::File { path: path.clone(), found };
        let made = Confidence::from_json(&text).map_err(|error| wrong(error.to_string()))?;
        if made.model() != model {
            return Err(wrong(format!("what is known of other weights, {}", made.model())));
        }
        let made = Arc::new(made);
        known.insert(model.to_owned(), (stamp, Arc::clone(&made)));
        Ok(Some(made))
    }

    /// Keeps it, in place of what was known before; gives the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_confidence(&self, confidence: &Confidence) -> Result<PathBuf, Error> {
        let path = self.confidence_path(confidence.model())?;
        write(&self.folder().join(FOLDER), &path, &confidence.to_json())?;
        Ok(path)
    }

    /// Whether anything is known of any model's answers.
    pub fn knows_answers(&self) -> bool {
        fs::read_dir(self.folder().join(FOLDER)).is_ok_and(|mut files| files.next().is_some())
    }

    fn confidence_path(&self, model: &str) -> Result<PathBuf, Error> {
        let folder = self.folder().join(FOLDER);
        let is_plain = !model.is_empty() && model.bytes().all(|b| b.is_ascii_hexdigit());
        match is_plain {
            true => Ok(folder.join(format!("{model}.json"))),
            false => Err(Error::File { path: folder, found: format!("the fingerprint {model:?}") }),
        }
    }
}
