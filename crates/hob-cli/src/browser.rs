//! Opening an address in the browser of whoever sits here, with the program that the system has for it and no shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the opener may take to say that it cannot.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(20);

/// What opens addresses, if there is a screen to show them on: never over SSH, where the browser would open elsewhere.
fn opener() -> Option<PathBuf> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("SSH_CONNECTION") || is_set("SSH_TTY") {
        return None;
    }
    if cfg!(windows) {
        return in_path("explorer.exe");
    }
    if cfg!(target_os = "macos") {
        return Some("/usr/bin/open".into()).filter(|path: &PathBuf| path.exists());
    }
    let has_screen = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    has_screen.then(|| in_path("xdg-open")).flatten()
}

fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether an address can be opened, as far as that can be known beforehand.
pub fn is_there() -> bool {
    opener().is_some()
}

/// Opens `address`. `false` when that did not work.
pub fn open(address: &str) -> bool {
    opener().is_some_and(|opener| open_with(&opener, address))
}

fn open_with(opener: &Path, address: &str) -> bool {
    let mut command = Command::new(opener);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match child.try_wait() {
            // Windows' own opener ends with 1 where all is well.
            Ok(Some(status)) => return status.success() || cfg!(windows),
            Ok(None) => std::thread::sleep(TICK),
            Err(_) => return false,
        }
    }
    // Some openers stay as long as the browser does.
    true
}
