//! The user's own files: targets, the mode, the policy. They are read again for every question, so that a change holds at
//! once, also in a server that runs.

use crate::target::check_name;
use crate::{Error, Mode, Target};
use hob_format::{AtomicFile, Commit};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Folder with a file for each target.
const TARGETS: &str = "targets";
/// File with the mode.
const MODE: &str = "privacy-mode";
/// File with the policy.
const POLICY: &str = "policy.toml";
/// Longest of these files.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Most targets.
const TARGETS_MAX: usize = 256;

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    folder: PathBuf,
}

/// All of them, as text; what is equal means the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub policy: Option<String>,
    pub targets: BTreeMap<String, String>,
}

impl Book {
    /// The files in `folder`, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the policy is, or would be.
    pub fn policy_path(&self) -> PathBuf {
        self.folder.join(POLICY)
    }

    /// What the user said last; offline where nothing was said.
    pub fn mode(&self) -> Result<Mode, Error> {
        let path = self.folder.join(MODE);
        match read(&path)? {
            Some(text) => text.trim().parse().map_err(|found| Error::File { path, found }),
            None => Ok(Mode::default()),
        }
    }

    /// Says it.
    pub fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        write(&self.folder, &self.folder.join(MODE), &format!("{mode}\n"))
    }

    /// Policy and targets as they stand there.
    pub fn read(&self) -> Result<Written, Error> {
        let mut targets = BTreeMap::new();
        let folder = self.folder.join(TARGETS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::Io { path: folder, doing: "read", source }),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(|source| Error::Io { path: folder.clone(), doing: "read", source })?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // Editors leave files of their own.
            let Some(name) = name.strip_suffix(".toml").filter(|name| check_name(name).is_ok()) else {
                continue;
            };
            if targets.len() >= TARGETS_MAX {
                return Err(Error::File { path: folder, found: format!("more than {TARGETS_MAX} targets") });
            }
            if let Some(text) = read(&path)? {
                targets.insert(name.to_owned(), text);
            }
        }
        Ok(Written { policy: read(&self.policy_path())?, targets })
    }

    /// The targets.
    pub fn targets(&self, written: &Written) -> Result<BTreeMap<String, Target>, Error> {
        let parse = |(name, text): (&String, &String)| {
            let wrong = |found: String| Error::File { path: self.target_path(name), found };
            let target: Target = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
            target.check().map_err(|error| wrong(error.to_string()))?;
            Ok((name.clone(), target))
        };
        written.targets.iter().map(parse).collect()
    }

    fn target_path(&self, name: &str) -> PathBuf {
        self.folder.join(TARGETS).join(format!("{name}.toml"))
    }

    /// Where the key of a target is kept that is in no store of secrets.
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.folder.join(TARGETS).join(format!("{name}.key"))
    }

    /// Adds one.
    pub fn add(&self, name: &str, target: &Target) -> Result<(), Error> {
        check_name(name)?;
        target.check()?;
        let path = self.target_path(name);
        if path.exists() {
            return Err(Error::Taken { name: name.to_owned() });
        }
        let text = toml::to_string(target)
            .map_err(|error| Error::File { path: path.clone(), found: error.to_string() })?;
        write(&self.folder.join(TARGETS), &path, &text)
    }

    /// Takes one away, with its key if that is kept beside it.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        let path = self.target_path(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let known = self.read()?.targets.into_keys().collect();
                return Err(no_target(name, known));
            }
            Err(source) => return Err(Error::Io { path, doing: "remove", source }),
        }
        match fs::remove_file(self.key_path(name)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { path: self.key_path(name), doing: "remove", source })
            }
            _ => Ok(()),
        }
    }

    /// Keeps a key beside its target, for nobody else to read.
    pub fn keep_key(&self, name: &str, key: &str) -> Result<PathBuf, Error> {
        check_name(name)?;
        let path = self.key_path(name);
        write(&self.folder.join(TARGETS), &path, key)?;
        Ok(path)
    }
}

/// What is said of a target that is not there.
pub(crate) fn no_target(name: &str, known: Vec<String>) -> Error {
    let known =
        if known.is_empty() { "none (`hob cloud add` adds one)".to_owned() } else { known.join(", ") };
    Error::NoTarget { name: name.chars().take(60).collect(), known }
}

/// A file's text, if it is there.
fn read(path: &Path) -> Result<Option<String>, Error> {
    read_text(path, FILE_BYTES_MAX)
}

/// A file of at most `bytes_max`; nothing where there is none.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<Option<String>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), doing: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > bytes_max {
        let found = format!("longer than {bytes_max} bytes");
        return Err(Error::File { path: path.to_owned(), found });
    }
    Ok(Some(text))
}

/// Writes a file that appears whole and that nobody else may read.
pub(crate) fn write(folder: &Path, path: &Path, text: &str) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), doing: "write", source };
    fs::create_dir_all(folder).map_err(io)?;
    let mut file = AtomicFile::create_private(path).map_err(|error| io(io::Error::other(error)))?;
    file.write_all(text.as_bytes()).and_then(|()| file.commit()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Zone};

    #[test]
    fn targets_are_files_that_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(folder.path().join("data"));
        assert_eq!(book.mode().unwrap(), Mode::Offline);
        assert_eq!(book.read().unwrap(), Written::default());
        let target = Target {
            input_price: 2.5,
            key: Some(crate::KeyFrom::Keyring),
            note: "kept \"30\" days".into(),
            ..Target::new("https://api.example/v1", Protocol::OpenAi, "big-1", Zone::Cloud)
        };
        book.add("big", &target).unwrap();
        assert!(matches!(book.add("big", &target), Err(Error::Taken { .. })));
        assert!(matches!(book.add("../big", &target), Err(Error::Name { .. })));
        let written = book.read().unwrap();
        assert_eq!(book.targets(&written).unwrap(), BTreeMap::from([("big".into(), target)]));
        book.keep_key("big", "sk-1").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(book.key_path("big")).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
        book.remove("big").unwrap();
        assert!(!book.key_path("big").exists());
        assert!(matches!(book.remove("big"), Err(Error::NoTarget { .. })));
        book.set_mode(Mode::Hybrid).unwrap();
        assert_eq!(book.mode().unwrap(), Mode::Hybrid);
    }

    #[test]
    fn files_that_make_no_sense_are_refused_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(folder.path().to_owned());
        fs::write(folder.path().join(MODE), "open").unwrap();
        assert!(book.mode().unwrap_err().to_string().contains("privacy-mode"));
        fs::create_dir(folder.path().join(TARGETS)).unwrap();
        fs::write(folder.path().join(TARGETS).join("big.toml"), "adress = 1").unwrap();
        fs::write(folder.path().join(TARGETS).join("big.toml~"), "left by an editor").unwrap();
        let error = book.targets(&book.read().unwrap()).unwrap_err().to_string();
        assert!(error.contains("big.toml") && error.contains("adress"), "{error}");
    }
}
