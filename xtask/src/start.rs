//! `cargo xtask start`: Hob's main job, with as little between the user and it as possible.

use std::{io::IsTerminal, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::shell::{cargo, output, run, shared_dir, target_dir};

/// How a user without the small model gets a chat.
const HOW_TO_CHAT: &str = "\
hob is built. It needs a model file, for example any GGUF of Gemma, Llama, Qwen, Phi or SmolLM:

    target/release/hob chat path/to/model.gguf

or: cargo xtask start path/to/model.gguf";

/// Builds `hob` in release and chats; `rest` goes to `hob chat` unchanged.
pub fn run_start(rest: &[String]) -> Result<()> {
    run(&mut cargo(["build", "--release", "-p", "hob-cli"]))?;
    let hob = target_dir().join("release").join(format!("hob{}", std::env::consts::EXE_SUFFIX));
    if !output(Command::new(&hob).arg("--help")).is_ok_and(|help| help.contains("chat")) {
        bail!("{} is built, but has no `chat` command in this checkout", hob.display());
    }
    let mut chat = Command::new(&hob);
    chat.arg("chat");
    if !rest.is_empty() {
        return run(chat.args(rest));
    }
    let Some(model) = story_model() else {
        println!("{HOW_TO_CHAT}");
        return Ok(());
    };
    eprintln!("The small story model continues any text: it tells toddler stories and knows nothing else.");
    chat.arg(model);
    // Without a terminal there is nobody to type: tell one story and end.
    if !std::io::stdin().is_terminal() {
        chat.arg("Once upon a time");
    }
    run(&mut chat)
}

fn story_model() -> Option<PathBuf> {
    let path = shared_dir()?.join("models").join("stories260K-f32.gguf");
    path.is_file().then_some(path)
}
