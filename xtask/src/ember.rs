//! `cargo xtask ember`: the built-in model from published text, our own generators and a seed.
//!
//! Each stage is a command that anybody can run by itself; a stage that was interrupted goes on where it was.

use anyhow::{Context, Result};
use std::process::Command;

use crate::shell::{cargo, repo_root, run, shared_dir, target_dir};

/// Tokens of the vocabulary.
const VOCABULARY: &str = "4096";

/// Makes the model; what is made lies in `target/ember`.
pub fn run_ember() -> Result<()> {
    let shared = shared_dir().context("Ember learns from the text in ../shared/data, which is not there")?;
    // The recipes name this folder, wherever cargo builds.
    let (data, out, recipes) =
        (shared.join("data"), repo_root().join("target/ember"), repo_root().join("ember"));
    run(&mut cargo(["build", "--release", "-p", "hob-cli", "-p", "hob-ember"]))?;
    let program = |name: &str| {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        Command::new(target_dir().join("release").join(name))
    };
    run(program("hob-ember").arg("data").arg("--data").arg(&data).arg("--out").arg(&out))?;
    let mut vocabulary = program("hob");
    vocabulary.args(["train-tokenizer", "--size", VOCABULARY, "--megabytes", "24", "--out"]);
    vocabulary.arg(out.join("vocab.gguf")).arg("--template").arg(recipes.join("chat.jinja"));
    vocabulary.args(["--special", "<tool_call>", "--special", "</tool_call>"]);
    for file in ["text/books.train-0.jsonl.zst", "text/docs.train.jsonl.zst", "chat/chat.train.jsonl.zst"] {
        vocabulary.arg(data.join(file));
    }
    run(&mut vocabulary)?;
    for stage in ["pretrain.toml", "study.toml", "instruct.toml"] {
        run(program("hob").arg("train").arg(recipes.join(stage)))?;
    }
    // To be looked at before it takes the place of `ember/ember.gguf`.
    let (model, file) = (out.join("instruct/model.gguf"), out.join("ember.gguf"));
    run(program("hob").arg("quantize").arg(model).arg(file).arg("BF16"))
}

/// Makes the tagger of names and measures it; the file takes the place of the one that is built in.
pub fn run_tagger() -> Result<()> {
    let shared = shared_dir().context("the tagger also reads text in ../shared/data, which is not there")?;
    let mut learn = cargo(["run", "--release", "-p", "hob-ember", "--", "tagger", "--data"]);
    learn.arg(shared.join("data"));
    run(learn.arg("--out").arg(repo_root().join("crates/hob-privacy/src/tagger/tagger.bin")))
}

/// Makes the router; the file takes the place of the one that is built in.
pub fn run_router() -> Result<()> {
    let shared =
        shared_dir().context("the router learns from outcomes in ../shared/data, which is not there")?;
    let mut learn = cargo(["run", "--release", "-p", "hob-ember", "--", "router", "--data"]);
    learn.arg(shared.join("data"));
    run(learn.arg("--out").arg(repo_root().join("crates/hob-router/src/router.bin")))
}
