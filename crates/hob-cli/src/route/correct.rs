//! `hob route correct`: the user's word against the router's.

use crate::{cloud, fail, input, out};
use clap::{Args, ValueEnum};

/// What comes of it.
pub const AFTER_HELP: &str = "\
Questions like it are judged accordingly from now on: the more words they share, the more. The latest 1,024 corrections lie in the
data folder as counts of hashed words, not as text. The page corrects when you have an answer made anew by another model.";

/// Arguments of `hob route correct`.
#[derive(Args, Debug)]
pub struct CorrectArgs {
    /// The prompt [default: standard input]
    pub prompt: Option<String>,
    /// Who should have answered it
    #[arg(long, value_enum, required_unless_present = "forget")]
    pub to: Option<Whom>,
    /// Forget all corrections
    #[arg(long, conflicts_with_all = ["to", "prompt"])]
    pub forget: bool,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Whom {
    /// A model of this machine
    Local,
    /// A larger one
    Larger,
}

/// Runs the command.
pub fn run(args: &CorrectArgs) -> anyhow::Result<()> {
    let cloud = cloud::open()?;
    let Some(to) = args.to else {
        let count = cloud.forget_corrections()?;
        let what = if count == 1 { "correction" } else { "corrections" };
        return out::text(&format!("forgot {count} {what}\n"));
    };
    let prompt = match &args.prompt {
        Some(prompt) => prompt.clone(),
        None => input::stdin()?,
    };
    if prompt.trim().is_empty() {
        return Err(fail::usage("there is nothing to correct: the prompt is empty"));
    }
    cloud.correct(&prompt, to == Whom::Local)?;
    Ok(())
}
