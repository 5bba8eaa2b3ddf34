//! A weight matrix as it lies in its file.

use half::{bf16, f16};
use hob_base::SharedBytes;
use hob_quant::TensorType;
use std::ops::Range;

/// A `[rows, cols]` weight matrix (`[out, in]`), row-major, in its file's own encoding.
#[derive(Clone, Debug)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    storage: Storage,
}

/// How the elements are encoded.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// Self-contained blocks of a GGUF type (including plain floats).
    Blocks { ty: TensorType, bytes: SharedBytes },
    /// Integer codes with a table of scales beside them: value = code * scale(row, group).
    Codes { bits: CodeBits, bytes: SharedBytes, scales: Scales },
}

/// The rows of a matrix as they are stored. Kernels look them up once, since a view of a file costs a call.
#[derive(Clone, Copy)]
pub(crate) struct EncodedRows<'a> {
    pub bytes: &'a [u8],
    pub row_bytes: usize,
}

impl<'a> EncodedRows<'a> {
    #[inline(always)]
    pub(crate) fn get(self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes..][..self.row_bytes]
    }

    /// The bytes of as many of these rows as there are.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn of(self, rows: Range<usize>) -> &'a [u8] {
        let byte = |row: usize| (row * self.row_bytes).min(self.bytes.len());
        &self.bytes[byte(rows.start)..byte(rows.end)]
    }
}

/// Width of an integer code, with its encoding.
///
/// 8-bit codes are signed bytes. 4- and 2-bit codes are stored with an offset of `2^(bits-1)`, the lowest bits of a byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeBits {
    /// `-2..=1`, four to a byte.
    Two,
    /// `-8..=7`, two to a byte.
    Four,
    /// `-128..=127`.
    Eight,
}

impl CodeBits {
    /// Bits of one code.
    pub fn bits(self) -> usize {
        match self {
            CodeBits::Two => 2,
            CodeBits::Four => 4,
            CodeBits::Eight => 8,
        }
    }

    /// Bytes of a row of `cols` codes; rows start at whole bytes.
    pub fn row_bytes(self, cols: usize) -> usize {
        cols.div_ceil(8 / self.bits())
    }

    /// The codes of a row, unpacked.
    pub fn unpack_row(self, row: &[u8], codes: &mut [i8]) {
        match self {
            CodeBits::Eight => codes.iter_mut().zip(row).for_each(|(c, &b)| *c = b as i8),
            CodeBits::Four => {
                for (pair, &b) in codes.chunks_mut(2).zip(row) {
                    for (i, c) in pair.iter_mut().enumerate() {
                        *c = ((b >> (4 * i)) & 15) as i8 - 8;
                    }
                }
            }
            CodeBits::Two => {
                for (quad, &b) in codes.chunks_mut(4).zip(row) {
                    for (i, c) in quad.iter_mut().enumerate() {
                        *c = ((b >> (2 * i)) & 3) as i8 - 2;
                    }
                }
            }
        }
    }
}

/// Float type of a table of scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ScaleType {
    F32,
    F16,
    BF16,
}

impl ScaleType {
    fn bytes(self) -> usize {
        if self == ScaleType::F32 { 4 } else { 2 }
    }

    /// The value of entry `index` of a table.
    #[inline]
    pub(crate) fn read(self, table: &[u8], index: usize) -> f32 {
        let b = &table[index * self.bytes()..][..self.bytes()];
        match self {
            ScaleType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            ScaleType::F16 => f16::from_le_bytes([b[0], b[1]]).to_f32(),
            ScaleType::BF16 => bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        }
    }
}

/// A `[rows, groups]` table of scales; a group is `cols / groups` consecutive columns.
///
/// The table stays in the mapped file: that of a per-layer-embedding matrix is larger than everything else a small model keeps in memory.
#[derive(Clone, Debug)]
pub struct Scales {
    /// The table, little-endian, row-major.
    pub bytes: SharedBytes,
    /// Type of its entries.
    pub ty: ScaleType,
    /// Entries of a row.
    pub groups: usize,
}

impl Scales {
    /// The scale of `group` in `row`.
    #[inline]
    pub fn get(&self, row: usize, group: usize) -> f32 {
        self.ty.read(&self.bytes, row * self.groups + group)
    }

    fn slice(&self, rows: Range<usize>) -> Option<Self> {
        let row = self.groups * self.ty.bytes();
        let bytes = self.bytes.slice(rows.start.checked_mul(row)?..rows.end.checked_mul(row)?)?;
        Some(Self { bytes, ..self.clone() })
    }
}

/// Why bytes cannot be a matrix of the wanted shape.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatrixError {
    /// The columns are no whole number of blocks, or the size overflows.
    Shape {
        /// Elements of a row.
        cols: usize,
        /// Elements of a block (or of a scale's group count).
        multiple_of: usize,
    },
    /// The byte range has another length than rows and columns need.
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The element type has no dequantiser.
    Type(TensorType),
}

impl std::fmt::Display for MatrixError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shape { cols, multiple_of } => {
                write!(f, "rows of {cols} elements are not a multiple of {multiple_of}")
            }
            Self::Length { expected, found } => write!(f, "expected {expected} bytes, found {found}"),
            Self::Type(ty) => write!(f, "element type {ty} cannot be multiplied yet"),
        }
    }
}

impl std::error::Error for MatrixError {}

