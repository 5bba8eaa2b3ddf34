//! What was learned on this machine: when its models' answers are right, a file for each, named after its weights; and where the
//! user did not agree with the router.

use crate::book::{read_text, write};
use crate::{Cloud, Error};
use hob_router::{Confidence, Corrections};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Folder with these files.
const FOLDER: &str = "confidence";
/// The file with the user's corrections in it.
const CORRECTIONS: &str = "corrections.json";
/// Longest of them: as many questions as are remembered take a fifth of it.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// What tells whether a file has changed since it was read: when it was written, and its length.
type Stamp = (Option<SystemTime>, u64);

/// What was read from files.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    models: Mutex<BTreeMap<String, (Stamp, Arc<Confidence>)>>,
    corrections: Mutex<Option<(Stamp, Arc<Corrections>)>>,
}

impl Cloud {
    /// What is known of the answers of a model of this machine, by the fingerprint of its weights; nothing where it was never
    /// calibrated.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn confidence(&self, model: &str) -> Result<Option<Arc<Confidence>>, Error> {
        let path = self.confidence_path(model)?;
        let Some(stamp) = stamp(&path)? else { return Ok(None) };
        let mut known = locked(&self.learned().models);
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

    /// Whether anything may be known of any model's answers.
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

    /// Where the user did not agree with the router.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn corrections(&self) -> Result<Arc<Corrections>, Error> {
        self.read_corrections(&mut locked(&self.learned().corrections))
    }

    /// Remembers that the local answer to `prompt` suffices, or that it does not.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn correct(&self, prompt: &str, suffices: bool) -> Result<(), Error> {
        // Held until it is written: two corrections at once are both remembered.
        let mut known = locked(&self.learned().corrections);
        let mut corrections = (*self.read_corrections(&mut known)?).clone();
        corrections.remember(prompt, suffices);
        write(self.folder(), &self.folder().join(CORRECTIONS), &corrections.to_json())
    }

    /// Forgets all of that; gives how many corrections there were.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget_corrections(&self) -> Result<usize, Error> {
        let count = self.corrections().map_or(0, |corrections| corrections.len());
        let path = self.folder().join(CORRECTIONS);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { path, doing: "remove", source })
            }
            _ => Ok(count),
        }
    }

    fn read_corrections(
        &self,
        known: &mut Option<(Stamp, Arc<Corrections>)>,
    ) -> Result<Arc<Corrections>, Error> {
        let path = self.folder().join(CORRECTIONS);
        let Some(stamp) = stamp(&path)? else { return Ok(Arc::default()) };
        if let Some((_, corrections)) = known.as_ref().filter(|(read, _)| *read == stamp) {
            return Ok(Arc::clone(corrections));
        }
        let text = read_text(&path, FILE_BYTES_MAX)?.unwrap_or_default();
        let made = Corrections::from_json(&text);
        let made = Arc::new(made.map_err(|error| Error::File { path, found: error.to_string() })?);
        *known = Some((stamp, Arc::clone(&made)));
        Ok(made)
    }
}

/// The stamp of a file; none where there is no file.
fn stamp(path: &Path) -> Result<Option<Stamp>, Error> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.modified().ok(), found.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), doing: "read", source }),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
