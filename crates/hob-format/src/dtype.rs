//! Element types of tensors in either container.

use std::fmt;

use hob_quant::TensorType;

/// Element type of a stored tensor.
///
/// GGUF tensors are always [`Dtype::Block`]. Safetensors types that GGUF has too (F32, F16, BF16, F64, I8 to I64) are
/// [`Dtype::Block`] as well, so that a reader of floats needs one match; the others have their own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// A type that GGUF knows, plain or quantised.
    Block(TensorType),
    /// Unsigned bytes; often packed sub-byte codes.
    U8,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 32-bit integers.
    U32,
    /// Unsigned 64-bit integers.
    U64,
    /// One byte per truth value.
    Bool,
    /// 8-bit floats with 4 exponent bits.
    F8E4M3,
    /// 8-bit floats with 5 exponent bits.
    F8E5M2,
}

/// Safetensors' names, in the order error messages list them.
const SAFETENSORS_NAMES: [(&str, Dtype); 15] = [
    ("F32", Dtype::Block(TensorType::F32)),
    ("F16", Dtype::Block(TensorType::F16)),
    ("BF16", Dtype::Block(TensorType::BF16)),
    ("F64", Dtype::Block(TensorType::F64)),
    ("I8", Dtype::Block(TensorType::I8)),
    ("I16", Dtype::Block(TensorType::I16)),
    ("I32", Dtype::Block(TensorType::I32)),
    ("I64", Dtype::Block(TensorType::I64)),
    ("U8", Dtype::U8),
    ("U16", Dtype::U16),
    ("U32", Dtype::U32),
    ("U64", Dtype::U64),
    ("BOOL", Dtype::Bool),
    ("F8_E4M3", Dtype::F8E4M3),
    ("F8_E5M2", Dtype::F8E5M2),
];

impl Dtype {
    /// Consecutive elements of a row that are stored as one unit.
    pub fn block_size(self) -> usize {
        if let Self::Block(t) = self { t.block_size() } else { 1 }
    }

    /// Bytes of one such unit.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Block(t) => t.block_bytes(),
            Self::U8 | Self::Bool | Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }

    /// Bytes of a tensor of this type and shape (outermost first; `[]` is a scalar). `None` when the last dimension is
    /// no whole number of blocks or the size overflows.
    pub fn tensor_bytes(self, shape: &[usize]) -> Option<usize> {
        let columns = shape.last().copied().unwrap_or(1);
        if !columns.is_multiple_of(self.block_size()) {
            return None;
        }
        // The element count must not overflow either, even where a zero dimension makes the product small.
        let blocks =
            shape.iter().filter(|&&n| n != 0).try_fold(1usize, |n, &d| n.checked_mul(d))? / self.block_size();
        let bytes = blocks.checked_mul(self.block_bytes())?;
        Some(if shape.contains(&0) { 0 } else { bytes })
    }

    /// The name safetensors uses; `None` for types it lacks.
    pub fn safetensors_name(self) -> Option<&'static str> {
        SAFETENSORS_NAMES.iter().find(|(_, t)| *t == self).map(|(name, _)| *name)
    }

    /// The type safetensors calls `name`.
    pub fn from_safetensors_name(name: &str) -> Option<Self> {
        SAFETENSORS_NAMES.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
    }

    pub(crate) fn safetensors_names() -> String {
        SAFETENSORS_NAMES.map(|(name, _)| name).join(" ")
    }
}

impl From<TensorType> for Dtype {
    fn from(t: TensorType) -> Self {
        Self::Block(t)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(t) => t.fmt(f),
            other => f.write_str(other.safetensors_name().expect("every type outside GGUF is in the table")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_invert() {
        for (name, dtype) in SAFETENSORS_NAMES {
            assert_eq!(dtype.safetensors_name(), Some(name));
            assert_eq!(Dtype::from_safetensors_name(name), Some(dtype));
            assert_eq!(dtype.to_string(), name);
        }
        assert_eq!(Dtype::from(TensorType::Q4_0).safetensors_name(), None);
        assert_eq!(Dtype::from(TensorType::Q4_0).to_string(), "Q4_0");
    }

    #[test]
    fn sizes_are_whole_blocks_and_checked() {
        let q4 = Dtype::from(TensorType::Q4_0);
        assert_eq!(q4.tensor_bytes(&[3, 64]), Some(3 * 36));
        assert_eq!(q4.tensor_bytes(&[64, 3]), None);
        assert_eq!(q4.tensor_bytes(&[]), None);
        assert_eq!(Dtype::U16.tensor_bytes(&[]), Some(2));
        assert_eq!(Dtype::U16.tensor_bytes(&[5, 0]), Some(0));
        assert_eq!(Dtype::U64.tensor_bytes(&[usize::MAX / 4, 1]), None);
        assert_eq!(Dtype::U8.tensor_bytes(&[usize::MAX, 2, 0]), None);
    }
}
