//! `hob eval perplexity`.

use super::TextArgs;
use crate::out;
use crate::progress::Progress;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob eval perplexity`.
#[derive(Args, Debug)]
pub struct PerplexityArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
}

/// Runs the command.
pub fn run(args: &PerplexityArgs) -> anyhow::Result<()> {
    let text = args.text.text()?;
    let model = args.text.model(&args.model)?;
    let tokens = args.text.tokens(&model, &text)?;
    let windows = args.text.windows(&model)?;
    let all = tokens.len() / windows.length;
    let planned = windows.count_max.map_or(all, |max| max.min(all));
    let mut progress = Progress::start();
    let mut hear = |p: &hob_eval::Perplexity| {
        let line = || format!("window {} of {planned}: perplexity {:.4}", p.windows, p.perplexity);
        progress.update(
            line,
            || json!({"event": "window", "done": p.windows, "total": planned, "perplexity": p.perplexity}),
        );
    };
    let engine = model.engine();
    let p = hob_eval::perplexity(engine.model(), engine.cpu(), tokens, windows, &mut hear)?;
    drop(progress);
    if args.text.json {
        return out::json(&p);
    }
    out::text(&format!(
        "perplexity  {:.4} ± {:.4}\nnll         {:.5} ± {:.5} nats per token\nscored      {} tokens in {} windows of {}\n",
        p.perplexity, p.perplexity_error, p.nll, p.nll_error, p.tokens, p.windows, windows.length
    ))
}
