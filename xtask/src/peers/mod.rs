//! `cargo xtask bench-peers`: Hob beside llama.cpp and OpenVINO on this machine, and whether the bars are met.
//!
//! Read `cases.rs` first: it is the table. `install.rs` brings the peers, `contenders.rs` says how each is called,
//! `measure.rs` runs them in turns, `judge.rs` compares figures with bars and `print.rs` shows them.

mod cases;
mod contenders;
mod figure;
mod install;
mod judge;
mod measure;
mod print;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use cases::Level;
use install::Place;

/// What to measure, and how long.
#[derive(Debug, Args)]
pub struct Options {
    /// Fail if a bar is missed or could not be measured
    #[arg(long)]
    check: bool,
    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// Only cases whose names contain one of these
    #[arg(long, value_name = "CASE", num_args = 1..)]
    only: Vec<String>,
    /// Turns that each contestant gets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Two turns and short runs: to see that everything works, not for figures
    #[arg(long)]
    quick: bool,
    /// Threads of every contestant
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: u32,
    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    hob: Option<PathBuf>,
    /// Print the names of the cases and stop
    #[arg(long)]
    list: bool,
    /// Compile llama.cpp's programs, print their folder and stop: for the scripts in bench/
    #[arg(long)]
    tools: bool,
}

impl Options {
    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }
}

/// Runs the command.
pub fn run_bench(options: &Options) -> Result<()> {
    if options.tools {
        println!("{}", Place::tools()?.display());
        return Ok(());
    }
    let wanted =
        |name: &str| options.only.is_empty() || options.only.iter().any(|o| name.contains(o.as_str()));
    let cases: Vec<_> = cases::all().into_iter().filter(|case| wanted(&case.name)).collect();
    if cases.is_empty() {
        bail!("no case is called anything like {:?}; --list prints their names", options.only);
    }
    if options.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    // Without AVX-512 these are the native ones once more.
    let cases: Vec<_> =
        cases.into_iter().filter(|case| case.level == Level::Native || has_more_than_avx2()).collect();
    let place = Place::prepare(options)?;
    let load_before = measure::load_average();
    if load_before.is_some_and(|load| load > 0.3) {
        eprintln!(
            "other programs are busy (load {load_before:?}): take ratios only, and few of them seriously"
        );
    }
    let verdicts: Vec<_> = cases.into_iter().map(|case| measure::run_case(&place, options, case)).collect();
    let report = print::Report::new(options, &place, load_before, verdicts);
    if options.json {
        println!("{}", report.json()?)
    } else {
        print!("{}", report.table())
    }
    let missed = report.missed();
    if options.check && missed > 0 {
        bail!("{missed} bars are missed or were not measured");
    }
    Ok(())
}

/// Whether this machine has vectors that cases for AVX2 leave out.
fn has_more_than_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
