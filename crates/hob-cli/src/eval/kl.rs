//! `hob eval kl`.

use super::TextArgs;
use crate::out;
use crate::progress::Progress;
use anyhow::bail;
use clap::Args;
use hob_eval::Divergence;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob eval kl`.
#[derive(Args, Debug)]
pub struct KlArgs {
    /// The reference; ember is the built-in model
    pub base: PathBuf,
    /// The model to compare with it
    pub model: PathBuf,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
}

/// Runs the command.
pub fn run(args: &KlArgs) -> anyhow::Result<()> {
    let text = args.text.text()?;
    let base = args.text.model(&args.base)?;
    let other = args.text.model(&args.model)?;
    let tokens = args.text.tokens(&base, &text)?;
    if tokens != args.text.tokens(&other, &text)? {
        bail!(
            "the two models cut this text into different tokens, so they cannot be compared token by token; are they of one family?"
        );
    }
    let windows = args.text.windows(&base)?;
    let all = tokens.len() / windows.length;
    let planned = windows.count_max.map_or(all, |max| max.min(all));
    let mut progress = Progress::start();
    let mut hear = |d: &Divergence| {
        let done = d.reference.windows;
        let line = || format!("window {done} of {planned}: mean KL {:.6}", d.mean);
        progress.update(line, || json!({"event": "window", "done": done, "total": planned, "mean": d.mean}));
    };
    let (reference, compared) = (base.engine(), other.engine());
    let d = hob_eval::kl_divergence(
        reference.model(),
        compared.model(),
        reference.cpu(),
        tokens,
        windows,
        &mut hear,
    )?;
    drop(progress);
    if args.text.json {
        return out::json(&d);
    }
    out::text(&lines(&d, windows.length))
}

fn lines(d: &Divergence, window: usize) -> String {
    format!(
        "KL divergence  mean {:.6} ± {:.6}, median {:.6}, 99 % below {:.6}, 99.9 % below {:.6}, max {:.6} nats\n\
         same top token {:.3} % ± {:.3}\n\
         perplexity     {:.4} (reference), {:.4} (compared), logarithm of the ratio {:+.6} ± {:.6}\n\
         scored         {} tokens in {} windows of {}\n",
        d.mean,
        d.mean_error,
        d.median,
        d.p99,
        d.p999,
        d.max,
        100.0 * d.same_top,
        100.0 * d.same_top_error,
        d.reference.perplexity,
        d.other.perplexity,
        d.log_ratio,
        d.log_ratio_error,
        d.reference.tokens,
        d.reference.windows,
        window
    )
}
