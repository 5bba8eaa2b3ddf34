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
    /// Whether programs get events where there is no terminal.
    has_events: bool,
    due: Instant,
    shown: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { is_terminal, has_events: true, due: Instant::now() + QUIET, shown: false }
    }

    /// Progress in few long steps, which [`Progress::step`] names before each; for people only.
    pub fn steps(is_wanted: bool) -> Self {
        let is_terminal = is_wanted && io::stderr().is_terminal();
        Self { is_terminal, has_events: false, due: Instant::now(), shown: false }
    }

    /// Shows what is done next, at once.
    pub fn step(&mut self, line: &str) {
        self.due = Instant::now();
        self.update(|| line.to_string(), || Value::Null);
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
        } else if self.has_events {
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

/// A time as people say it.
pub fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match minutes {
        0..=1 if seconds < 60.0 => format!("{seconds:.0} s"),
        0..120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_suits_them() {
        for (seconds, said) in [(12.3, "12 s"), (61.0, "2 min"), (7500.0, "2 h 5 min")] {
            assert_eq!(span(seconds), said);
        }
    }
}
