//! Whether files still are what they were: every byte is read.

use crate::{Digest, Error, FilePath, Model, Store, details, manifest};
use std::fs::File;
use std::io;

/// What was found about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: FilePath,
    /// What is with it.
    pub verdict: Verdict,
}

/// What is with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its bytes are what they should be.
    Right(Digest),
    /// Nobody had said what they should be; this is what they are, and it is written down.
    Recorded(Digest),
    /// They are others.
    Wrong {
        /// What they should be.
        expected: Digest,
        /// What they are.
        found: Digest,
    },
    /// The file is not there.
    Missing,
}

impl Verdict {
    /// Whether the file is as it should be.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Right(_) | Self::Recorded(_))
    }
}

impl Store {
    /// Reads every byte of `model` and compares; writes down what was not known, a missing description included.
    /// `step` hears how many more bytes were read, and stops the work by returning false.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Io`]. Wrong and missing files are findings, not errors.
    pub fn verify(&self, model: &Model, mut step: impl FnMut(u64) -> bool) -> Result<Vec<Finding>, Error> {
        let mut manifest = model.manifest.clone();
        let mut findings = Vec::new();
        for file in &mut manifest.files {
            let verdict = match hash(model, file, &mut step)? {
                None => Verdict::Missing,
                Some((found, bytes)) => match file.sha256 {
                    Some(expected) if expected != found => Verdict::Wrong { expected, found },
                    Some(_) => Verdict::Right(found),
                    None => {
                        (file.sha256, file.bytes) = (Some(found), bytes);
                        Verdict::Recorded(found)
                    }
                },
            };
            file.is_verified = verdict.is_good();
            findings.push(Finding { file: file.path.clone(), verdict });
        }
        if !model.is_loose() {
            if let Ok(read) = details::read(&model.path) {
                // What the file does not say of itself, its source may have said.
                let license = manifest.details.license.take();
                manifest.details = read;
                manifest.details.license = license.or(manifest.details.license.take());
            }
            if manifest != model.manifest {
                manifest.save(&model.place)?;
            }
        }
        Ok(findings)
    }
}

fn hash(
    model: &Model,
    file: &manifest::StoredFile,
    step: &mut impl FnMut(u64) -> bool,
) -> Result<Option<(Digest, u64)>, Error> {
    let path = model.path_of(file);
    let mut source = match File::open(&path) {
        Ok(source) => source,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(&path, "open", e)),
    };
    let mut bytes = 0;
    let read = Digest::of_reader(&mut source, |n| {
        bytes += n as u64;
        if step(n as u64) { Ok(()) } else { Err(Error::Stopped) }
    })?;
    let digest = read.map_err(|e| Error::io(&path, "read", e))?;
    Ok(Some((digest, bytes)))
}
