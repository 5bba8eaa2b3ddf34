//! Opening one suspicious input in a process of its own.
//!
//! A stack overflow, an abort or a hang cannot be caught inside the process that has it; in a child they are an exit
//! status that the suite reports like any other failure.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{alloc, report::panic_message, shared::read_text, subject::Subject};

/// Live bytes past which an allocation fails in the child: far above any fixture's limit, far below the machine's.
const CHILD_BYTES_MAX: usize = 4 << 30;

/// What a child is given beyond the fixture's own limit before it is ended: start-up on a busy machine.
const GRACE: Duration = Duration::from_secs(10);

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// A GGUF file, the container only.
    Gguf,
    /// A safetensors file, the container only.
    Safetensors,
    /// A model, completely: container, spec, weights' shapes, tokenizer and template.
    Model,
    /// A chat template, rendered with one user message.
    Template,
}

/// What happened inside the child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The error's message when the input was rejected.
    pub rejected: Option<String>,
    /// The panic's message when there was one.
    pub panicked: Option<String>,
    /// Whether the input was accepted but gave nothing (an empty rendering).
    pub empty: bool,
    /// Most bytes live at once, beyond those at the start.
    pub peak_extra_bytes: usize,
    /// Seconds it took.
    pub seconds: f64,
}

/// How a child ended.
#[derive(Debug)]
pub enum Verdict {
    /// By itself, with a measurement.
    Measured(Measured),
    /// Otherwise: killed at the limit, aborted, overflowed its stack.
    Broken(String),
}

/// The child's side: opens `path` and measures. The caller installs [`alloc::CountingAllocator`] and prints the result.
pub fn measure(target: Target, path: &Path, subject: Option<&dyn Subject>) -> Measured {
    alloc::set_limit(CHILD_BYTES_MAX);
    // The report says what panicked; the default hook would print it a second time.
    std::panic::set_hook(Box::new(|_| ()));
    let (start, before) = (Instant::now(), alloc::reset_peak());
    let outcome = catch_unwind(AssertUnwindSafe(|| open(target, path, subject)));
    let seconds = start.elapsed().as_secs_f64();
    let peak_extra_bytes = alloc::peak_bytes().saturating_sub(before);
    let mut measured = Measured { rejected: None, panicked: None, empty: false, peak_extra_bytes, seconds };
    match outcome {
        Ok(Ok(empty)) => measured.empty = empty,
        Ok(Err(message)) => measured.rejected = Some(message),
        Err(panic) => measured.panicked = Some(panic_message(&*panic)),
    }
    measured
}

/// Whether what was opened is empty.
fn open(target: Target, path: &Path, subject: Option<&dyn Subject>) -> Result<bool, String> {
    match target {
        Target::Gguf => hob_format::Gguf::open(path).map(|_| false).map_err(|error| error.to_string()),
        Target::Safetensors => {
            hob_format::SafeTensors::open(path).map(|_| false).map_err(|error| error.to_string())
        }
        Target::Model => {
            let subject = subject.ok_or("no engine is linked in")?;
            subject.load(path).map(|_| false)
        }
        Target::Template => render_greeting(&read_text(path)?).map(|text| text.is_empty()),
    }
}

fn render_greeting(source: &str) -> Result<String, String> {
    let messages = [serde_json::json!({"role": "user", "content": "Hello!"})];
    crate::suites::chat_templates::render(source, &messages)
}

/// The parent's side: runs this same program as `--probe`, ends it when it takes too long.
///
/// # Errors
/// A message when the child cannot be started.
pub fn run_child(program: &Path, target: Target, path: &Path, seconds: f64) -> Result<Verdict, String> {
    let name = clap::ValueEnum::to_possible_value(&target).expect("no target is hidden");
    let mut child = Command::new(program)
        .args(["--probe", name.get_name()])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let Some(status) = wait(&mut child, Duration::from_secs_f64(seconds) + GRACE)? else {
        return Ok(Verdict::Broken(format!("still busy {GRACE:?} past the limit of {seconds} s; ended")));
    };
    let mut text = String::new();
    let mut stdout = child.stdout.take().expect("the child was started with a pipe");
    stdout.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(match serde_json::from_str(&text) {
        Ok(measured) if status.success() => Verdict::Measured(measured),
        _ => Verdict::Broken(format!(
            "the process ended with {status}: an abort, a stack overflow or out of memory"
        )),
    })
}

fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The program to run as a child: the one that is running.
///
/// # Errors
/// A message when the operating system does not tell.
pub fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))
}
