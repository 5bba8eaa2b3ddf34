//! How far a study has come, in a folder beside the file it is for: whatever ends the program, the next run goes on with the layer
//! that was not finished.

#![allow(clippy::disallowed_methods, reason = "a study of hours is kept beside its file")]

use crate::table::{Candidate, Entry, Kept};
use crate::work::Place;
use crate::{Error, Lookups, Part};
use hob_format::{AtomicFile, Commit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Files of the folder: what the study is about, the entries, how far it is, and the factors.
const KEY: &str = "key";
const ENTRIES: &str = "entries";
const STATE: &str = "state";
const FACTORS: &str = "factors";

/// What everything that a study depends on is reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// Of nothing.
    pub fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    /// And of these numbers.
    pub fn and(self, numbers: impl IntoIterator<Item = u64>) -> Self {
        let mix = |key: u64, n: u64| (key ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        Self(numbers.into_iter().fold(self.0, mix))
    }

    /// And of these.
    pub fn and_f32s(self, numbers: &[f32]) -> Self {
        self.and(numbers.iter().map(|x| u64::from(x.to_bits())))
    }

    /// As a number.
    pub fn sum(self) -> u64 {
        self.0
    }

    /// And of this text.
    pub fn and_text(self, text: &str) -> Self {
        self.and(text.bytes().map(u64::from)).and([text.len() as u64])
    }
}

/// A folder with a study that has begun.
pub(crate) struct Journal {
    folder: PathBuf,
    key: Key,
    lines: File,
    /// The entries of the last run, and how far it came.
    pub entries: Vec<Entry>,
    pub state: Option<State>,
}

/// The gradients on their way back.
pub(crate) struct State {
    /// Layers that they have yet to go through.
    pub layers: usize,
    /// All of all tokens, as [`hob_train::Sweep::gradients`] gives them.
    pub gradients: Vec<f32>,
    /// What matrices saw that are not done with: the head where it is the embedding too, and where layers' own inputs come from.
    pub parts: Vec<Part>,
}

/// An entry, as a line of JSON. Costs are bits: what is read is what was written.
#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    shape: Vec<usize>,
    candidates: Vec<(String, u64, u64)>,
    /// Start and end, and the place of the factors with its sum.
    matrices: Vec<(usize, usize, u64, u64)>,
}

impl Journal {
    /// The journal in `folder`, which is made if it is not there and emptied if it is about something else.
    pub fn open(folder: &Path, key: Key) -> Result<Self, Error> {
        let stored = fs::read(folder.join(KEY)).ok();
        if stored.as_deref() != Some(&key.0.to_le_bytes()) {
            if stored.is_some() {
                remove(folder).map_err(Error::Work)?;
            }
            // A folder of somebody else's stays as it is.
            let made = fs::create_dir(folder).and_then(|()| fs::write(folder.join(KEY), key.0.to_le_bytes()));
            made.map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => Error::Folder(folder.to_owned()),
                _ => Error::Work(e),
            })?;
        }
        let path = folder.join(ENTRIES);
        let state = read_state(&folder.join(STATE), key);
        let entries = if state.is_some() { read_lines(&path) } else { Vec::new() };
        let lines = File::options().append(true).create(true).open(&path).map_err(Error::Work)?;
        if entries.is_empty() {
            lines.set_len(0).map_err(Error::Work)?;
        }
        Ok(Self { folder: folder.to_owned(), key, lines, entries, state })
    }

    /// Where the factors go.
    pub fn data(&self) -> PathBuf {
        self.folder.join(FACTORS)
    }

    /// Remembers that `entry` is there.
    pub fn note(&mut self, entry: &Entry) -> Result<(), Error> {
        let line = Line {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
            candidates: entry
                .candidates
                .iter()
                .map(|c| (c.format.to_string(), c.bytes, c.cost.to_bits()))
                .collect(),
            matrices: entry.matrices.iter().map(line_of).collect(),
        };
        let text = serde_json::to_string(&line).expect("plain data is JSON") + "\n";
        self.lines.write_all(text.as_bytes()).map_err(Error::Work)
    }

    /// Remembers how far the gradients are.
    pub fn save<'a>(
        &self,
        layers: usize,
        gradients: impl Iterator<Item = &'a [f32]>,
        parts: &BTreeMap<usize, Part>,
    ) -> Result<(), Error> {
        self.lines.sync_data().map_err(Error::Work)?;
        let mut file = AtomicFile::create(&self.folder.join(STATE))?;
        let mut to = Summed { file: &mut file, sum: self.key };
        let put = || {
            let gradients: Vec<&[f32]> = gradients.collect();
            let count: usize = gradients.iter().map(|g| g.len()).sum();
            to.put_u64s(&[self.key.0, layers as u64, count as u64])?;
            gradients.iter().try_for_each(|g| to.put_f32s(g))?;
            to.put_u64s(&[parts.len() as u64])?;
            parts.values().try_for_each(|part| to.put_part(part))?;
            let sum = to.sum.0;
            to.put_u64s(&[sum])
        };
        put().map_err(Error::Work)?;
        file.commit().map_err(Error::Work)
    }

    /// Forgets everything: the study's files are written.
    pub fn remove(self) {
        // What is left over takes room and does no harm: the next study of this file begins with removing it.
        let _ = remove(&self.folder);
    }
}

