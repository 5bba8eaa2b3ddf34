//! Writing the small model.

use crate::Error;
use hob_format::Metadata;
use hob_quant::RowFormat;
use hob_train::{Layout, write_file};
use std::borrow::Cow;
use std::path::Path;

/// A tensor as a file holds it.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    /// Name.
    pub name: String,
    /// How its rows are stored.
    pub format: RowFormat,
    /// Row-major, outermost first.
    pub shape: Vec<usize>,
    /// Its rows.
    pub bytes: Vec<u8>,
}

/// Writes `tensors`, which are those of `layout`, and its constants as a GGUF file, which appears when it is complete.
///
/// # Errors
/// Whatever the file system refuses.
pub fn write_model(
    path: &Path,
    metadata: &Metadata,
    layout: &Layout,
    tensors: &[StoredTensor],
) -> Result<(), Error> {
    let formats: Vec<RowFormat> = tensors.iter().map(|t| t.format).collect();
    Ok(write_file(path, metadata, layout, &formats, &mut |i| Ok(Cow::Borrowed(&tensors[i].bytes)))?)
}
