//! Folders whose files are never read for a model elsewhere, however somebody gets to them.
//!
//! A file is looked at in all places by which it is reached: as it was named, where each link on the way lies, be it a link to
//! a folder or to a file, and where it is in the end. Folders are compared by what the file system says they are, so that links,
//! `..` and other capitals are no way round; and by their names without regard to capitals and to how accents are written, for a
//! folder that is not there or was written in others. A second name of the same file (a hard link) cannot be told from a file of
//! its own, nor a copy.

use crate::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// Links that are followed one by one; systems give up at about as many.
const LINKS_MAX: usize = 40;

/// Where `file` is, unless it lies in one of `folders`.
pub(crate) fn may_read(file: &Path, folders: &[String], home: Option<&Path>) -> Result<PathBuf, Error> {
    let lost = |source| Error::Io { path: file.to_owned(), doing: "find", source };
    let real = fs::canonicalize(file).map_err(lost)?;
    if folders.is_empty() {
        return Ok(real);
    }
    let mut places = places(file).map_err(lost)?;
    places.push(real.clone());
    for folder in folders {
        let marked = Marked::of(folder, home)?;
        if places.iter().any(|place| marked.holds(place)) {
            return Err(Error::PrivateFolder { file: file.to_owned(), folder: folder.clone() });
        }
    }
    Ok(real)
}

/// The file as it is named, and each link on the way to it. The way is walked as the system does it, step by step: a link to a
/// folder may lie in another folder than the file that is behind it.
fn places(file: &Path) -> io::Result<Vec<PathBuf>> {
    let named = std::path::absolute(file)?;
    let steps = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|step| step.as_os_str().to_owned()).collect()
    };
    let (mut left, mut at, mut links) = (steps(&named), PathBuf::new(), 0);
    let mut places = vec![without_dots(&named)];
    while let Some(step) = left.pop() {
        if step == ".." {
            at.pop();
        } else if step != "." {
            let here = at.join(step);
            match fs::read_link(&here) {
                Ok(to) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::Error::other(format!("more than {LINKS_MAX} links on the way")));
                    }
                    // What it says counts from where it lies, or from the root.
                    left.extend(steps(&to));
                    places.push(here);
                }
                // No link.
                Err(_) => at = here,
            }
        }
    }
    places.push(at);
    Ok(places)
}

/// A folder that is marked.
struct Marked {
    /// Its names, as [`plain`] writes them.
    names: Vec<String>,
    /// What the file system takes for it, if it is there.
    identity: Option<Identity>,
}

impl Marked {
    fn of(folder: &str, home: Option<&Path>) -> Result<Self, Error> {
        let path = match (folder.strip_prefix('~'), home) {
            (None, _) => PathBuf::from(folder),
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
            (Some(_), None) => {
                let source = io::Error::new(io::ErrorKind::NotFound, "the home folder is not known");
                return Err(Error::Io { path: folder.into(), doing: "find", source });
            }
        };
        let mut names = vec![plain(&without_dots(&path))];
        let identity = match fs::canonicalize(&path) {
            Ok(real) => {
                names.push(plain(&real));
                identity(&real)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::Io { path, doing: "find", source }),
        };
        Ok(Self { names, identity })
    }

    /// Whether a place is in it.
    fn holds(&self, place: &Path) -> bool {
        place.ancestors().any(|above| {
            self.names.contains(&plain(above)) || self.identity.is_some() && self.identity == identity(above)
        })
    }
}

/// A path in small letters, with accents apart from them: some systems keep `é` as one character and some as two.
fn plain(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.nfd().collect::<String>().to_lowercase().nfd().collect()
}

