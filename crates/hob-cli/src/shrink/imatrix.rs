//! `hob imatrix`: how much each column of each matrix sees of a text.

use crate::out;
use crate::parent::{Parent, all_cores};
use crate::progress::Progress;
use crate::which::Which;
use anyhow::bail;
use clap::Args;
use hob::Compute;
use hob_format::{Importance, ImportanceMatrix};
use hob_kernels::{Cpu, Precision};
use hob_shrink::importance;
use hob_train::FileSource;
use hob_train::data::{Learn, Packing};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob imatrix`.
#[derive(Args, Debug)]
pub struct ImatrixArgs {
    /// GGUF file or model directory, best one of F32, F16 or BF16
    pub model: PathBuf,
    /// Text like that the model is for: plain, or JSON lines with `text` or `messages` (also .zst); may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub data: Vec<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "PATH")]
    pub out: PathBuf,
    /// Tokens of the text that are used
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub tokens: usize,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// Runs the command.
pub fn run(args: &ImatrixArgs) -> anyhow::Result<()> {
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let parent = Parent::open(&Which::named(&args.model), Precision::F32)?;
    let corpus = parent.words.corpus(&args.data, Learn::All, 8 * args.tokens as u64, threads)?;
    let sequence = super::sequence(&parent);
    let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(1));
    let count = packing.epoch_tokens().min(args.tokens) / sequence;
    if count == 0 {
        bail!("expected at least {sequence} tokens of text, found {}", packing.epoch_tokens());
    }
    let (text, cpu) = (packing.sequences(0, count), Cpu::new(threads, Compute::Exact));
    let (mut progress, total) = (Progress::start(), text.tokens.len());
    let layers = parent.network.spec().layers.len();
    let mut heard = |layer: usize| {
        let line = || format!("reading with the model: layer {} of {layers}", layer + 1);
        progress.update(line, || json!({"event": "reading", "layer": layer, "layers": layers}));
    };
    let source = FileSource { network: &parent.network, files: &parent.files };
    let seen = importance(&cpu, (&parent.network, &source), &text, sequence, &mut heard)?;
    drop(progress);
    let mut matrix = ImportanceMatrix {
        chunk_size: sequence as u32,
        chunk_count: count as u32,
        datasets: args.data.iter().map(|p| p.display().to_string()).collect(),
        ..ImportanceMatrix::default()
    };
    for (tensor, range) in parent.network.layout().iter() {
        // Matrices that share a tensor see the same.
        let Some((_, squares)) = seen.range(range).next() else { continue };
        let sums = squares.iter().map(|s| *s as f32).collect();
        matrix.entries.insert(tensor.name.clone(), Importance::new(sums, total as f32));
    }
    matrix.save(&args.out)?;
    let (matrices, path) = (matrix.entries.len(), args.out.display());
    out::text(&format!("{path}: {matrices} matrices, {total} tokens\n"))
}
