//! A model as a GGUF file: the tensors of its layout in whatever types, and its constants.

use crate::{Error, Layout};
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_quant::{RowFormat, TensorType};
use std::borrow::Cow;
use std::path::Path;

/// Writes the tensors of `layout`, of which `formats` has the formats and `blocks` gives the bytes by number, and its constants as a
/// GGUF file, which appears when it is complete.
///
/// # Errors
/// Whatever the file system refuses, what `blocks` says, and [`Error::Unsupported`] for codes, which such a file cannot hold.
pub fn write_file<'a>(
    path: &Path,
    metadata: &Metadata,
    layout: &Layout,
    formats: &[RowFormat],
    blocks: &mut dyn FnMut(usize) -> Result<Cow<'a, [u8]>, Error>,
) -> Result<(), Error> {
    let mut file = GgufLayout::new(metadata.clone());
    for (format, (tensor, _)) in formats.iter().zip(layout.iter()) {
        let RowFormat::Blocks(ty) = format else {
            return Err(Error::Unsupported { what: format!("{}: {format} in a GGUF file", tensor.name) });
        };
        file.tensor(&tensor.name, *ty, &tensor.shape);
    }
    for (tensor, _) in layout.constants() {
        file.tensor(&tensor.name, TensorType::F32, &tensor.shape);
    }
    let mut writer = GgufWriter::create(path, &file)?;
    for (i, (tensor, _)) in layout.iter().enumerate() {
        writer.begin(&tensor.name)?;
        writer.write(&blocks(i)?)?;
    }
    for (tensor, values) in layout.constants() {
        writer.begin(&tensor.name)?;
        writer.write(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(writer.finish()?)
}
