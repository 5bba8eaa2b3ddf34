//! Runs the fixture suites over a folder and counts: `cargo xtask fixtures [--root DIR]`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use hob_testkit::{
    alloc::CountingAllocator,
    facade::HobSubject,
    probe::{self, Target},
    shared::shared_or_skip,
    subject::Subject,
    suites::{Run, SUITES, run_suites},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs Hob's fixture suites over a folder of fixtures.
#[derive(Parser)]
#[command(name = "hob-fixtures")]
struct Args {
    /// Folder with `models/`, `tokenizers/`, `chat_templates/`, `gguf_types/` and `malformed/` [default: ../shared/fixtures]
    #[arg(long)]
    root: Option<PathBuf>,
    /// Only some cases: `models/gemma4_e2b/hf` names them from the left, a word without a slash anywhere
    #[arg(long)]
    filter: Option<String>,
    /// Suites to run; all when none is named
    suites: Vec<String>,
    /// Open one input and print what happened as JSON; how the malformed suite calls this program
    #[arg(long, hide = true, num_args = 2, value_names = ["TARGET", "PATH"])]
    probe: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.probe {
        Some(probe) => run_probe(probe),
        None => run(&args),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("hob-fixtures: {message}");
        ExitCode::FAILURE
    })
}

/// The engine under test.
fn subject() -> Option<Box<dyn Subject>> {
    Some(Box::new(HobSubject))
}

fn run(args: &Args) -> Result<ExitCode, String> {
    if let Some(unknown) = args.suites.iter().find(|asked| SUITES.iter().all(|(name, _)| name != asked)) {
        let known: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no suite is called {unknown}; there are {}", known.join(", ")));
    }
    let Some(root) = args.root.clone().or_else(|| shared_or_skip("fixtures")) else {
        return Err("no fixtures: expected ../shared/fixtures; name a folder with --root DIR".to_owned());
    };
    let subject = subject();
    let run = Run { root: &root, filter: args.filter.as_deref(), subject: subject.as_deref() };
    let counts = run_suites(run, &args.suites).map_err(|error| error.to_string())?;
    println!("{counts}");
    if counts.passed + counts.failed == 0 {
        return Err(format!("nothing ran: {} holds no fixtures that match", root.display()));
    }
    Ok(if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_probe(probe: &[String]) -> Result<ExitCode, String> {
    let [target, path] = probe else { return Err("--probe needs a target and a path".to_owned()) };
    let target: Target = clap::ValueEnum::from_str(target, true)?;
    let subject = subject();
    let measured = probe::measure(target, path.as_ref(), subject.as_deref());
    println!("{}", serde_json::to_string(&measured).map_err(|error| error.to_string())?);
    Ok(ExitCode::SUCCESS)
}
