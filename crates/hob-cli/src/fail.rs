//! From errors to exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

use std::io;
use std::process::ExitCode;

/// Exit code of a command line that asks for something that cannot be.
pub const USAGE: u8 = 2;

/// Errors that end with another exit code than 1.
#[derive(Debug)]
pub enum Stop {
    /// The command line asks for something that cannot be.
    Usage(String),
    /// Ctrl-C.
    Interrupted,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Usage(message) => f.write_str(message),
            Stop::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Stop {}

/// An error about the command line.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Stop::Usage(message.into()).into()
}

/// Reports what went wrong, if anything did.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        // Whoever reads our output has seen enough, as with `hob logits ... | head`.
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<Stop>() {
        Some(Stop::Interrupted) => ExitCode::from(130),
        Some(Stop::Usage(message)) => {
            note_error(&format!("{message}\n\nFor more information, try '--help'."));
            USAGE.into()
        }
        None => {
            note_error(&message(&error));
            ExitCode::from(1)
        }
    }
}

/// The error with its causes, those left out that it quotes already.
fn message(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Whether the error is only that nobody reads the output any more.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes an error to standard error. Nothing is left to do if even that is closed.
pub fn note_error(message: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Writes a line for programs to standard error.
pub fn line(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes a notice to standard error: something the user should know although the command goes on.
pub fn note(message: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "note: {message}");
}
