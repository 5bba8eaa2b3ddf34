//! Repository chores, run as `cargo xtask NAME`.
//!
//! Knows how to build, check and start Hob; deliberately knows nothing of models, tokens or kernels (the fixtures
//! runner in `hob-testkit` does). Built first on a fresh machine, so its dependencies stay few.
//! Read `check.rs` first: it is the list of everything CI does.
#![allow(clippy::disallowed_methods, reason = "xtask reads the repository, the environment and the clock")]

mod arm;
mod check;
mod conformance;
mod debian;
mod ember;
mod fixtures;
mod fuzz;
mod peers;
mod shell;
mod start;
mod steps;
mod tidy;
mod web;
mod x86;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Chores of the Hob repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build Hob and run its main job: the page in the browser, or a chat in the terminal
    Start {
        /// Passed on to `hob chat`, for example a model path and a prompt
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Install what the tests need and run everything
    Test {
        /// Only fmt, clippy, tests and tidy
        #[arg(long)]
        quick: bool,
    },
    /// Compare the repository with its own rules (layers, islands, sizes, ledgers)
    Tidy,
    /// Run the fixture suites (models, tokenizers, templates, block types, malformed files)
    Fixtures {
        /// Folder with `models/`, `tokenizers/`, `chat_templates/`, `gguf_types/` and `malformed/`
        #[arg(long)]
        root: Option<PathBuf>,
        /// Passed on to the runner: suites to run and `--filter TEXT`
        rest: Vec<String>,
    },
    /// Build and run the ARM variants under emulation
    Arm,
    /// Run the AVX-512 and AVX-VNNI variants on emulated CPUs; needs the emulator Bochs, 3.0 or newer
    X86(x86::Options),
    /// Run every fuzz target for a while
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only the target of this name
        #[arg(long)]
        target: Option<String>,
    },
    /// Build the page that `hob serve` shows (needs Node); builds of Hob after it have it inside
    Web,
    /// Make Ember, the built-in model, from seed: data, vocabulary, pre-training, instruction
    Ember,
    /// Make the tagger that finds names in texts, from seed, and measure it
    Tagger,
    /// Make the router that judges whether the local answer suffices, from seed
    Router,
    /// Run official clients and others' suites against the server (needs Python; Node for npm's clients)
    Conformance(conformance::Options),
    /// Measure Hob beside llama.cpp and OpenVINO on this machine, and compare with the bars
    BenchPeers(peers::Options),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().chore {
        Chore::Start { rest } => start::run_start(&rest),
        Chore::Test { quick } => check::run_checks(quick),
        Chore::Tidy => tidy::run_tidy(),
        Chore::Fixtures { root, rest } => fixtures::run_fixtures(root, &rest),
        Chore::Arm => alone("arm", arm::run_arm()),
        Chore::X86(options) => x86::run_x86(&options),
        Chore::Fuzz { seconds, target } => alone("fuzz", fuzz::run_fuzz(seconds, target.as_deref())),
        Chore::Web => web::run_build(),
        Chore::Ember => ember::run_ember(),
        Chore::Tagger => ember::run_tagger(),
        Chore::Router => ember::run_router(),
        Chore::Conformance(options) => conformance::run_suites(&options),
        Chore::BenchPeers(options) => peers::run_bench(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A chore asked for by name fails when it had to be skipped: the user wanted it to run.
fn alone(name: &str, outcome: anyhow::Result<steps::Outcome>) -> anyhow::Result<()> {
    match outcome? {
        steps::Outcome::Passed => Ok(()),
        steps::Outcome::Skipped(reason) => anyhow::bail!("{name} could not run: {reason}"),
    }
}
