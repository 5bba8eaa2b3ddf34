//! Writes the seed corpus: small valid inputs of every kind. `cargo run --example seeds` in `fuzz/`.
//!
//! Containers are written here, texts (tokenizers, templates, grammars, configurations) in `texts.rs`.

mod texts;

use std::path::Path;

use hob_format::{
    ArrayView, Dtype, Error, GgufLayout, GgufWriter, Importance, ImportanceMatrix, Metadata,
    SafetensorsLayout, SafetensorsWriter,
};
use hob_quant::TensorType;

fn main() -> Result<(), Error> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["gguf_open", "imatrix_load", "safetensors_open"] {
        let dir = corpus.join(target);
        std::fs::create_dir_all(&dir).map_err(|source| Error::Io { path: dir, action: "create", source })?;
    }
    let gguf = corpus.join("gguf_open");
    write_gguf(&gguf.join("empty"), Metadata::new("seed"), &[])?;
    write_gguf(&gguf.join("values"), all_values(), &[])?;
    write_gguf(&gguf.join("vocabulary"), vocabulary(), &[])?;
    write_gguf(
        &gguf.join("tensors"),
        small_alignment(),
        &[TensorType::F32, TensorType::F16, TensorType::I8],
    )?;
    write_gguf(&gguf.join("blocks"), vocabulary(), &[TensorType::Q4_0, TensorType::Q6_K, TensorType::MXFP4])?;

    let st = corpus.join("safetensors_open");
    write_safetensors(&st.join("empty"), &[], &[])?;
    write_safetensors(&st.join("scalars"), &["U8", "I64", "BOOL"], &[])?;
    write_safetensors(&st.join("floats"), &["F32", "F16", "BF16", "F64", "F8_E4M3", "F8_E5M2"], &[2, 3])?;
    write_safetensors(&st.join("nothing"), &["U16", "U32", "U64"], &[2, 0, 4])?;
    write_imatrix(&corpus.join("imatrix_load"))?;
    texts::write(&corpus)
}

/// Both forms; no code of ours writes the old one.
fn write_imatrix(dir: &Path) -> Result<(), Error> {
    let experts = Importance { sums: vec![1.0, 2.0, 3.0, 4.0], counts: vec![1.0, 2.0] };
    let entries = [("a.weight", Importance::new(vec![0.5; 3], 7.0)), ("b.weight", experts)]
        .map(|(name, e)| (name.to_owned(), e));
    let datasets = vec!["text".to_owned()];
    ImportanceMatrix { entries: entries.into(), chunk_size: 512, chunk_count: 3, datasets }
        .save(&dir.join("current"))?;

    let mut old = [1i32, 8].map(i32::to_le_bytes).concat();
    old.extend(b"a.weight");
    old.extend([3i32, 4].map(i32::to_le_bytes).concat());
    old.extend([0.5f32; 4].map(f32::to_le_bytes).concat());
    let path = dir.join("old");
    std::fs::write(&path, &old).map_err(|source| Error::Io {
        path: path.clone(),
        action: "write",
        source,
    })?;
    old.extend([3i32, 4].map(i32::to_le_bytes).concat());
    old.extend(b"text");
    let path = dir.join("old_with_text");
    std::fs::write(&path, &old).map_err(|source| Error::Io { path: path.clone(), action: "write", source })
}

fn all_values() -> Metadata {
    let mut m = Metadata::new("seed");
    m.set("a", 1u8);
    m.set("b", -1i8);
    m.set("c", 2u16);
    m.set("d", -2i16);
    m.set("e", 3u32);
    m.set("f", -3i32);
    m.set("g", 0.5f32);
    m.set("h", true);
    m.set("i", "text");
    m.set("j", ArrayView::from([1u32, 2].as_slice()));
    m.set("k", ArrayView::from([true, false].as_slice()));
    m.set("l", ArrayView::from([0.5f64].as_slice()));
    m.set("m", 4u64);
    m.set("n", -4i64);
    m.set("o", 0.25f64);
    m
}

fn vocabulary() -> Metadata {
    let mut m = Metadata::new("seed");
    m.set("general.architecture", "llama");
    m.set("tokenizer.ggml.tokens", ["a", "b", "ab"].iter().collect::<ArrayView>());
    m.set("tokenizer.ggml.scores", ArrayView::from([0.0f32, -1.0, -2.0].as_slice()));
    m
}

fn small_alignment() -> Metadata {
    let mut m = Metadata::new("seed");
    m.set("general.alignment", 8u32);
    m
}

fn write_gguf(path: &Path, metadata: Metadata, types: &[TensorType]) -> Result<(), Error> {
    let mut layout = GgufLayout::new(metadata);
    for t in types {
        layout.tensor(t.name(), *t, &[2, t.block_size()]);
    }
    let mut writer = GgufWriter::create(path, &layout)?;
    for t in types {
        writer.begin(t.name())?;
        writer.write(&vec![1; 2 * t.block_bytes()])?;
    }
    writer.finish()
}

fn write_safetensors(path: &Path, types: &[&str], shape: &[usize]) -> Result<(), Error> {
    let mut layout = SafetensorsLayout::new();
    let dtype = |name: &str| Dtype::from_safetensors_name(name).expect("a name of the format");
    for name in types {
        layout.tensor(name, dtype(name), shape);
    }
    let mut writer = SafetensorsWriter::create(path, &layout)?;
    for name in types {
        writer.begin(name)?;
        let bytes = dtype(name).tensor_bytes(shape).expect("a small shape");
        writer.write(&vec![1; bytes])?;
    }
    writer.finish()
}
