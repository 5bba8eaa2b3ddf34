//! Writing a Hugging Face directory that appears whole or not at all.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::write::{AtomicFile, Commit};
use crate::{Error, SafetensorsLayout, SafetensorsWriter};

/// Attempts at an unused temporary name; more than one is needed only after a crash of a process with our id.
const NAMES_MAX: u32 = 1000;

/// A directory written under a temporary name beside the target and renamed to it by [`HfWriter::finish`].
///
/// Dropping it unfinished removes what was written. A killed process leaves a `.NAME.PID-N.tmp` behind, never a half directory
/// under the final name.
#[derive(Debug)]
pub struct HfWriter {
    temporary: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl HfWriter {
    /// Starts the directory that will be at `target`, where nothing may be yet. The one around it must exist.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the file system, also where `target` is taken.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let taken = |what| io::Error::new(io::ErrorKind::AlreadyExists, what);
        let Some(name) = target.file_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no directory");
            return Err(Error::io(target, "create", source));
        };
        if target.symlink_metadata().is_ok() {
            return Err(Error::io(target, "create", taken("something of that name is there already")));
        }
        for attempt in 0..NAMES_MAX {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let temporary = target.with_file_name(hidden);
            match std::fs::create_dir(&temporary) {
                Ok(()) => return Ok(Self { temporary, target: target.to_owned(), finished: false }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io(&temporary, "create", e)),
            }
        }
        Err(Error::io(target, "create", taken("too many old temporary directories beside it")))
    }

    /// Writes a file of the directory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from the file system.
    pub fn file(&self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let path = self.temporary.join(name);
        let mut file = AtomicFile::create(&path)?;
        file.write_all(contents).and_then(|()| file.commit()).map_err(|e| Error::io(&path, "write", e))
    }

    /// Starts `model.safetensors`. Finish it before the directory.
    ///
    /// # Errors
    ///
    /// As [`SafetensorsWriter::create`].
    pub fn tensors(&self, layout: &SafetensorsLayout) -> Result<SafetensorsWriter<AtomicFile>, Error> {
        SafetensorsWriter::create(&self.temporary.join("model.safetensors"), layout)
    }

    /// Gives the directory its name.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also where something took the name meanwhile.
    pub fn finish(mut self) -> Result<(), Error> {
        std::fs::rename(&self.temporary, &self.target).map_err(|e| Error::io(&self.target, "finish", e))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for HfWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_dir_all(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, HfModel};
    use hob_quant::TensorType;

    fn names(dir: &Path) -> Vec<String> {
        let list = std::fs::read_dir(dir).unwrap();
        list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn directories_appear_whole_or_not_at_all() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("model");
        let writer = HfWriter::create(&target).unwrap();
        writer.file("config.json", b"{}").unwrap();
        assert!(!target.exists());
        drop(writer);
        assert!(names(around.path()).is_empty());

        let writer = HfWriter::create(&target).unwrap();
        writer.file("config.json", br#"{"a": 1}"#).unwrap();
        let mut layout = SafetensorsLayout::new();
        layout.tensor("x", Dtype::Block(TensorType::F32), &[1]);
        let mut tensors = writer.tensors(&layout).unwrap();
        tensors.begin("x").unwrap();
        tensors.write(&1.5f32.to_le_bytes()).unwrap();
        tensors.finish().unwrap();
        writer.finish().unwrap();
        assert_eq!(names(around.path()), ["model"]);
        let read = HfModel::open(&target).unwrap();
        assert_eq!((read.config["a"].as_u64(), read.tensors.len()), (Some(1), 1));
    }

    #[test]
    fn what_is_there_stays() {
        let around = tempfile::tempdir().unwrap();
        assert!(matches!(HfWriter::create(around.path()), Err(Error::Io { .. })));
        assert!(HfWriter::create(Path::new("/")).is_err());
        let target = around.path().join("model");
        let writer = HfWriter::create(&target).unwrap();
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("x"), "theirs").unwrap();
        assert!(writer.finish().is_err());
        assert_eq!(names(around.path()), ["model"]);
    }
}
