//! What can go wrong when weights are quantised.

use crate::TensorType;

/// Why a row could not be quantised.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A value is NaN or infinite; no block format can hold it.
    #[error("element {position}: expected a finite number, found {value}; is the source tensor corrupt?")]
    NotFinite {
        /// Index of the element in the row.
        position: usize,
        /// The value found.
        value: f32,
    },
    /// An element's importance is negative, NaN or infinite.
    #[error("importance of element {position}: expected a finite number of at least zero, found {value}")]
    Importance {
        /// Index of the element in the row.
        position: usize,
        /// The importance found.
        value: f32,
    },
    /// The scale (or the value itself) overflows the float format that stores it.
    #[error(
        "elements {position}..{end}: expected values that {ty} can hold, found {value}; \
         use F32 or BF16 for this tensor"
    )]
    TooLarge {
        /// Type asked for.
        ty: TensorType,
        /// Index of the block's first element in the row.
        position: usize,
        /// Index after the block's last element.
        end: usize,
        /// The largest value of the block by magnitude.
        value: f32,
    },
    /// There is no quantiser for this type.
    #[error("expected a type that can be quantised to, found {ty}; Q4_K, Q6_K and Q8_0 are good choices")]
    Unsupported {
        /// Type asked for.
        ty: TensorType,
    },
}
