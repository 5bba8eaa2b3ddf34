//! Ctrl-C as a request that a running answer can honour.

use crate::fail::{Stop, note};
use crate::terminal;
use anyhow::Context;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often Ctrl-C was pressed since [`forget`].
static PRESSED: AtomicU32 = AtomicU32::new(0);

/// From now on Ctrl-C asks instead of ending the process. An answer hears it between two tokens and a prompt between two
/// chunks, which may take a moment; the third press ends the process all the same.
pub fn catch() -> anyhow::Result<()> {
    let asked = || match PRESSED.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        1 => note("still stopping; Ctrl-C once more ends the program"),
        _ => {
            terminal::restore();
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(asked).context("cannot listen for Ctrl-C")
}

/// From now on Ctrl-C runs `clean` and ends the process.
pub fn clean_up(clean: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let end = move || {
        clean();
        std::process::exit(130);
    };
    ctrlc::set_handler(end).context("cannot listen for Ctrl-C")
}

/// Whether Ctrl-C was pressed since [`forget`].
pub fn is_requested() -> bool {
    PRESSED.load(Ordering::Relaxed) > 0
}

/// Ends a program that Ctrl-C has stopped, once all that was done is written down.
///
/// # Errors
/// [`Stop::Interrupted`] when it was pressed.
pub fn honour() -> anyhow::Result<()> {
    if is_requested() { Err(Stop::Interrupted.into()) } else { Ok(()) }
}

/// Begins something that Ctrl-C can stop.
pub fn forget() {
    PRESSED.store(0, Ordering::Relaxed);
}
