//! `hob shrink --mobile`: a child whose activations are rounded too, as a directory.

use super::ContainerArg;
use super::ShrinkArgs;
use crate::fail;
use crate::parent::Parent;
use anyhow::bail;
use hob::Directory;
use hob_format::{ModelFiles, SafetensorsLayout};
use hob_shrink::{Container, Outcome, pack};
use hob_train::Network;
use std::path::{Path, PathBuf};

/// Says before the work begins what would end it.
pub fn check(args: &ShrinkArgs, files: &[PathBuf]) -> anyhow::Result<()> {
    if args.mobile.is_none() {
        return Ok(());
    }
    if !args.types.is_empty() {
        return Err(fail::usage("--mobile has types of its own; leave --types out"));
    }
    if let Some(taken) = files.iter().find(|path| path.exists()) {
        bail!("{} is there already; choose another --out", taken.display());
    }
    Ok(())
}

/// Bytes of weights that stay in memory: the head reads the embedding's codes, and rows of the table of layers' own inputs are
/// read from the file when a token needs them.
pub fn resident_bytes(child: &Outcome) -> u64 {
    let tensors = child.tensors.iter().filter(|t| t.name != "per_layer_token_embd.weight");
    tensors.map(|t| t.bytes.len() as u64).sum()
}

/// Writes `child`, which computes as `network` says. Where this run wrote one before (`replaces`), that goes when the new one is
/// complete; a directory of somebody else's is an error.
pub fn write(
    (path, replaces): (&Path, bool),
    parent: &Parent,
    (network, child): (&Network, &Outcome),
    container: ContainerArg,
) -> anyhow::Result<()> {
    let ModelFiles::Gguf(gguf) = &parent.files else { bail!("parents are opened as GGUF files") };
    let mut directory = Directory::new(gguf)?;
    let container = match container {
        ContainerArg::Gemma => Container::Gemma,
        ContainerArg::CompressedTensors => Container::CompressedTensors,
    };
    let tensors = (&child.tensors[..], network.ranges());
    let packed = pack(container, network.spec(), network.layout(), tensors, &directory.tensors)?;
    directory.config["tie_word_embeddings"] = false.into();
    directory.config["torch_dtype"] = "bfloat16".into();
    directory.config["quantization_config"] = packed.quantization;
    let mut layout = SafetensorsLayout::new();
    for tensor in &packed.tensors {
        layout.tensor(&tensor.name, tensor.dtype, &tensor.shape);
    }
    let put = || -> anyhow::Result<()> {
        let writer = directory.create(path)?;
        let mut file = writer.tensors(&layout)?;
        for tensor in &packed.tensors {
            file.begin(&tensor.name)?;
            file.write(&tensor.bytes)?;
        }
        file.finish()?;
        Ok(writer.finish()?)
    };
    if !replaces {
        return put();
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".untrained");
    let before = path.with_file_name(name);
    std::fs::rename(path, &before)?;
    if let Err(error) = put() {
        std::fs::rename(&before, path)?;
        return Err(error);
    }
    Ok(std::fs::remove_dir_all(&before)?)
}
