//! How the rows of a matrix are stored: as blocks of a GGUF type, or as codes with scales of rows.

use crate::{
    CodeFormat, Error, TensorType, dequantize_row, quantize_row, quantize_row_weighted, requantize_row,
};
use std::fmt;
use std::str::FromStr;

/// How each row of a matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFormat {
    /// Whole blocks.
    Blocks(TensorType),
    /// Scales and codes.
    Codes(CodeFormat),
}

impl From<TensorType> for RowFormat {
    fn from(ty: TensorType) -> Self {
        Self::Blocks(ty)
    }
}

/// `Q4_K`, `int4`, `int4/6` with six scales a row.
impl fmt::Display for RowFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(ty) => ty.fmt(f),
            Self::Codes(CodeFormat { bits, groups: 1 }) => write!(f, "int{bits}"),
            Self::Codes(CodeFormat { bits, groups }) => write!(f, "int{bits}/{groups}"),
        }
    }
}

impl FromStr for RowFormat {
    type Err = ();

    /// Reads what `Display` writes.
    fn from_str(name: &str) -> Result<Self, ()> {
        let Some(codes) = name.strip_prefix("int") else {
            return TensorType::from_name(name).map(Self::Blocks).ok_or(());
        };
        let (bits, groups) = codes.split_once('/').unwrap_or((codes, "1"));
        let (bits, groups) = (bits.parse().map_err(drop)?, groups.parse().map_err(drop)?);
        if matches!(bits, 2 | 4 | 8) { Ok(Self::Codes(CodeFormat { bits, groups })) } else { Err(()) }
    }
}

impl RowFormat {
    /// Bytes of a row; `None` where `columns` do not fit.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        match self {
            Self::Blocks(ty) => ty.row_bytes(columns),
            Self::Codes(codes) => codes.row_bytes(columns),
        }
    }

    /// Stores a row in the format's own way.
    ///
    /// # Errors
    /// As [`quantize_row`].
    pub fn quantize_row(self, x: &[f32], row: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Blocks(ty) => quantize_row(ty, x, row),
            Self::Codes(codes) => codes.quantize_row(x, None, row),
        }
    }

    /// Stores a row so that errors weighted by `importance` are small.
    ///
    /// # Errors
    /// As [`quantize_row`].
    pub fn quantize_row_weighted(self, x: &[f32], importance: &[f32], row: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Blocks(ty) => quantize_row_weighted(ty, x, importance, row),
            Self::Codes(codes) => codes.quantize_row(x, Some(importance), row),
        }
    }

    /// Stores a row where one is stored already, see [`requantize_row`].
    ///
    /// # Errors
    /// As [`quantize_row`].
    pub fn requantize_row(self, x: &[f32], row: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Blocks(ty) => requantize_row(ty, x, row),
            Self::Codes(codes) => codes.requantize_row(x, row),
        }
    }

    /// The numbers of whole rows of `columns` columns.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn dequantize(self, columns: usize, rows: &[u8], to: &mut [f32]) {
        match self {
            Self::Blocks(ty) => dequantize_row(ty, rows, to),
            Self::Codes(codes) => {
                let row_bytes = codes.row_bytes(columns).expect("a format that fits was chosen");
                assert_eq!(rows.len() / row_bytes, to.len() / columns, "as many rows");
                let rows = rows.chunks_exact(row_bytes).zip(to.chunks_exact_mut(columns));
                rows.for_each(|(row, to)| codes.dequantize_row(row, to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let codes = |bits, groups| RowFormat::Codes(CodeFormat { bits, groups });
        for format in [TensorType::Q4_K.into(), codes(2, 1), codes(4, 35)] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for wrong in ["int3", "int4/x", "Q9", "int"] {
            assert_eq!(wrong.parse::<RowFormat>(), Err(()), "{wrong}");
        }
    }
}
