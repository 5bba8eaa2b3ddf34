//! Offline mode: the program refuses by itself, and the system is asked to refuse everything else that runs in it.

use crate::fail::note;
use std::sync::atomic::{AtomicBool, Ordering};

static WANTED: AtomicBool = AtomicBool::new(false);
static SEALED: AtomicBool = AtomicBool::new(false);

/// From now on nothing may leave, as far as this program decides.
pub fn want() {
    WANTED.store(true, Ordering::Relaxed);
}

/// Whether nothing may leave.
pub fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Seals the process, if nothing may leave. Comes before other threads are started, and after sockets that listen.
pub fn seal_if_wanted() -> anyhow::Result<()> {
    if !is_wanted() || SEALED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let level = hob_seal::seal()?;
    if !level.is_kernel() {
        note(&format!("offline: {level}"));
    }
    Ok(())
}
