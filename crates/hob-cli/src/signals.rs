//! Ctrl-C as a request that a running answer can honour.

use anyhow::Context;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C asks instead of ending the process; asking twice without being heard ends it.
pub fn catch() -> anyhow::Result<()> {
    let asked = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
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
    REQUESTED.load(Ordering::Relaxed)
}

/// Begins something that Ctrl-C can stop.
pub fn forget() {
    REQUESTED.store(false, Ordering::Relaxed);
}
