//! `hob quantize`: the same model in blocks of another type.

use crate::progress::Progress;
use crate::which::Which;
use crate::{fail, out};
use clap::Args;
use hob_base::Bytes;
use hob_format::{Dtype, ImportanceMatrix, Tensor};
use hob_quant::TensorType;
use hob_shrink::{Quantize, Quantized, quantize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Arguments of `hob quantize`.
#[derive(Args, Debug)]
#[command(after_help = "\
Types: F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S
IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4. Vectors stay as they are. `hob shrink` chooses a type for each tensor.")]
pub struct QuantizeArgs {
    /// GGUF file or model directory to read
    pub model: PathBuf,
    /// File to write
    pub out: PathBuf,
    /// Type of the matrices
    #[arg(value_name = "TYPE", value_parser = super::parse_type, required_unless_present = "like")]
    pub ty: Option<TensorType>,
    /// Every tensor gets the type that it has in this GGUF file; TYPE is for those it has not
    #[arg(long, value_name = "FILE")]
    pub like: Option<PathBuf>,
    /// Type of the embedding, if another
    #[arg(long, value_name = "TYPE", value_parser = super::parse_type)]
    pub embedding: Option<TensorType>,
    /// Type of the head, if another
    #[arg(long, value_name = "TYPE", value_parser = super::parse_type)]
    pub head: Option<TensorType>,
    /// Importance matrix, made by `hob imatrix` or llama-imatrix
    #[arg(long, value_name = "FILE")]
    pub imatrix: Option<PathBuf>,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &QuantizeArgs) -> anyhow::Result<()> {
    let file = Which::named(&args.model).gguf()?;
    if file.paths().iter().any(|path| super::is_same(path, &args.out)) {
        return Err(fail::usage("the new file would replace the one it is made from; choose another name"));
    }
    let importance = args.imatrix.as_deref().map(ImportanceMatrix::load).transpose()?;
    let means = importance.iter().flat_map(|m| &m.entries).map(|(name, i)| (name.as_str(), i.mean()));
    let recipe = args.like.as_deref().map(|path| Which::named(path).gguf()).transpose()?;
    let how = Quantize {
        ty: args.ty,
        recipe: recipe.iter().flat_map(|file| file.tensors.iter()).filter_map(named).collect(),
        embedding: args.embedding,
        head: args.head,
        importance: means.collect::<BTreeMap<_, _>>(),
        adapter: None,
        threads: args.threads.map_or_else(crate::parent::all_cores, usize::from),
    };
    let (mut progress, mut done) = (Progress::start(), 0);
    let total = file.tensors.len();
    let mut heard = |name: &str, ty: TensorType| {
        done += 1;
        let event =
            || json!({"event": "tensor", "name": name, "type": ty.name(), "done": done, "total": total});
        progress.update(|| format!("{done} of {total}: {name} to {ty}"), event);
    };
    let quantized = quantize(&file, &how, &args.out, &mut heard)?;
    drop(progress);
    report(args, &quantized, file.file_bytes())
}

/// A tensor's name and type, where the type is one that can be written.
fn named(tensor: &Tensor) -> Option<(&str, TensorType)> {
    match tensor.dtype {
        Dtype::Block(ty) if ty.can_quantize() => Some((&tensor.name, ty)),
        _ => None,
    }
}

fn report(args: &QuantizeArgs, done: &Quantized, before: u64) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(&args.out)?.len();
    if args.json {
        return out::json(&json!({
            "file": args.out, "bytes": bytes, "bytes_before": before, "types": done.types, "unfit": done.unfit,
        }));
    }
    if let Some(first) = done.unfit.first() {
        fail::note(&format!(
            "{} tensors got a larger type, since their rows are no whole blocks of {}; the first is {first}",
            done.unfit.len(),
            args.ty.map_or("the one wanted", TensorType::name)
        ));
    }
    let types: Vec<String> = done.types.iter().map(|(ty, count)| format!("{count} {ty}")).collect();
    out::text(&format!(
        "{}\nsize   {}, from {}\ntypes  {}\n",
        args.out.display(),
        Bytes(bytes),
        Bytes(before),
        types.join(", ")
    ))
}
