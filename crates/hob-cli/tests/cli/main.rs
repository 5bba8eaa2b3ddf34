//! The program from outside: arguments and standard input in, text and exit codes out.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run the program and read its snapshots"
)]

mod bench;
mod builtin;
#[cfg(unix)]
mod canaries;
mod chat;
mod chats;
mod cloud;
mod encrypted;
mod errors;
mod help;
mod keys;
mod numbers;
mod privacy;
mod repl;
mod route;
#[cfg(target_os = "linux")]
mod seal;
mod serve;
mod shrink;
mod solve;
mod store;
mod text;
mod train;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of the program came to.
pub struct Run {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Standard output of a run that must have gone well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Standard output of a run that must have gone well, as JSON.
    pub fn json(self) -> serde_json::Value {
        let stdout = self.ok();
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e} in {stdout}"))
    }
}

/// The program, with a data folder that does not exist and nothing of this machine's settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hob"));
    command.env("HOB_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-data")).env("NO_COLOR", "1");
    command
}

/// Runs the program with `args` and `stdin`.
pub fn hob<S: AsRef<std::ffi::OsStr>>(args: &[S], stdin: &[u8]) -> Run {
    run(program(), args, stdin)
}

/// The same with this data folder.
pub fn hob_at<S: AsRef<std::ffi::OsStr>>(home: &std::path::Path, args: &[S]) -> Run {
    let mut command = program();
    command.env("HOB_HOME", home);
    run(command, args, b"")
}

fn run<S: AsRef<std::ffi::OsStr>>(mut command: Command, args: &[S], stdin: &[u8]) -> Run {
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that fails early does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A model of `../shared`, or `None` with a word about it.
pub fn shared(path: &str) -> Option<String> {
    hob_testkit::shared::shared_or_skip(path).map(|path: PathBuf| path.display().to_string())
}

/// The trained story model.
pub fn stories() -> Option<String> {
    shared("models/stories260K-f32.gguf")
}

/// A family's fixture with a chat template: random weights, so its words mean nothing.
pub fn llama() -> Option<String> {
    shared("fixtures/models/llama3_2")
}
