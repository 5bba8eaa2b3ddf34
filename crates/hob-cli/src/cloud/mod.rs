//! `hob cloud`: bigger models elsewhere. Nothing is sent to them until the user says so.

mod add;
mod ask;
mod files;
mod list;
mod reader;
mod solve;

use crate::{keyring, platform, store};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use hob_cloud::{Cloud, KeyFrom, Mode, Setup};
use hob_egress::{Config, Egress, Secret};
use std::path::Path;
use std::time::Duration;

/// Longest wait for the next word of an answer: models elsewhere think before they speak.
const READ_TIMEOUT: Duration = Duration::from_secs(180);

const AFTER_HELP: &str = "\
Three modes say whether anything may leave (`hob cloud mode`): offline, where nothing does and which it is until you change it; ask,
where you send to a target by its name; hybrid, where the router sends too, within policy.toml in the data folder (`hob route explain
--help` shows what can stand there). Whatever the mode, what is marked private stays, and what is private in the rest is hidden
before it leaves (`hob privacy preview`), and put back in the answer. Every request stands in a ledger (`hob privacy ledger show`).";

/// What can be done.
#[derive(Subcommand, Debug)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Say whether anything may leave: offline, ask or hybrid; without one, print what holds
    Mode(ModeArgs),
    /// Add a target
    Add(Box<add::AddArgs>),
    /// List the targets, with what was spent
    List(list::ListArgs),
    /// Ask a target something short, to see whether it answers; may cost a little
    Test(list::TestArgs),
    /// Remove a target, and its key where Hob keeps it
    Remove(list::RemoveArgs),
    /// Ask a target, or show what would be sent to it
    Ask(ask::AskArgs),
    /// Answer a question about a file that a target plans without seeing it; the local model reads
    Solve(Box<solve::SolveArgs>),
}

/// Arguments of `hob cloud mode`.
#[derive(Args, Debug)]
pub struct ModeArgs {
    /// offline, ask or hybrid
    pub mode: Option<Mode>,
}

/// Runs the command.
pub fn run(what: &Command) -> anyhow::Result<()> {
    let cloud = open()?;
    match what {
        Command::Mode(args) => list::mode(&cloud, args.mode),
        Command::Add(args) => add::run(&cloud, args),
        Command::List(args) => list::run(&cloud, args),
        Command::Test(args) => list::test(&cloud, args),
        Command::Remove(args) => list::remove(&cloud, args),
        Command::Ask(args) => ask::run(&cloud, args),
        Command::Solve(args) => solve::run(&cloud, args),
    }
}

/// The way to bigger models, as the data folder says.
pub fn open() -> anyhow::Result<Cloud> {
    let data = platform::data_dir().ok_or_else(|| {
        anyhow!("there is no place for targets: neither HOB_HOME nor the home folder is set")
    })?;
    let connect = |policy| {
        let config = store::gate(policy).map_err(|error| format!("{error:#}"))?;
        let config = Config { read_timeout: READ_TIMEOUT, ..config };
        Egress::new(config, store::ledger()).map_err(|error| error.to_string())
    };
    Ok(Cloud::new(Setup {
        folder: data.path,
        connect: Box::new(connect),
        key: Box::new(|name, from| key(name, from).map_err(|error| format!("{error:#}"))),
        clock: platform::since_start,
        seed: platform::seed_from_clock,
    }))
}

/// The key of a target.
fn key(name: &str, from: &KeyFrom) -> anyhow::Result<Secret> {
    let text = match from {
        KeyFrom::Variable(name) => {
            store::variable(&[name]).ok_or_else(|| anyhow!("the variable {name} is not set"))?
        }
        KeyFrom::File(path) => read(path)?,
        KeyFrom::Keyring => keyring::find(&account(name))?,
    };
    Secret::new(&text).ok_or_else(|| anyhow!("{from}: expected a key without spaces, found something else"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Under which the keyring has the key of a target.
fn account(name: &str) -> String {
    format!("target-{name}")
}
