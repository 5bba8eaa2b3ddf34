//! `hob merge-lora`: a model with what an adapter adds to it.

use crate::parent::all_cores;
use crate::progress::Progress;
use crate::which::Which;
use crate::{fail, out};
use anyhow::{Context, bail};
use clap::Args;
use hob_base::Bytes;
use hob_quant::TensorType;
use hob_shrink::{Quantize, quantize};
use hob_train::Adapter;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob merge-lora`.
#[derive(Args, Debug)]
#[command(after_help = "\
Adapters are GGUF files, as `hob train` with [training.lora] and llama.cpp's converter write them. Matrices keep their types:
those of a quantised model are rounded once more, so give the unquantised model where you have it.")]
pub struct MergeArgs {
    /// GGUF file or directory of the model the adapter was made for
    pub model: PathBuf,
    /// GGUF file of the adapter
    pub adapter: PathBuf,
    /// File to write
    pub out: PathBuf,
    /// Type of the matrices [default: those of the model]
    #[arg(long = "type", value_name = "TYPE", value_parser = super::parse_type)]
    pub ty: Option<TensorType>,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &MergeArgs) -> anyhow::Result<()> {
    let file = Which::named(&args.model).gguf()?;
    if file.paths().iter().chain([&args.adapter]).any(|path| super::is_same(path, &args.out)) {
        return Err(fail::usage("the new file would replace one that it is made from; choose another name"));
    }
    let named = || args.adapter.display().to_string();
    let adapter = Adapter::read(&Which::named(&args.adapter).gguf()?).with_context(named)?;
    let architecture = file.metadata.str("general.architecture")?.unwrap_or_default();
    if adapter.architecture != architecture {
        bail!(
            "{}: made for the architecture {:?}, and the model's is {architecture:?}",
            named(),
            adapter.architecture
        );
    }
    let how = Quantize {
        ty: args.ty,
        adapter: Some(&adapter),
        threads: args.threads.map_or_else(all_cores, usize::from),
        ..Quantize::default()
    };
    let (mut progress, mut done, total) = (Progress::start(), 0, file.tensors.len());
    let mut heard = |name: &str, ty: TensorType| {
        done += 1;
        let event =
            || json!({"event": "tensor", "name": name, "type": ty.name(), "done": done, "total": total});
        progress.update(|| format!("{done} of {total}: {name}"), event);
    };
    let quantized = quantize(&file, &how, &args.out, &mut heard).with_context(named)?;
    drop(progress);
    let bytes = std::fs::metadata(&args.out)?.len();
    let changed = adapter.products.len();
    if args.json {
        let types = quantized.types;
        return out::json(&json!({"file": args.out, "bytes": bytes, "changed": changed, "types": types}));
    }
    out::text(&format!("{}: {}, {changed} matrices changed\n", args.out.display(), Bytes(bytes)))
}
