//! What is enforced, in words.

use std::fmt;

/// A way in which the system enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A network of its own, with nothing in it.
    Namespace,
    /// System calls that are refused.
    Seccomp,
    /// Rights that are given up for good.
    Landlock,
    /// Seatbelt, on macOS.
    Seatbelt,
}

impl Layer {
    /// Its name, as other programs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Seatbelt => "seatbelt",
        }
    }
}

/// Whether a layer is there, and how or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    On(String),
    /// It is not.
    Off(String),
}

/// What enforces that nothing leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Every layer that this system knows.
    pub layers: Vec<(Layer, State)>,
}

impl Level {
    /// Whether `layer` is there.
    pub fn has(&self, layer: Layer) -> bool {
        self.layers.iter().any(|(l, state)| *l == layer && matches!(state, State::On(_)))
    }

    /// Whether the kernel enforces it; else it is what the program promises itself.
    pub fn is_kernel(&self) -> bool {
        self.layers.iter().any(|(_, state)| matches!(state, State::On(_)))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |is_on: bool| {
            let wanted = self.layers.iter().filter_map(|(layer, state)| match state {
                State::On(how) if is_on => Some(format!("{} ({how})", layer.name())),
                State::Off(why) if !is_on => Some(format!("{} ({why})", layer.name())),
                _ => None,
            });
            wanted.collect::<Vec<_>>().join(", ")
        };
        let (on, off) = (list(true), list(false));
        match (on.is_empty(), off.is_empty()) {
            (false, true) => write!(f, "the kernel enforces it: {on}"),
            (false, false) => write!(f, "the kernel enforces it: {on}; not there: {off}"),
            (true, false) => write!(f, "the program alone enforces it; not there: {off}"),
            (true, true) => {
                write!(f, "the program alone enforces it: this system has nothing for it that Hob knows")
            }
        }
    }
}

/// Layers that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The namespace.
    pub namespace: bool,
    /// The filter of system calls.
    pub seccomp: bool,
    /// Landlock.
    pub landlock: bool,
    /// Whether a process that was started with a connection to the network is refused.
    pub refuse_open: bool,
}

impl Layers {
    /// All of them.
    pub const ALL: Self = Self { namespace: true, seccomp: true, landlock: true, refuse_open: true };
}

/// Why a process cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are other threads.
    #[error("the process has {count} threads, of which only one can be sealed; sealing has to come first")]
    Threads {
        /// How many.
        count: usize,
    },
    /// The process was started with a connection to the network.
    #[error(
        "descriptor {descriptor} is a connection to the network that was open when Hob was started, and would stay open; start Hob without it"
    )]
    Open {
        /// Which.
        descriptor: i32,
    },
    /// The system refuses.
    #[error("the process cannot be sealed: {0}")]
    Io(#[from] std::io::Error),
}
