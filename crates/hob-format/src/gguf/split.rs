//! Models stored in several GGUF files named `NAME-00001-of-00003.gguf`.

use std::path::{Path, PathBuf};

use super::Gguf;
use crate::{Error, Metadata, TensorTable};

/// What a part says of itself: `split.no`, `split.count` and `split.tensors.count`.
pub(super) struct Part {
    number: usize,
    count: usize,
    tensor_count: Option<usize>,
}

impl Part {
    /// The split fields, if the file is one of several.
    pub(super) fn of(file: &str, metadata: &Metadata) -> Result<Option<Self>, Error> {
        let count = metadata.usize("split.count")?.unwrap_or(0);
        if count < 2 {
            return Ok(None);
        }
        // Five digits in the file name.
        if count > 99_999 {
            return Err(mismatch(file, "split.count", "at most 99999", count));
        }
        let number = metadata.usize("split.no")?.unwrap_or(0);
        if number >= count {
            return Err(mismatch(file, "split.no", format!("less than {count}"), number));
        }
        Ok(Some(Self { number, count, tensor_count: metadata.usize("split.tensors.count")? }))
    }

    /// The error for a part that came without a name to find the others by.
    pub(super) fn alone(&self, file: &str) -> Error {
        mismatch(file, "split.count", "a whole model", format!("part {} of {}", self.number + 1, self.count))
    }
}

/// The set that `part` (already opened from `path`) belongs to.
pub(super) fn open_set(path: &Path, opened: Gguf, part: Part) -> Result<Gguf, Error> {
    let file = path.display().to_string();
    let Some(name) = SplitName::of(path) else {
        let expected = format!("NAME-{:05}-of-{:05}.gguf", part.number + 1, part.count);
        return Err(mismatch(&file, "file name", expected, file.clone()));
    };
    if (name.number, name.count) != (part.number + 1, part.count) {
        let expected = format!("part {} of {} as the name says", name.number, name.count);
        return Err(mismatch(
            &file,
            "split.no",
            expected,
            format!("part {} of {}", part.number + 1, part.count),
        ));
    }
    let mut opened = Some(opened);
    let mut parts = Vec::new();
    for number in 1..=part.count {
        if number == name.number {
            parts.push(opened.take().expect("the part opened first comes up once"));
        } else {
            parts.push(open_part(&name, number, &part)?);
        }
    }
    join(&file, parts, &part)
}

fn open_part(name: &SplitName, number: usize, like: &Part) -> Result<Gguf, Error> {
    let path = name.path(number);
    if !path.is_file() {
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::Missing {
            dir,
            wanted,
            hint: "download every part of the model into this directory",
        });
    }
    let (gguf, part) = Gguf::open_one(&path)?;
    let file = path.display().to_string();
    let found = part.map(|p| (p.number + 1, p.count));
    if found != Some((number, like.count)) {
        let found = found.map_or("a whole model".to_owned(), |(n, count)| format!("part {n} of {count}"));
        return Err(mismatch(&file, "split.no", format!("part {number} of {}", like.count), found));
    }
    Ok(gguf)
}

fn join(file: &str, parts: Vec<Gguf>, part: &Part) -> Result<Gguf, Error> {
    let mut paths = Vec::new();
    let mut tables = Vec::new();
    let mut file_bytes = 0;
    let mut first = None;
    for gguf in parts {
        paths.extend(gguf.paths);
        tables.push(gguf.tensors);
        file_bytes += gguf.file_bytes;
        first.get_or_insert((gguf.metadata, gguf.version));
    }
    let (metadata, version) = first.expect("a set has at least two parts");
    let tensors = TensorTable::concat(file, tables)?;
    if let Some(expected) = part.tensor_count.filter(|&n| n != tensors.len()) {
        return Err(mismatch(
            file,
            "split.tensors.count",
            format!("{expected} tensors in all"),
            tensors.len(),
        ));
    }
    Ok(Gguf { metadata, tensors, version, file_bytes, paths })
}

fn mismatch(file: &str, place: &'static str, expected: impl Into<String>, found: impl ToString) -> Error {
    Error::Split { file: file.to_owned(), place, expected: expected.into(), found: found.to_string() }
}

/// A path of the form `DIR/NAME-00001-of-00003.gguf`.
pub(crate) struct SplitName {
    dir: PathBuf,
    stem: String,
    number: usize,
    count: usize,
}

impl SplitName {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let rest = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let five_digits =
            |s: &str| (s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok())?;
        let (number, count) = (five_digits(number)?, five_digits(count)?);
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        (1..=count).contains(&number).then(|| Self { dir, stem: stem.to_owned(), number, count })
    }

    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.dir.join(format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_names_parse_and_rebuild() {
        let name = SplitName::of(Path::new("d/big-model-00002-of-00003.gguf")).unwrap();
        assert_eq!((name.number, name.count), (2, 3));
        assert_eq!(name.path(1), Path::new("d/big-model-00001-of-00003.gguf"));
        for other in [
            "model.gguf",
            "m-2-of-3.gguf",
            "m-00004-of-00003.gguf",
            "m-00000-of-00003.gguf",
            "m-+0001-of-00003.gguf",
        ] {
            assert!(SplitName::of(Path::new(other)).is_none(), "{other}");
        }
    }
}
