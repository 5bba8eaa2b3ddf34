//! From a model's settings, as GGUF files hold them, to the description that Hob's own reader makes of them.

use crate::Error;
use hob_format::{Gguf, GgufLayout, GgufWriter, Metadata, ModelFiles};
use hob_model::{Config, ModelSpec, families};
use hob_quant::TensorType;

/// More layers than any description may have.
const LAYERS_MAX: usize = 1 << 12;

/// The description of a model with these settings and a vocabulary of `vocab`; `tied` says that its head is the embedding
/// matrix.
///
/// # Errors
/// Whatever is missing or out of range, by key.
pub fn describe(metadata: &Metadata, vocab: usize, tied: bool) -> Result<ModelSpec, Error> {
    // Families look at which tensors a file has and at the rows of the embedding: tensors of one column will do.
    let mut tensors = vec![("token_embd.weight".to_owned(), vocab)];
    if !tied {
        tensors.push(("output.weight".to_owned(), 1));
    }
    // Values of their own, which some families may do without.
    let layers = match metadata.str("general.architecture")? {
        Some(a) => metadata.usize(&format!("{a}.block_count"))?.unwrap_or(0).min(LAYERS_MAX),
        None => 0,
    };
    tensors.extend((0..layers).map(|i| (format!("blk.{i}.attn_v.weight"), 1)));
    let mut layout = GgufLayout::new(metadata.clone());
    for (name, rows) in &tensors {
        layout.tensor(name, TensorType::I8, &[*rows, 1]);
    }
    let mut bytes = Vec::new();
    let mut writer = GgufWriter::new(&mut bytes, &layout)?;
    for (name, rows) in &tensors {
        writer.begin(name)?;
        writer.write(&vec![0; *rows])?;
    }
    writer.finish()?;
    let files = ModelFiles::Gguf(Gguf::from_bytes(bytes.into())?);
    let config = Config::new(&files)?;
    Ok((families::find(&config)?.spec)(&config)?)
}
