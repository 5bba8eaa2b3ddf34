//! `cargo xtask start`: Hob's main job, with as little between the user and it as possible.

use std::{io::IsTerminal, process::Command};

use anyhow::{Result, bail};

use crate::shell::{cargo, output, run, target_dir};

/// What is said where there is no terminal, and so nobody to type. Several words, since one would be taken for a path.
const PROMPT: &str = "Hello, who are you?";

/// Builds `hob` in release and starts it as anybody would: the page in the browser if this checkout has built it, else a
/// conversation with the built-in model. `rest` goes to `hob chat` unchanged instead.
pub fn run_start(rest: &[String]) -> Result<()> {
    run(&mut cargo(["build", "--release", "-p", "hob-cli"]))?;
    let hob = target_dir().join("release").join(format!("hob{}", std::env::consts::EXE_SUFFIX));
    if !output(Command::new(&hob).arg("--help")).is_ok_and(|help| help.contains("chat")) {
        bail!("{} is built, but has no `chat` command in this checkout", hob.display());
    }
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut start = Command::new(&hob);
    match (rest.is_empty(), is_terminal) {
        (true, true) => &mut start,
        (true, false) => start.args(["chat", PROMPT]),
        (false, _) => start.arg("chat").args(rest),
    };
    run(&mut start)
}
