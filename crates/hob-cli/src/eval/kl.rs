//! `hob eval kl`.

use super::TextArgs;
use super::flips::{Flip, Flips};
use crate::out;
use crate::progress::Progress;
use anyhow::bail;
use clap::Args;
use hob_eval::{Divergence, Heard};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob eval kl`.
#[derive(Args, Debug)]
pub struct KlArgs {
    /// The reference; ember is the built-in model
    pub base: PathBuf,
    /// The model to compare with it
    pub model: PathBuf,
    /// Show the N places of largest divergence where the models would go on differently
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub flips: u16,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
}

/// What the command found out.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    divergence: Divergence,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flips: Vec<Flip>,
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
    let mut flips = Flips::new(args.flips.into());
    let mut hear = |heard: Heard<'_>| {
        let d = match heard {
            Heard::Token(scored) => return flips.hear(scored),
            Heard::Window(d) => d,
        };
        let done = d.reference.windows;
        let line = || format!("window {done} of {planned}: mean KL {:.6}", d.mean);
        progress.update(line, || json!({"event": "window", "done": done, "total": planned, "mean": d.mean}));
    };
    let (reference, compared) = (base.engine(), other.engine());
    let divergence = hob_eval::kl_divergence(
        reference.model(),
        compared.model(),
        reference.cpu(),
        tokens,
        windows,
        &mut hear,
    )?;
    drop(progress);
    let report = Report { divergence, flips: flips.told(base.tokenizer()?) };
    if args.text.json { out::json(&report) } else { out::text(&lines(&report, windows.length)) }
}

fn lines(report: &Report, window: usize) -> String {
    let Report { divergence: d, flips } = report;
    let mut lines = format!(
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
    );
    for flip in flips {
        let Flip { before, reference, other, text, divergence } = flip;
        lines += &format!(
            "\n{divergence:.3} nats after {before:?}\n  {reference:?}, not {other:?}; the text: {text:?}\n"
        );
    }
    lines
}
