//! `hob route`: whether the local answer suffices, and where a request would go. Nothing is sent.

mod calibrate;
mod correct;
mod evaluate;
mod explain;
mod written;

use anyhow::{Context, bail};
use clap::Subcommand;
use hob_router::Row;
use std::path::Path;

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Route {
    /// Say where a request would go under a policy, with every signal that speaks for it
    #[command(after_help = explain::POLICY_HELP)]
    Explain(explain::ExplainArgs),
    /// Learn from questions with known answers when a model of this machine is right
    #[command(after_help = calibrate::FILE_HELP)]
    Calibrate(calibrate::CalibrateArgs),
    /// Say who should have answered a question, so that the router judges others like it accordingly
    #[command(after_help = correct::AFTER_HELP)]
    Correct(correct::CorrectArgs),
    /// Measure the router on recorded outcomes of two models
    #[command(after_help = evaluate::FILE_HELP)]
    Eval(evaluate::EvalArgs),
}

/// Runs the command.
pub fn run(what: &Route) -> anyhow::Result<()> {
    match what {
        Route::Explain(args) => explain::run(args),
        Route::Calibrate(args) => calibrate::run(args),
        Route::Correct(args) => correct::run(args),
        Route::Eval(args) => evaluate::run(args),
    }
}

/// The recorded outcomes of `path`, of which there is at least one.
fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut failed = None;
    hob_train::data::read_lines(path, &mut |line, text| {
        match Row::from_json(text) {
            Ok(row) => rows.push(row),
            Err(error) => failed = Some((line, error)),
        }
        Ok(failed.is_none())
    })?;
    if let Some((line, error)) = failed {
        return Err(error).with_context(|| format!("{}: line {line}", path.display()));
    }
    if rows.is_empty() {
        bail!("{}: expected lines with recorded outcomes, found none", path.display());
    }
    Ok(rows)
}
