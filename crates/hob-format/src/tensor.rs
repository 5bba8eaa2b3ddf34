//! Tensors as they lie in a file, and the table that finds them by name.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hob_base::SharedBytes;

use crate::error::shown;
use crate::mapping::{Access, Mapping};
use crate::{Dtype, Error};

/// One tensor of a model file: a name, a type, a shape and a view of its bytes.
///
/// Invariant of tables made by this crate: `bytes.len() == dtype.tensor_bytes(&shape)`. GGUF aligns the bytes to at least
/// 8 in the file; safetensors promises no alignment.
#[derive(Clone)]
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Row-major, outermost first (GGUF's `ne` reversed); `[]` is a scalar.
    pub shape: Vec<usize>,
    /// Little-endian contents. A view of the mapped file: nothing is read until it is touched.
    pub bytes: SharedBytes,
}

impl Tensor {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the innermost dimension (1 for a scalar).
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Product of all dimensions but the innermost.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, outer)| outer.iter().product())
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {} ({} bytes)", shown(&self.name), self.shape, self.dtype, self.bytes.len())
    }
}

/// All tensors of a model in file order, found by name in `O(log n)`.
#[derive(Clone, Debug, Default)]
pub struct TensorTable {
    tensors: Vec<Tensor>,
    /// Indices into `tensors`, sorted by name.
    by_name: Vec<u32>,
    mappings: Vec<Arc<Mapping>>,
}

impl TensorTable {
    /// A table of `tensors` in the given order.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] when two have one name or a tensor's bytes are not what type and shape need; `file` is named in it.
    pub fn new(file: &str, tensors: Vec<Tensor>) -> Result<Self, Error> {
        for t in &tensors {
            if t.dtype.tensor_bytes(&t.shape) != Some(t.bytes.len()) {
                let expected = format!("as many bytes as {} {:?} needs", t.dtype, t.shape);
                return Err(Error::tensor(file, &t.name, expected, t.bytes.len()));
            }
        }
        let count = u32::try_from(tensors.len()).expect("readers cap the tensor count far below 2^32");
        let mut by_name: Vec<u32> = (0..count).collect();
        by_name.sort_unstable_by_key(|&i| tensors[i as usize].name.as_str());
        for pair in by_name.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|i| &tensors[i as usize].name);
            if a == b {
                return Err(Error::tensor(file, a, "unique tensor names", "the name twice"));
            }
        }
        Ok(Self { tensors, by_name, mappings: Vec::new() })
    }

    /// Other tensors whose bytes may lie in the same maps.
    ///
    /// # Errors
    ///
    /// As [`TensorTable::new`].
    pub fn replaced(&self, file: &str, tensors: Vec<Tensor>) -> Result<Self, Error> {
        Ok(Self::new(file, tensors)?.with_mappings(self.mappings.clone()))
    }

    /// Remembers the maps that the tensors' bytes lie in, for [`TensorTable::advise`].
    pub(crate) fn with_mappings(mut self, mappings: Vec<Arc<Mapping>>) -> Self {
        self.mappings = mappings;
        self
    }

    /// The parts of a model that was stored in several files.
    pub(crate) fn concat(file: &str, parts: Vec<Self>) -> Result<Self, Error> {
        let mut tensors = Vec::new();
        let mut mappings = Vec::new();
        for part in parts {
            tensors.extend(part.tensors);
            mappings.extend(part.mappings);
        }
        Ok(Self::new(file, tensors)?.with_mappings(mappings))
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        let found =
            self.by_name.binary_search_by_key(&name, |&i| self.tensors[i as usize].name.as_str()).ok()?;
        Some(&self.tensors[self.by_name[found] as usize])
    }

    /// All tensors in file order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tensor> {
        self.tensors.iter()
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether the file holds no tensors, as vocabulary-only GGUFs do.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Sum of the tensors' sizes.
    pub fn total_bytes(&self) -> u64 {
        self.tensors.iter().map(|t| t.bytes.len() as u64).sum()
    }

    /// Reads all files of the model and keeps them in memory as long as they are mapped. Bytes that came from no file stay
    /// as they are.
    ///
    /// # Errors
    /// The system's reason: most let a process hold on to a few megabytes only unless they are told otherwise.
    pub fn lock(&self) -> std::io::Result<()> {
        self.mappings.iter().try_for_each(|mapping| mapping.lock())
    }

    /// Tells the operating system how `tensor` will be read. A hint without effect on results; does nothing for tensors
    /// that are not mapped or where the system has no such call.
    pub fn advise(&self, tensor: &Tensor, access: Access) {
        let located =
            |m: &Arc<Mapping>| m.range_of(&tensor.bytes).map(|range: Range<usize>| (Arc::clone(m), range));
        if let Some((mapping, range)) = self.mappings.iter().find_map(located) {
            mapping.advise(range, access);
        }
    }
}

impl<'a> IntoIterator for &'a TensorTable {
    type Item = &'a Tensor;
    type IntoIter = std::slice::Iter<'a, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_tensor(name: &str, n: usize) -> Tensor {
        Tensor { name: name.into(), dtype: Dtype::U8, shape: vec![n], bytes: vec![7; n].into() }
    }

    #[test]
    fn finds_by_name_and_keeps_file_order() {
        let table = TensorTable::new("t", ["c", "a", "b"].map(|n| bytes_tensor(n, 3)).into()).unwrap();
        assert_eq!(table.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
        for name in ["a", "b", "c"] {
            assert_eq!(table.get(name).unwrap().name, name);
        }
        assert!(table.get("d").is_none());
        assert_eq!((table.len(), table.total_bytes()), (3, 9));
    }

    #[test]
    fn refuses_duplicates_and_wrong_sizes() {
        assert!(TensorTable::new("t", vec![bytes_tensor("a", 1), bytes_tensor("a", 2)]).is_err());
        let short = Tensor { shape: vec![2, 2], ..bytes_tensor("a", 3) };
        assert!(TensorTable::new("t", vec![short]).is_err());
    }

    #[test]
    fn rows_and_columns() {
        let t = Tensor { shape: vec![2, 3, 4], ..bytes_tensor("a", 24) };
        assert_eq!((t.rows(), t.columns(), t.elements()), (6, 4, 24));
        let scalar = Tensor { shape: vec![], ..bytes_tensor("a", 1) };
        assert_eq!((scalar.rows(), scalar.columns(), scalar.elements()), (1, 1, 1));
    }
}
