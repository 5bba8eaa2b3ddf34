//! `hob`: small language models on this machine, from a terminal.
//!
//! One file per command. Results go to standard output; everything else (progress, notices, errors) to standard error,
//! so that output can be piped. A command returns an error or nothing; `fail.rs` turns that into the exit code.
//!
//! Read `cli.rs` first, then `chat/mod.rs`.

#![allow(clippy::disallowed_methods, reason = "the composition root reads files, clocks and the environment")]

mod app;
mod bench;
mod browser;
mod chat;
mod chats;
mod cli;
mod cloud;
mod context;
mod conversation;
mod desktop;
mod doctor;
mod embed;
mod energy;
mod eval;
mod export;
mod fail;
mod generated;
mod hardware;
mod help;
mod input;
mod key;
mod keyring;
mod logits;
mod offline;
mod open;
mod out;
mod parent;
mod platform;
mod privacy;
mod progress;
mod prompt_template;
mod route;
mod sampling;
mod serve;
mod service;
mod show;
mod shrink;
mod signals;
mod stats;
mod store;
mod terminal;
mod tokenize;
mod train;
mod which;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    // The closest to the start of the process that every system offers.
    let started = Instant::now();
    match Cli::try_parse() {
        Ok(cli) => fail::exit_code(run(cli, started)),
        Err(answer) => help::answer(&answer),
    }
}

fn run(cli: Cli, started: Instant) -> anyhow::Result<()> {
    let Some(command) = cli.command.or_else(app::at_once) else {
        return help::of(&[]);
    };
    if cli.offline || command.is_offline() || store::is_offline() {
        offline::want();
        if !command.seals_itself() {
            offline::seal_if_wanted()?;
        }
    }
    match command {
        Command::Chat(args) => chat::run(*args, started),
        Command::Chats { what } => chats::run(&what),
        Command::Show(args) => show::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Tokenize(args) => tokenize::tokenize(&args),
        Command::Detokenize(args) => tokenize::detokenize(&args),
        Command::Template(args) => prompt_template::run(&args),
        Command::Logits(args) => logits::run(&args),
        Command::Eval { what } => eval::run(&what),
        Command::Bench(args) => bench::run(&args),
        Command::Train(args) => train::run(&args),
        Command::TrainTokenizer(args) => train::train_tokenizer(&args),
        Command::Distill(args) => train::distill(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Prune(args) => shrink::run_prune(&args),
        Command::Quantize(args) => shrink::run_quantize(&args),
        Command::Export(args) => export::run(&args),
        Command::MergeLora(args) => shrink::run_merge(&args),
        Command::Imatrix(args) => shrink::run_imatrix(&args),
        Command::Pull(args) => store::run_pull(&args),
        Command::Import(args) => store::run_import(&args),
        Command::List(args) => store::run_list(&args),
        Command::Rm(args) => store::run_rm(&args),
        Command::Cp(args) => store::run_cp(&args),
        Command::Search(args) => store::run_search(&args),
        Command::Verify(args) => store::run_verify(&args),
        Command::Du(args) => store::run_du(&args),
        Command::Serve(args) => serve::run(args),
        Command::Key { what } => key::run(&what),
        Command::Service { what } => service::run(&what),
        Command::Privacy { what } => privacy::run(&what),
        Command::Stats(args) => stats::run(&args),
        Command::Cloud { what } => cloud::run(&what),
        Command::Route { what } => route::run(&what),
        Command::Open(args) => app::run(&args, started),
        Command::Desktop { what } => desktop::run(what),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions { shell } => generated::completions(shell),
        Command::Help { command } => help::of(&command),
        Command::Man { out } => generated::man(out.as_deref()),
    }
}
