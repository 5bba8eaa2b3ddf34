//! Makes the training data of Ember, Hob's built-in model: published conversations brought into one form, and
//! conversations that our own generators make; the tagger of names, from texts that are made too; and the router, from recorded
//! outcomes. The same seed gives the same bytes.
//!
//! Run by `cargo xtask ember`, `cargo xtask tagger` and `cargo xtask router`. Read `made/mod.rs` for what Ember is taught, `published.rs` for what is
//! left out of the published sets, `tagger/made.rs` for what the tagger learns from.
#![allow(clippy::disallowed_methods, reason = "a chore that reads and writes training data")]

mod made;
mod published;
mod router;
mod tagger;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Makes what Hob has built in, or the data it learns from.
#[derive(Parser)]
#[command(name = "hob-ember")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Ember's training data
    Data(DataArgs),
    /// The tagger of names in `hob-privacy`, and how good it is
    Tagger(tagger::TaggerArgs),
    /// The router in `hob-router`, from recorded outcomes
    Router(router::RouterArgs),
}

#[derive(clap::Args)]
struct DataArgs {
    /// Folder with the published sets (`chat/`, `text/`)
    #[arg(long)]
    data: PathBuf,
    /// Folder to write to; made if absent
    #[arg(long)]
    out: PathBuf,
    /// Made conversations for the first stage; twice as many more are made for later ones, and a fiftieth as many for
    /// validation
    #[arg(long, default_value_t = 60_000)]
    made: usize,
    /// Start of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    match Args::parse().what {
        What::Data(args) => make_data(&args),
        What::Tagger(args) => tagger::run_tagger(&args),
        What::Router(args) => router::run_router(&args),
    }
}

fn make_data(args: &DataArgs) -> Result<()> {
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    for split in ["train", "valid"] {
        let rows = published::chats(&args.data, split)?;
        write(&args.out.join(format!("chat.{split}.jsonl")), &rows)?;
    }
    write(&args.out.join("made.train.jsonl"), &made::conversations(args.seed, args.made))?;
    write(&args.out.join("more.train.jsonl"), &made::conversations(args.seed + 2, 2 * args.made))?;
    write(&args.out.join("made.valid.jsonl"), &made::conversations(args.seed + 1, args.made / 50))
}

fn write(path: &Path, rows: &[serde_json::Value]) -> Result<()> {
    let text: String = rows.iter().map(|row| row.to_string() + "\n").collect();
    std::fs::write(path, text).with_context(|| path.display().to_string())?;
    println!("{}: {} conversations", path.display(), rows.len());
    Ok(())
}
