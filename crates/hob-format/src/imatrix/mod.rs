//! Importance matrices: how strongly each input column of each weight is used, in the files that llama.cpp shares.
//!
//! Two forms are read, told apart by content: GGUF (`container.rs`) and the older `.dat` (`legacy.rs`). GGUF is written.

mod container;
mod legacy;

use std::collections::BTreeMap;
use std::path::Path;

use hob_base::SharedBytes;

use crate::error::shown;
use crate::gguf::MAGIC;
use crate::mapping::Mapping;
use crate::write::{AtomicFile, Commit};
use crate::{Error, Gguf};

/// What quantisers need to know about a model's activations, by the name of the weight that multiplies them.
///
/// Quantisers use the means only. Sums and counts are kept because they add up over several texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportanceMatrix {
    /// By name of the weight, such as `blk.0.attn_q.weight`.
    pub entries: BTreeMap<String, Importance>,
    /// Tokens in a window of the text; 0 when the file does not say.
    pub chunk_size: u32,
    /// Windows seen.
    pub chunk_count: u32,
    /// Names of the texts, as the program that made the file called them.
    pub datasets: Vec<String>,
}

/// What went into one weight `[out, D]`, or into each matrix of a stack `[M, out, D]` of experts.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// `[M, D]`: for each column the sum of the squares of its inputs. Finite and not negative.
    pub sums: Vec<f32>,
    /// `[M]`: vectors that went into the sums. Files in the old form count windows instead, and their sums are as much
    /// smaller. Whole and not negative.
    pub counts: Vec<f32>,
}

impl Importance {
    /// Of the one matrix of an ordinary weight, after `count` vectors.
    pub fn new(sums: Vec<f32>, count: f32) -> Self {
        Self { sums, counts: vec![count] }
    }

    /// Columns of the weight, `D`.
    pub fn columns(&self) -> usize {
        self.sums.len() / self.counts.len().max(1)
    }

    /// `[M, D]`: the mean square of each column. All ones for a matrix that no vector reached (an expert never chosen), as
    /// llama.cpp takes it: every column then weighs the same.
    pub fn mean(&self) -> Vec<f32> {
        let matrices = self.sums.chunks_exact(self.columns().max(1)).zip(&self.counts);
        let mean = |(sums, &count): (&[f32], &f32)| -> Vec<f32> {
            sums.iter().map(|sum| if count > 0.0 { sum / count } else { 1.0 }).collect()
        };
        matrices.flat_map(mean).collect()
    }

    /// What is wrong with the numbers: what is expected, and what was found instead.
    fn fault(&self) -> Option<(&'static str, String)> {
        let (columns, matrices) = (self.sums.len(), self.counts.len());
        if columns == 0 || matrices == 0 || !columns.is_multiple_of(matrices) {
            return Some((
                "one sum for each column of each matrix",
                format!("{columns} sums for {matrices} counts"),
            ));
        }
        let not_negative = |n: f32| n.is_finite() && n >= 0.0;
        if let Some(sum) = self.sums.iter().find(|&&n| !not_negative(n)) {
            return Some(("sums of squares", sum.to_string()));
        }
        // llama.cpp rounds counts; a fraction would mean another thing there.
        let count = self.counts.iter().find(|&&n| !(not_negative(n) && n.fract() == 0.0));
        count.map(|count| ("whole counts", count.to_string()))
    }
}

impl ImportanceMatrix {
    /// Reads the file at `path`, in either form.
    ///
    /// # Errors
    ///
    /// [`Error::NotAModel`] for a file of another kind, [`Error::Tensor`] for numbers that are no sums of squares, else what is
    /// wrong with the bytes.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::parse(&path.display().to_string(), Mapping::open(path)?.bytes())
    }

    /// Reads a whole file from memory.
    ///
    /// # Errors
    ///
    /// As [`ImportanceMatrix::load`].
    pub fn from_bytes(bytes: SharedBytes) -> Result<Self, Error> {
        Self::parse("importance matrix bytes", bytes)
    }

    /// Writes the GGUF form to `path`; the file appears when it is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] without entries and for names that leave no room for a suffix in GGUF's 63 bytes,
    /// [`Error::Io`] from the file system.
    ///
    /// # Panics
    ///
    /// When an entry breaks the rules in [`Importance`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.check()?;
        container::write(self, AtomicFile::create(path)?, path)
    }

    /// Writes the GGUF form to `sink`. Errors and panics as [`ImportanceMatrix::save`].
    pub fn write(&self, sink: impl Commit) -> Result<(), Error> {
        self.check()?;
        container::write(self, sink, Path::new("importance matrix output"))
    }

    fn parse(file: &str, bytes: SharedBytes) -> Result<Self, Error> {
        let matrix = if bytes.starts_with(MAGIC) {
            container::read(file, &Gguf::from_named_bytes(file, bytes)?)?
        } else {
            legacy::read(file, &bytes)?
        };
        if matrix.entries.is_empty() {
            return Err(Error::malformed(file, "entries", "at least one", "none"));
        }
        for (name, entry) in &matrix.entries {
            if let Some((expected, found)) = entry.fault() {
                return Err(Error::tensor(file, name, expected, found));
            }
        }
        Ok(matrix)
    }

    /// Files that hold nothing are refused by every reader, so none is made.
    fn check(&self) -> Result<(), Error> {
        for (name, entry) in &self.entries {
            if let Some((expected, found)) = entry.fault() {
                panic!("importance of {}: expected {expected}, found {found}", shown(name));
            }
        }
        if self.entries.is_empty() {
            let (place, expected) = ("an importance matrix".to_owned(), "at least one entry".to_owned());
            return Err(Error::Unwritable { place, expected, found: "none".to_owned() });
        }
        Ok(())
    }
}

/// The refusal of a file that is something else.
fn not_one(file: &str, found: impl Into<String>) -> Error {
    let expected = "an importance matrix (GGUF or .dat)";
    let hint = "`hob imatrix MODEL --data TEXT --out FILE` makes one";
    Error::NotAModel { path: file.into(), expected, found: found.into(), hint }
}

/// Little-endian numbers.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let number = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("chunks of four bytes"));
    bytes.chunks_exact(4).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_taken_for_each_matrix() {
        let two = Importance { sums: vec![2.0, 4.0, 3.0, 6.0], counts: vec![2.0, 3.0] };
        assert_eq!((two.columns(), two.mean()), (2, vec![1.0, 2.0, 1.0, 2.0]));
    }

    #[test]
    fn an_expert_never_chosen_weighs_all_columns_alike() {
        let idle = Importance { sums: vec![8.0, 2.0, 0.0, 0.0], counts: vec![2.0, 0.0] };
        assert_eq!(idle.mean(), [4.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn an_empty_one_is_not_written() {
        let error = ImportanceMatrix::default().write(&mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    }

    #[test]
    #[should_panic(expected = "importance of w: expected sums of squares, found NaN")]
    fn our_own_wrong_numbers_are_a_bug() {
        let mut matrix = ImportanceMatrix::default();
        matrix.entries.insert("w".to_owned(), Importance::new(vec![f32::NAN], 1.0));
        let _ = matrix.write(&mut Vec::new());
    }
}
