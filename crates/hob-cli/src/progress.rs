//! Progress on standard error: a line that rewrites itself on a terminal, JSON lines for anything else.
//!
//! Work of under half a second shows nothing.

use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(500);
const TERMINAL_EVERY: Duration = Duration::from_millis(100);
const LINES_EVERY: Duration = Duration::from_secs(1);

/// The progress of one piece of work.
pub struct Progress {
    is_terminal: bool,
    due: Instant,
    shown: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), due: Instant::now() + QUIET, shown: false }
    }

    /// Shows how far the work is, if it is time to: `line` for people, `event` for programs.
    pub fn update(&mut self, line: impl FnOnce() -> String, event: impl FnOnce() -> Value) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        // Progress that cannot be shown is no reason to stop the work.
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{}", line());
            self.due = now + TERMINAL_EVERY;
        } else {
            let _ = writeln!(io::stderr(), "{}", event());
            self.due = now + LINES_EVERY;
        }
        self.shown = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
