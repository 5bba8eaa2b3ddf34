//! Writing the small model.

use crate::Error;
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_quant::TensorType;
use hob_train::Layout;
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

/// Writes `tensors`, and the constants of `layout`, as a GGUF file, which appears when it is complete.
///
/// # Errors
/// Whatever the file system refuses.
pub fn write_model(
    path: &Path,
    metadata: &Metadata,
    layout: &Layout,
    tensors: &[StoredTensor],
) -> Result<(), Error> {
    let mut file = GgufLayout::new(metadata.clone());
    for t in tensors {
        file.tensor(&t.name, t.ty, &t.shape);
    }
    for (t, _) in layout.constants() {
        file.tensor(&t.name, TensorType::F32, &t.shape);
    }
    let mut writer = GgufWriter::create(path, &file)?;
    for t in tensors {
        writer.begin(&t.name)?;
        writer.write(&t.bytes)?;
    }
    for (t, values) in layout.constants() {
        writer.begin(&t.name)?;
        writer.write(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(writer.finish()?)
}