/// Removes the files that a journal makes, and the folder if nothing else is in it.
fn remove(folder: &Path) -> io::Result<()> {
    for name in [STATE, ENTRIES, FACTORS, KEY] {
        match fs::remove_file(folder.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    fs::remove_dir(folder)
}

fn line_of(m: &Kept) -> (usize, usize, u64, u64) {
    (m.range.start, m.range.end, m.place.offset, m.place.sum)
}

/// The lines up to the first that is not whole.
fn read_lines(path: &Path) -> Vec<Entry> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    let entry = |line: String| {
        let line: Line = serde_json::from_str(&line).ok()?;
        let candidate = |(format, bytes, cost): (String, u64, u64)| {
            Some(Candidate { format: format.parse().ok()?, bytes, cost: f64::from_bits(cost) })
        };
        let inputs = *line.shape.last()?;
        let kept =
            |(start, end, offset, sum)| Kept { range: start..end, place: Place { offset, inputs, sum } };
        Some(Entry {
            name: line.name,
            shape: line.shape,
            candidates: line.candidates.into_iter().map(candidate).collect::<Option<_>>()?,
            matrices: line.matrices.into_iter().map(kept).collect(),
        })
    };
    lines.map_while(entry).collect()
}

fn read_state(path: &Path, key: Key) -> Option<State> {
    let file = BufReader::new(File::open(path).ok()?);
    let most = file.get_ref().metadata().ok()?.len();
    let mut from = Summed { file, sum: key };
    let [found, layers, count] = *from.u64s(3, most)? else { return None };
    if found != key.0 {
        return None;
    }
    let gradients = from.f32s(count, most)?;
    let parts = from.u64s(1, most)?[0];
    let parts = (0..parts).map(|_| from.part(most)).collect::<Option<_>>()?;
    let sum = from.sum.0;
    (from.u64s(1, most)?[0] == sum).then_some(State { layers: layers as usize, gradients, parts })
}

/// A file, and the sum of what went through it.
struct Summed<F> {
    file: F,
    sum: Key,
}

impl<F: Write> Summed<F> {
    fn put_u64s(&mut self, numbers: &[u64]) -> io::Result<()> {
        self.sum = self.sum.and(numbers.iter().copied());
        numbers.iter().try_for_each(|n| self.file.write_all(&n.to_le_bytes()))
    }

    fn put_f32s(&mut self, numbers: &[f32]) -> io::Result<()> {
        self.sum = self.sum.and_f32s(numbers);
        numbers.iter().try_for_each(|n| self.file.write_all(&n.to_le_bytes()))
    }

    fn put_part(&mut self, part: &Part) -> io::Result<()> {
        let products = u64::from(!part.products.is_empty());
        let width = part.lookups.as_ref().map_or(0, |l| l.width as u64);
        let Range { start, end } = part.range;
        self.put_u64s(&[start as u64, end as u64, part.inputs as u64, products, width])?;
        self.put_f32s(&part.products)?;
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        self.put_u64s(&bits(&part.outputs))?;
        self.put_u64s(&bits(&part.squares))?;
        if let Some(Lookups { blocks, counts, .. }) = &part.lookups {
            self.put_f32s(blocks)?;
            self.put_u64s(&counts.iter().map(|c| u64::from(*c)).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

impl<F: Read> Summed<F> {
    /// `count` numbers; none where a file of `most` bytes cannot have them.
    fn u64s(&mut self, count: u64, most: u64) -> Option<Vec<u64>> {
        let bytes = self.bytes(count.checked_mul(8)?, most)?;
        let numbers: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
        self.sum = self.sum.and(numbers.iter().copied());
        Some(numbers)
    }

    fn f32s(&mut self, count: u64, most: u64) -> Option<Vec<f32>> {
        let bytes = self.bytes(count.checked_mul(4)?, most)?;
        let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        self.sum = self.sum.and_f32s(&numbers);
        Some(numbers)
    }

    fn part(&mut self, most: u64) -> Option<Part> {
        let [start, end, inputs, products, width] = *self.u64s(5, most)? else { return None };
        let outputs = end.checked_sub(start)?.checked_div(inputs)?;
        let products = self.f32s(products.checked_mul(inputs)?.checked_mul(inputs)?, most)?;
        let floats = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect();
        let (out, squares) = (floats(self.u64s(outputs, most)?), floats(self.u64s(inputs, most)?));
        let mut lookups = None;
        if width > 0 {
            let blocks = self.f32s(inputs.checked_mul(width)?, most)?;
            let counts = self.u64s(outputs, most)?.into_iter().map(|c| c as u32).collect();
            lookups = Some(Lookups { width: width as usize, blocks, counts });
        }
        let (range, inputs) = (start as usize..end as usize, inputs as usize);
        Some(Part { range, inputs, products, outputs: out, squares, lookups })
    }

    fn bytes(&mut self, bytes: u64, most: u64) -> Option<Vec<u8>> {
        let mut to = vec![0; usize::try_from(bytes).ok().filter(|_| bytes <= most)?];
        self.file.read_exact(&mut to).ok()?;
        Some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        let candidate = Candidate { format: hob_quant::TensorType::Q4_K.into(), bytes: 144, cost: 0.1 };
        let place = Place { offset: 12, inputs: 256, sum: 7 };
        Entry {
            name: name.into(),
            shape: vec![1, 256],
            candidates: vec![candidate],
            matrices: vec![Kept { range: 5..261, place }],
        }
    }

    #[test]
    fn what_was_noted_is_there_after_the_program_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("x.work"), Key::new().and([1, 2]).and_text("a"));
        let looked_up = Lookups { width: 1, blocks: vec![0.5; 2], counts: vec![1, 0, 2] };
        let part = Part { squares: vec![0.5; 2], lookups: Some(looked_up), ..Part::new(4..10, 2) };
        let parts = BTreeMap::from([(4, part.clone())]);
        let mut journal = Journal::open(&path, key).unwrap();
        assert!(journal.state.is_none());
        journal.note(&entry("first")).unwrap();
        journal.save(3, [&[1.5f32, -2.0][..], &[3.0]].into_iter(), &parts).unwrap();
        journal.note(&entry("second")).unwrap();
        // The program ends in the middle of a line.
        fs::OpenOptions::new().append(true).open(path.join("entries")).unwrap().write_all(b"{\"na").unwrap();
        let again = Journal::open(&path, key).unwrap();
        let state = again.state.as_ref().unwrap();
        assert_eq!((state.layers, &state.gradients[..]), (3, &[1.5, -2.0, 3.0][..]));
        let head = &state.parts[0];
        assert!(head.range == part.range && head.squares == part.squares && head.outputs == part.outputs);
        assert!(head.products == part.products && head.lookups == part.lookups);
        let names: Vec<&str> = again.entries.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(again.entries[0].candidates, entry("first").candidates);
        let place = again.entries[0].matrices[0].place;
        assert_eq!((place.offset, place.sum), (12, 7));
        // Another text, another study.
        let other = Journal::open(&path, Key::new()).unwrap();
        assert!(other.state.is_none() && other.entries.is_empty());
        other.remove();
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mine"), "kept").unwrap();
        assert!(matches!(Journal::open(&path, key), Err(Error::Folder(_))) && path.join("mine").exists());
    }

    #[test]
    fn a_damaged_state_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("x.work"), Key::new());
        let journal = Journal::open(&path, key).unwrap();
        let parts = BTreeMap::from([(0, Part::new(0..4, 2))]);
        journal.save(1, [&[1.0f32][..]].into_iter(), &parts).unwrap();
        let whole = fs::read(path.join("state")).unwrap();
        for cut in 0..whole.len() {
            fs::write(path.join("state"), &whole[..cut]).unwrap();
            assert!(Journal::open(&path, key).unwrap().state.is_none(), "{cut}");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0x10;
            fs::write(path.join(STATE), &other).unwrap();
            assert!(Journal::open(&path, key).unwrap().state.is_none(), "{at}");
        }
        // Counts of more than the file can hold.
        let mut huge = whole;
        huge[16..24].fill(0x7F);
        fs::write(path.join("state"), &huge).unwrap();
        assert!(Journal::open(&path, key).unwrap().state.is_none());
    }
}
