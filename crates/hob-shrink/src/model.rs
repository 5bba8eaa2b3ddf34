//! Writing the small model.

use crate::Error;
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_quant::TensorType;
use std::path::Path;

/// A tensor as a file holds it.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    /// Name.
    pub name: String,
    /// Type of its elements.
    pub ty: TensorType,
    /// Row-major, outermost first.
    pub shape: Vec<usize>,
    /// Its blocks.
    pub bytes: Vec<u8>,
}

/// Writes `tensors` as a GGUF file, which appears when it is complete.
///
/// # Errors
/// Whatever the file system refuses.
pub fn write_model(path: &Path, metadata: &Metadata, tensors: &[StoredTensor]) -> Result<(), Error> {
    let mut layout = GgufLayout::new(metadata.clone());
    for t in tensors {
        layout.tensor(&t.name, t.ty, &t.shape);
    }
    let mut writer = GgufWriter::create(path, &layout)?;
    for t in tensors {
        writer.begin(&t.name)?;
        writer.write(&t.bytes)?;
    }
    Ok(writer.finish()?)
}