/// A path without `.` and `..`, as it reads.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Elsewhere the real names are all that there is.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<Identity> {
    None
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A home with a private folder, a file in it and one beside it.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for folder in ["medical/2025", "medicalother", "notes"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        for file in ["medical/a.txt", "medical/2025/b.txt", "medicalother/c.txt", "notes/d.txt"] {
            fs::write(home.path().join(file), "text").unwrap();
        }
        home
    }

    fn check(home: &Path, folders: &[&str], file: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let folders: Vec<String> = folders.iter().map(|&folder| folder.to_owned()).collect();
        may_read(&home.join(file), &folders, Some(home))
    }

    #[test]
    fn files_of_a_private_folder_are_refused_however_they_are_reached() {
        let (dir, marked) = (home(), ["~/medical"]);
        let home = dir.path();
        symlink(home.join("medical"), home.join("link")).unwrap();
        symlink(home.join("medical/2025/b.txt"), home.join("notes/report")).unwrap();
        symlink("report", home.join("notes/again")).unwrap();
        // Out of the private folder: it was put there, so its name lies in it.
        symlink(home.join("notes/d.txt"), home.join("medical/out")).unwrap();
        symlink(home.join("medical/out"), home.join("notes/round")).unwrap();
        for file in [
            "medical/a.txt",
            "medical/2025/b.txt",
            "notes/../medical/a.txt",
            "./medical/./2025/../a.txt",
            "link/a.txt",
            "link/2025/../../link/a.txt",
            "notes/report",
            "notes/again",
            "medical/out",
            "notes/round",
        ] {
            let refused = check(home, &marked, file).unwrap_err();
            assert_eq!(refused.kind(), "private", "{file}");
            let told = refused.to_string();
            assert!(told.contains(file) && told.contains("\"~/medical\""), "{told}");
        }
        for file in ["notes/d.txt", "medicalother/c.txt", "medical/../notes/d.txt"] {
            let real = check(home, &marked, file).unwrap();
            assert_eq!(real, fs::canonicalize(home.join(file)).unwrap());
        }
    }

    #[test]
    fn links_to_folders_are_no_way_round() {
        let (dir, marked) = (home(), ["~/medical"]);
        let home = dir.path();
        fs::create_dir(home.join("notes/deep")).unwrap();
        fs::write(home.join("notes/deep/e.txt"), "text").unwrap();
        // Put into the private folder: what is read through it is the folder's.
        symlink(home.join("notes"), home.join("medical/all")).unwrap();
        symlink("medical/all/deep", home.join("through")).unwrap();
        symlink("../through", home.join("notes/again")).unwrap();
        // Into it from elsewhere, and only past it.
        symlink("../medical", home.join("notes/in")).unwrap();
        symlink("../notes/in/2025", home.join("notes/further")).unwrap();
        symlink("medical/../notes", home.join("past")).unwrap();
        let refused = [
            "medical/all/d.txt",
            "through/e.txt",
            "through/../d.txt",
            "notes/again/e.txt",
            "notes/in/a.txt",
            "notes/further/b.txt",
            "past/in/2025/b.txt",
        ];
        for file in refused {
            let refused = check(home, &marked, file).map_err(|error| error.kind());
            assert_eq!(refused, Err("private"), "{file}");
        }
        for file in ["notes/deep/e.txt", "past/d.txt", "past/deep/../d.txt"] {
            assert!(check(home, &marked, file).is_ok(), "{file}");
        }
    }

    #[test]
    fn accents_may_be_written_in_two_ways() {
        let dir = home();
        let (one, two) = ("\u{e4}rzte", "a\u{308}rzte");
        fs::create_dir(dir.path().join(two)).unwrap();
        fs::write(dir.path().join(two).join("f.txt"), "text").unwrap();
        for folder in [one, two, "\u{c4}RZTE"] {
            let marked = format!("~/{folder}");
            let refused = check(dir.path(), &[&marked], format!("{two}/f.txt")).unwrap_err();
            assert_eq!(refused.kind(), "private", "{folder}");
        }
        assert!(check(dir.path(), &["~/arzte"], format!("{two}/f.txt")).is_ok());
    }

    #[test]
    fn folders_may_be_named_in_many_ways() {
        let dir = home();
        let home = dir.path();
        symlink(home.join("medical"), home.join("link")).unwrap();
        let whole = home.join("medical").display().to_string();
        let dotted = format!("{}/notes/../medical/", home.display());
        for folder in
            [whole.as_str(), &dotted, "~/medical/", "~/link", "~/MEDICAL", "~/notes/../Medical", "~", "~/"]
        {
            let refused = check(home, &["/not/there", folder], "medical/2025/b.txt").unwrap_err();
            assert_eq!(refused.kind(), "private", "{folder}");
        }
        // The other way round: a file system that takes capitals for the same shows the one folder under both names.
        assert!(check(home, &["~/absent", "/not/there"], "medical/a.txt").is_ok());
        fs::create_dir(home.join("Medical")).unwrap();
        fs::write(home.join("Medical/e.txt"), "text").unwrap();
        assert_eq!(check(home, &["~/medical"], "Medical/e.txt").unwrap_err().kind(), "private");
    }

    #[test]
    fn what_cannot_be_known_is_refused() {
        let dir = home();
        let marked = ["~/medical".to_owned()];
        assert_eq!(may_read(&dir.path().join("notes/d.txt"), &marked, None).unwrap_err().kind(), "settings");
        assert_eq!(check(dir.path(), &["~/medical"], "notes/none.txt").unwrap_err().kind(), "settings");
        // A file where a folder should be on the way.
        assert!(check(dir.path(), &["~/notes/d.txt/x"], "notes/d.txt").is_err());
        symlink(dir.path().join("loop"), dir.path().join("loop")).unwrap();
        assert!(check(dir.path(), &["~/medical"], "loop").is_err());
    }
}
