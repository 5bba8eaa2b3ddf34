//! Completion scripts and manual pages, made from the command line's own description.

use crate::cli::Cli;
use crate::out;
use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::path::Path;

/// Prints the completion script for `shell`.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hob", &mut script);
    out::bytes(&script)
}

/// Prints `hob(1)`, or writes the pages of all commands into `dir`.
pub fn man(dir: Option<&Path>) -> anyhow::Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = dir else { return out::bytes(&page(&command)?) };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let mut count = 0;
    write_pages(&command, dir, &mut count)?;
    out::text(&format!("Wrote {count} pages into {}.\n", dir.display()))
}

fn write_pages(command: &Command, dir: &Path, count: &mut usize) -> anyhow::Result<()> {
    // `build` gives subcommands their full names: hob-eval-kl.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    std::fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    *count += 1;
    for subcommand in command.get_subcommands() {
        write_pages(subcommand, dir, count)?;
    }
    Ok(())
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
