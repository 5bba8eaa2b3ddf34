//! Offline mode that the operating system enforces: after [`seal`], neither this process nor any that it starts can reach a
//! network, whatever code it runs. A socket that listens already goes on letting others in.
//!
//! On Linux three layers do it, each as far as the kernel lets us: a network namespace without any way out, a filter of system
//! calls (no sockets, no connecting, no descriptors taken from others, no io_uring, no looking into other programs), and Landlock
//! (no TCP, no abstract sockets and signals of others). macOS has Seatbelt. Elsewhere nothing is enforced, and [`Level`] says so:
//! what a program promises itself is then all there is.
//!
//! It does not keep other programs from reading files that this one writes, nor root from what root may do.
//!
//! The crate knows nothing of models or servers. Read `level.rs` first, then `linux/mod.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "looks at what the kernel says of this process, and tries to break out of a seal"
)]

mod level;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod other;

pub use level::{Error, Layer, Layers, Level, State};
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "linux")]
pub use linux::prove;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
use other as system;

/// Seals this process for good, with every layer that there is. Must come before other threads are started, and after the
/// socket that a server listens on.
///
/// # Errors
/// [`Error::Threads`] when there are other threads, which would stay open; [`Error::Open`] when the process was started with a
/// connection to the network. That a layer is not to be had is no error: [`Level`] tells.
pub fn seal() -> Result<Level, Error> {
    seal_with(Layers::ALL)
}

/// The same with some layers only, to see what each does alone.
///
/// # Errors
/// As [`seal`].
pub fn seal_with(layers: Layers) -> Result<Level, Error> {
    system::seal(layers)
}
