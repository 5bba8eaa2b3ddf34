//! What is learned of a model's matrices while it is read, on disk: for a large model it is larger than memory, and it is needed
//! again when the plan is made.

use crate::journal::Key;
use crate::{Error, Feedback};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

/// Numbers that are written and read at a time.
const AT_ONCE: usize = 1 << 16;

/// A file without a name, which is gone when the program ends, however it ends; or one that a later run goes on with.
pub(crate) struct WorkFile {
    file: Mutex<File>,
    end: u64,
}

/// Where the factors of a matrix stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub offset: u64,
    pub inputs: usize,
    /// Of all numbers.
    pub sum: u64,
}

impl Place {
    fn end(self) -> u64 {
        let n = self.inputs as u64;
        self.offset + 4 * (2 * n + n * n.saturating_sub(1) / 2)
    }
}

impl WorkFile {
    /// The file at `path`, of which `kept` is still wanted; made if it is not there.
    pub fn at(path: &Path, kept: impl Iterator<Item = Place>) -> Result<Self, Error> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        Ok(Self {
            file: Mutex::new(file.map_err(Error::Work)?),
            end: kept.map(Place::end).max().unwrap_or(0),
        })
    }

    /// One without a name in the folder `folder`.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        Ok(Self { file: Mutex::new(tempfile::tempfile_in(folder).map_err(Error::Work)?), end: 0 })
    }

    /// Keeps the factors of a form, and the importance of its columns.
    pub fn keep(&mut self, feedback: &Feedback, importance: &[f32]) -> Result<Place, Error> {
        let (offset, n) = (self.end, feedback.weights.len());
        let file = self.file.get_mut().expect("nothing panics while it holds the file");
        file.seek(SeekFrom::Start(offset)).map_err(Error::Work)?;
        let mut out = Vec::with_capacity(4 * AT_ONCE);
        let mut put = |numbers: &[f32]| {
            for numbers in numbers.chunks(AT_ONCE) {
                if out.len() + 4 * numbers.len() > 4 * AT_ONCE {
                    file.write_all(&out)?;
                    out.clear();
                }
                out.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            }
            std::io::Result::Ok(())
        };
        put(&feedback.weights).and_then(|()| put(importance)).map_err(Error::Work)?;
        for (j, row) in feedback.transposed.chunks_exact(n).enumerate() {
            put(&row[..j]).map_err(Error::Work)?;
        }
        file.write_all(&out).map_err(Error::Work)?;
        let place = Place { offset, inputs: n, sum: sum(feedback, importance) };
        self.end = place.end();
        Ok(place)
    }

    /// Makes sure that what was kept outlives the machine.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.lock().expect("nothing panics while it holds the file").sync_data().map_err(Error::Work)
    }

    /// What was kept at `place`.
    pub fn read(&self, place: Place) -> Result<(Feedback, Vec<f32>), Error> {
        let n = place.inputs;
        let mut file = self.file.lock().expect("nothing panics while it holds the file");
        file.seek(SeekFrom::Start(place.offset)).map_err(Error::Work)?;
        let mut file = std::io::BufReader::with_capacity(4 * AT_ONCE, &mut *file);
        let mut bytes = vec![0; 4 * n];
        let mut get = |numbers: &mut [f32]| {
            let bytes = &mut bytes[..4 * numbers.len()];
            file.read_exact(bytes).map_err(Error::Work)?;
            for (x, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *x = f32::from_le_bytes(*bytes);
            }
            Ok::<(), Error>(())
        };
        let mut feedback = Feedback { transposed: vec![0.0; n * n], weights: vec![0.0; n] };
        let mut importance = vec![0.0; n];
        get(&mut feedback.weights)?;
        get(&mut importance)?;
        for (j, row) in feedback.transposed.chunks_exact_mut(n).enumerate() {
            get(&mut row[..j])?;
        }
        if sum(&feedback, &importance) != place.sum {
            return Err(Error::Damaged);
        }
        Ok((feedback, importance))
    }
}

fn sum(feedback: &Feedback, importance: &[f32]) -> u64 {
    Key::new().and_f32s(&feedback.weights).and_f32s(importance).and_f32s(&feedback.transposed).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut work = WorkFile::new(folder.path()).unwrap();
        let of = |n: usize, at: f32| {
            let upper = |i: usize| if i % n < i / n { at + i as f32 } else { 0.0 };
            let weights = (0..n).map(|i| at - i as f32).collect();
            let importance: Vec<f32> = (0..n).map(|i| at * i as f32).collect();
            (Feedback { transposed: (0..n * n).map(upper).collect(), weights }, importance)
        };
        let kept: Vec<_> = [(1, 0.5), (300, 1.5), (7, 2.5)].map(|(n, at)| of(n, at)).into();
        let places: Vec<Place> = kept.iter().map(|(f, i)| work.keep(f, i).unwrap()).collect();
        for (place, (feedback, importance)) in places.iter().zip(&kept).rev() {
            let (read, columns) = work.read(*place).unwrap();
            assert!(read.transposed == feedback.transposed && read.weights == feedback.weights);
            assert_eq!(&columns, importance);
            assert!(matches!(work.read(Place { sum: 0, ..*place }), Err(Error::Damaged)));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
        assert!(matches!(WorkFile::new(&folder.path().join("absent")), Err(Error::Work(_))));
    }
}
