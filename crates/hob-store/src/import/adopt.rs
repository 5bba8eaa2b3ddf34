//! A candidate becomes a model of the store: its files are shared where the disk can, referred to where it cannot.

use super::{Candidate, CandidateFile};
use crate::{Digest, Error, Manifest, Model, ModelName, Source, Store, StoredFile, details, disk};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What may be done with another program's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Shared blocks or a second name for the same file; where neither is possible, a reference to where it lies.
    Share,
    /// A copy of every byte.
    Copy,
}

/// How a model was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// A copy that shares the original's blocks until one of the two changes.
    Reflink,
    /// A second name for the same file.
    HardLink,
    /// The store only knows where the files are.
    Reference,
    /// Every byte was copied.
    Copy,
}

impl Store {
    /// Adopts `candidate` as the model `name`. Nothing of the original changes, and nothing is copied unless asked. `step`
    /// hears how many more bytes were read to compute digests that nobody knew, and stops the work by returning false.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Import`] when the files are no model that Hob can read, [`Error::Stopped`],
    /// [`Error::Io`].
    pub fn adopt(
        &self,
        candidate: &Candidate,
        name: &ModelName,
        how: How,
        step: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Model, Adoption), Error> {
        if self.get(name)?.is_some() {
            return Err(Error::Exists { name: name.to_string() });
        }
        // Before anything is hashed: most mistakes show here.
        let opens = opens_at(candidate);
        let details = details::read(&opens)
            .map_err(|e| Error::Import { path: candidate.place.clone(), found: e.to_string() })?;
        let building = self.building(name)?;
        let result = self.build(candidate, name, how, &building, step);
        let (mut manifest, adoption) = match result {
            Ok(built) => built,
            Err(error) => {
                disk::remove(&building)?;
                return Err(error);
            }
        };
        if adoption == Adoption::Reference {
            manifest.outside = Some(opens);
        }
        let license = candidate.settings.license_text.as_deref().and_then(crate::hub::ollama::first_line);
        manifest.details = details;
        manifest.details.license = manifest.details.license.take().or(license);
        manifest.settings = candidate.settings.clone();
        manifest.save(&building)?;
        Ok((self.install(&building, name)?, adoption))
    }

    fn build(
        &self,
        candidate: &Candidate,
        name: &ModelName,
        how: How,
        building: &Path,
        step: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Manifest, Adoption), Error> {
        let adoption = match how {
            How::Copy => Adoption::Copy,
            How::Share => share(candidate, building)?,
        };
        let mut files = Vec::new();
        for file in &candidate.files {
            let target = file.path.below(building);
            if adoption == Adoption::Copy {
                disk::make_folder(target.parent().unwrap_or(building))?;
                fs::copy(&file.from, &target).map_err(|e| Error::io(&target, "copy", e))?;
            }
            let (sha256, is_verified) = match file.sha256 {
                // What another program calls a file is believed until `hob verify` reads it, unless it was just copied.
                Some(named) if adoption != Adoption::Copy => (named, false),
                named => (digest(file, named, step)?, true),
            };
            let outside = (adoption == Adoption::Reference).then(|| file.from.clone());
            let (path, bytes) = (file.path.clone(), file.bytes);
            files.push(StoredFile { path, outside, bytes, sha256: Some(sha256), is_verified });
        }
        let source =
            Source::Adopted { path: candidate.place.clone(), program: candidate.program.map(str::to_owned) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok((Manifest::new(name.clone(), source, files, now), adoption))
    }
}

/// Makes the second path share the bytes of the first, if it can.
type Link = fn(&Path, &Path) -> bool;

/// Shares all files one way; none is left behind when one cannot be shared.
fn share(candidate: &Candidate, building: &Path) -> Result<Adoption, Error> {
    let ways: [(Adoption, Link); 2] = [
        (Adoption::Reflink, disk::reflink),
        (Adoption::HardLink, |from, to| fs::hard_link(from, to).is_ok()),
    ];
    for (adoption, link) in ways {
        let mut made = Vec::new();
        for file in &candidate.files {
            let target = file.path.below(building);
            disk::make_folder(target.parent().unwrap_or(building))?;
            if !link(&file.from, &target) {
                break;
            }
            made.push(target);
        }
        if made.len() == candidate.files.len() {
            return Ok(adoption);
        }
        made.iter().try_for_each(|path| disk::remove(path))?;
    }
    Ok(Adoption::Reference)
}

fn digest(
    file: &CandidateFile,
    named: Option<Digest>,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Digest, Error> {
    let mut source = fs::File::open(&file.from).map_err(|e| Error::io(&file.from, "open", e))?;
    let read = Digest::of_reader(&mut source, |n| if step(n as u64) { Ok(()) } else { Err(Error::Stopped) })?;
    let found = read.map_err(|e| Error::io(&file.from, "read", e))?;
    match named {
        Some(expected) if expected != found => {
            Err(Error::WrongDigest { file: file.from.display().to_string(), expected, found })
        }
        _ => Ok(found),
    }
}

/// What opens the candidate where it lies.
fn opens_at(candidate: &Candidate) -> PathBuf {
    let is_gguf = |f: &&CandidateFile| f.path.as_str().to_ascii_lowercase().ends_with(".gguf");
    match candidate.files.iter().find(is_gguf) {
        Some(file) => file.seen.clone(),
        // In the Hugging Face cache the snapshot is the folder that has all files side by side.
        None => candidate.place.clone(),
    }
}
