//! `cargo xtask start`: Hob's main job, with as little between the user and it as possible.

use std::{io::IsTerminal, process::Command};

use anyhow::{Result, bail};

use crate::shell::{cargo, output, run, target_dir};

/// What is said where there is no terminal, and so nobody to type. Several words, since one would be taken for a path.
const PROMPT: &str = "Hello, who are you?";

/// Builds `hob` in release and chats with the built-in model; `rest` goes to `hob chat` unchanged instead.
pub fn run_start(rest: &[String]) -> Result<()> {
    run(&mut cargo(["build", "--release", "-p", "hob-cli"]))?;
    let hob = target_dir().join("release").join(format!("hob{}", std::env::consts::EXE_SUFFIX));
    if !output(Command::new(&hob).arg("--help")).is_ok_and(|help| help.contains("chat")) {
        bail!("{} is built, but has no `chat` command in this checkout", hob.display());
    }
    let mut chat = Command::new(&hob);
    chat.arg("chat").args(rest);
    if rest.is_empty() && !std::io::stdin().is_terminal() {
        chat.arg(PROMPT);
    }
    run(&mut chat)
}