impl Matrix {
    /// A matrix of GGUF blocks (or plain floats).
    pub fn from_blocks(
        ty: TensorType,
        rows: usize,
        cols: usize,
        bytes: SharedBytes,
    ) -> Result<Self, MatrixError> {
        let row = ty.row_bytes(cols).ok_or(MatrixError::Shape { cols, multiple_of: ty.block_size() })?;
        if !ty.can_dequantize() {
            return Err(MatrixError::Type(ty));
        }
        expect_len(row, rows, &bytes)?;
        Ok(Self { rows, cols, storage: Storage::Blocks { ty, bytes } })
    }

    /// A matrix of integer codes with scales per row and group of columns.
    pub fn from_codes(
        bits: CodeBits,
        rows: usize,
        cols: usize,
        bytes: SharedBytes,
        scales: Scales,
    ) -> Result<Self, MatrixError> {
        if scales.groups == 0 || !cols.is_multiple_of(scales.groups) {
            return Err(MatrixError::Shape { cols, multiple_of: scales.groups });
        }
        expect_len(bits.row_bytes(cols), rows, &bytes)?;
        expect_len(scales.groups * scales.ty.bytes(), rows, &scales.bytes)?;
        Ok(Self { rows, cols, storage: Storage::Codes { bits, bytes, scales } })
    }

    /// A matrix of f32 values made in memory.
    pub fn from_f32(rows: usize, cols: usize, values: &[f32]) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix has rows * cols values");
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { rows, cols, storage: Storage::Blocks { ty: TensorType::F32, bytes: bytes.into() } }
    }

    /// Output width.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input width.
    pub fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Bytes of the codes and scales.
    pub fn byte_len(&self) -> usize {
        match &self.storage {
            Storage::Blocks { bytes, .. } => bytes.len(),
            Storage::Codes { bytes, scales, .. } => bytes.len() + scales.bytes.len(),
        }
    }

    /// Name of the encoding, such as `Q4_K` or `int4`.
    pub fn encoding(&self) -> String {
        match &self.storage {
            Storage::Blocks { ty, .. } => ty.name().to_string(),
            Storage::Codes { bits, .. } => format!("int{}", bits.bits()),
        }
    }

    /// The rows `range` as a matrix of its own, or `None` when they are not all inside. Copies nothing.
    pub fn row_slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.rows {
            return None;
        }
        let storage = match &self.storage {
            Storage::Blocks { ty, bytes } => {
                let row = ty.row_bytes(self.cols)?;
                Storage::Blocks { ty: *ty, bytes: bytes.slice(range.start * row..range.end * row)? }
            }
            Storage::Codes { bits, bytes, scales } => {
                let row = bits.row_bytes(self.cols);
                Storage::Codes {
                    bits: *bits,
                    bytes: bytes.slice(range.start * row..range.end * row)?,
                    scales: scales.slice(range.clone())?,
                }
            }
        };
        Some(Self { rows: range.len(), cols: self.cols, storage })
    }

    /// The encoded bytes of one row (without the scale table of integer codes).
    pub(crate) fn row_bytes(&self, row: usize) -> &[u8] {
        self.encoded_rows().get(row)
    }

    /// The encoded bytes of all rows.
    pub(crate) fn encoded_rows(&self) -> EncodedRows<'_> {
        match &self.storage {
            Storage::Blocks { ty, bytes } => {
                EncodedRows { bytes, row_bytes: ty.row_bytes(self.cols).expect("checked at construction") }
            }
            Storage::Codes { bits, bytes, .. } => EncodedRows { bytes, row_bytes: bits.row_bytes(self.cols) },
        }
    }

    /// Lets go of the memory that reading rows has taken, if they are those of a mapped file.
    pub fn release(&self) {
        match &self.storage {
            Storage::Blocks { bytes, .. } => bytes.release(),
            Storage::Codes { bytes, scales, .. } => {
                bytes.release();
                scales.bytes.release();
            }
        }
    }

    /// Decodes one row to f32: exactly the numbers the file means.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "row and width of the matrix");
        match &self.storage {
            Storage::Blocks { ty, .. } => hob_quant::dequantize_row(*ty, self.row_bytes(row), out),
            Storage::Codes { bits, scales, .. } => {
                let width = self.cols / scales.groups;
                let piece = CODE_PIECE / bits.bits();
                let (table, first) = (&*scales.bytes, row * scales.groups);
                let pieces = self.row_bytes(row).chunks(CODE_PIECE / 8).zip(out.chunks_mut(piece));
                for (index, (bytes, out)) in pieces.enumerate() {
                    let mut codes = [0i8; CODE_PIECE / 2];
                    bits.unpack_row(bytes, &mut codes[..out.len()]);
                    let (mut done, start) = (0, index * piece);
                    while done < out.len() {
                        let group = (start + done) / width;
                        let end = ((group + 1) * width - start).min(out.len());
                        let scale = scales.ty.read(table, first + group);
                        let values = codes[done..end].iter().map(|&code| f32::from(code) * scale);
                        out[done..end].iter_mut().zip(values).for_each(|(out, value)| *out = value);
                        done = end;
                    }
                }
            }
        }
    }
}

/// Bits of codes that are unpacked at a time: a per-layer-embedding row is looked up for each token and must not allocate.
const CODE_PIECE: usize = 2048;

fn expect_len(row: usize, rows: usize, bytes: &SharedBytes) -> Result<(), MatrixError> {
    let expected = row.checked_mul(rows).ok_or(MatrixError::Shape { cols: row, multiple_of: 1 })?;
    if bytes.len() == expected { Ok(()) } else { Err(MatrixError::Length { expected, found: bytes.len() }) }
}
