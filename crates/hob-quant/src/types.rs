//! The element types a tensor in a model file may have.

use std::fmt;

macro_rules! tensor_types {
    ($($name:ident = $id:literal, $block_size:literal, $block_bytes:literal;)*) => {
        /// Element type of a tensor, named and numbered as GGUF does.
        #[allow(non_camel_case_types, missing_docs, reason = "the names are the file format's own")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TensorType {
            $($name,)*
        }

        impl TensorType {
            /// Every type this crate knows by size.
            pub const ALL: &[TensorType] = &[$(TensorType::$name,)*];

            /// The type with this GGUF id; `None` for unknown and removed ids.
            pub fn from_ggml_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The id GGUF files use for this type.
            pub fn ggml_id(self) -> u32 {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// The type's name, such as `Q4_K`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Elements in one block.
            pub fn block_size(self) -> usize {
                match self {
                    $(Self::$name => $block_size,)*
                }
            }

            /// Bytes of one block.
            pub fn block_bytes(self) -> usize {
                match self {
                    $(Self::$name => $block_bytes,)*
                }
            }
        }
    };
}

tensor_types! {
    F32 = 0, 1, 4;
    F16 = 1, 1, 2;
    Q4_0 = 2, 32, 18;
    Q4_1 = 3, 32, 20;
    Q5_0 = 6, 32, 22;
    Q5_1 = 7, 32, 24;
    Q8_0 = 8, 32, 34;
    Q2_K = 10, 256, 84;
    Q3_K = 11, 256, 110;
    Q4_K = 12, 256, 144;
    Q5_K = 13, 256, 176;
    Q6_K = 14, 256, 210;
    IQ2_XXS = 16, 256, 66;
    IQ2_XS = 17, 256, 74;
    IQ3_XXS = 18, 256, 98;
    IQ1_S = 19, 256, 50;
    IQ4_NL = 20, 32, 18;
    IQ3_S = 21, 256, 110;
    IQ2_S = 22, 256, 82;
    IQ4_XS = 23, 256, 136;
    I8 = 24, 1, 1;
    I16 = 25, 1, 2;
    I32 = 26, 1, 4;
    I64 = 27, 1, 8;
    F64 = 28, 1, 8;
    IQ1_M = 29, 256, 56;
    BF16 = 30, 1, 2;
    TQ1_0 = 34, 256, 54;
    TQ2_0 = 35, 256, 66;
    MXFP4 = 39, 32, 17;
    NVFP4 = 40, 64, 36;
}

impl TensorType {
    /// Bytes of a row of `columns` elements; `None` when that is no whole number of blocks or overflows.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        if !columns.is_multiple_of(self.block_size()) {
            return None;
        }
        (columns / self.block_size()).checked_mul(self.block_bytes())
    }

    /// Average bits an element takes.
    pub fn bits_per_element(self) -> f64 {
        8.0 * self.block_bytes() as f64 / self.block_size() as f64
    }

    /// Whether several elements share a scale (as opposed to plain floats and integers).
    pub fn is_quantized(self) -> bool {
        self.block_size() > 1
    }

    /// The type with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_invert() {
        for &t in TensorType::ALL {
            assert_eq!(TensorType::from_ggml_id(t.ggml_id()), Some(t));
            assert_eq!(TensorType::from_name(&t.name().to_lowercase()), Some(t));
        }
        for removed in [4, 5, 31, 32, 33, 36, 37, 38, 255] {
            assert_eq!(TensorType::from_ggml_id(removed), None);
        }
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(TensorType::Q4_0.row_bytes(64), Some(36));
        assert_eq!(TensorType::Q4_0.row_bytes(33), None);
        assert_eq!(TensorType::F32.row_bytes(usize::MAX), None);
    }
}
