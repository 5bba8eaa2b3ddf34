//! Help texts, and what the argument parser says instead of running a command.

use crate::cli::Cli;
use crate::{fail, out};
use clap::CommandFactory;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints the help of the command that `names` lead to; of the program for none.
pub fn of(names: &[String]) -> anyhow::Result<()> {
    let mut command = Cli::command();
    command.build();
    for name in names {
        let Some(inner) = command.find_subcommand(name) else {
            return Err(fail::usage(format!(
                "there is no command {:?}; `hob help` lists them",
                names.join(" ")
            )));
        };
        command = inner.clone();
    }
    out::text(&command.render_help().to_string())
}

/// Prints what the parser has to say: help and version as results, everything else as an error.
pub fn answer(answer: &clap::Error) -> ExitCode {
    let text = answer.render().to_string();
    if !answer.use_stderr() {
        return fail::exit_code(out::text(&text));
    }
    // Nothing is left to do if even standard error is closed.
    let _ = io::stderr().write_all(text.as_bytes());
    fail::USAGE.into()
}
