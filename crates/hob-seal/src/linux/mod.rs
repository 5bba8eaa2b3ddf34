//! Linux: three layers, each taken as far as this kernel and this user may.

mod filter;
mod kernel;
pub mod prove;

use crate::{Error, Layer, Layers, Level, State};
use std::fs;
use std::io::{self, Write};

/// Landlock knows network rules from here on, abstract sockets and signals later.
const LANDLOCK_NET: i32 = 4;
const LANDLOCK_SCOPES: i32 = 6;

pub(crate) fn seal(layers: Layers) -> Result<Level, Error> {
    let count = fs::read_dir("/proc/self/task")?.count();
    if count != 1 {
        return Err(Error::Threads { count });
    }
    if layers.refuse_open {
        refuse_open()?;
    }
    let not_wanted = || State::Off("not asked for".into());
    // The filter comes last: it refuses what the others are made with.
    let namespace = if layers.namespace { namespace() } else { not_wanted() };
    let landlock = if layers.landlock { landlock() } else { not_wanted() };
    let seccomp = if layers.seccomp { seccomp() } else { not_wanted() };
    let layers = vec![(Layer::Namespace, namespace), (Layer::Seccomp, seccomp), (Layer::Landlock, landlock)];
    Ok(Level { layers })
}

/// A connection that came with the start would stay open. Sockets that listen, and those to programs of this machine (as of the
/// system's log), may stay.
fn refuse_open() -> Result<(), Error> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        let descriptor = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(descriptor) = descriptor.filter(|_| is_socket)
            && kernel::is_connection_out(descriptor)
        {
            return Err(Error::Open { descriptor });
        }
    }
    Ok(())
}

/// A network with nothing in it. Root may have one at once and keeps its rights over files; others have to become the only user
/// of a namespace of users first.
fn namespace() -> State {
    if kernel::unshare(libc::CLONE_NEWNET).is_ok() {
        return State::On("a network with nothing in it".into());
    }
    let (user, group) = kernel::user_and_group();
    match kernel::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) {
        Ok(()) => {
            // Without these the names of users are unknown in there; files stay what they are.
            let _ = write("/proc/self/setgroups", "deny");
            let _ = write("/proc/self/uid_map", &format!("{user} {user} 1"));
            let _ = write("/proc/self/gid_map", &format!("{group} {group} 1"));
            State::On("a network with nothing in it, and users of its own".into())
        }
        Err(error) => State::Off(format!("this system does not let programs have one: {error}")),
    }
}

/// These files take one write and cannot be made.
fn write(path: &str, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn landlock() -> State {
    let version = match kernel::landlock_version() {
        Ok(version) if version >= LANDLOCK_NET => version,
        Ok(version) => return State::Off(format!("version {version} of it has no rules for networks")),
        Err(_) => return State::Off("the kernel has it not, or turned off".into()),
    };
    match kernel::landlock(version >= LANDLOCK_SCOPES) {
        Ok(()) if version >= LANDLOCK_SCOPES => {
            State::On(format!("version {version}: no TCP, no abstract sockets or signals of others"))
        }
        Ok(()) => State::On(format!("version {version}: no TCP")),
        Err(error) => State::Off(format!("the kernel refused: {error}")),
    }
}

fn seccomp() -> State {
    match filter::apply() {
        Ok(count) => State::On(format!("{count} system calls refused")),
        Err(error) => State::Off(format!("the kernel refused: {error}")),
    }
}
