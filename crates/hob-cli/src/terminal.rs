//! The terminal while an answer is written on it.

/// Keeps the terminal from writing `^C` into the answer when Ctrl-C is pressed; dropping it brings that back.
pub struct QuietControls(());

impl QuietControls {
    /// Begins. Does nothing where standard output is no terminal, or one that another program is using.
    pub fn new() -> Self {
        #[cfg(unix)]
        unix::hide_controls();
        Self(())
    }
}

impl Drop for QuietControls {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was, for exits that drop nothing.
pub fn restore() {
    #[cfg(unix)]
    unix::restore();
}

#[cfg(unix)]
mod unix {
    use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
    use nix::unistd::{getpgrp, tcgetpgrp};
    use std::io;
    use std::sync::{Mutex, PoisonError};

    /// How the terminal was before it was changed.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub fn hide_controls() {
        let Ok(before) = termios::tcgetattr(io::stdout()) else { return };
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHOCTL);
        if set(&quiet) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        }
    }

    pub fn restore() {
        if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            set(&before);
        }
    }

    /// Whether the terminal is now as `state` says.
    fn set(state: &Termios) -> bool {
        // The system stops programs in the background that change the terminal.
        tcgetpgrp(io::stdout()).is_ok_and(|group| group == getpgrp())
            && termios::tcsetattr(io::stdout(), SetArg::TCSANOW, state).is_ok()
    }
}
