//! What can go wrong with models on their way here and once they are here.

use hob_base::Bytes;
use std::io;
use std::path::PathBuf;

/// Everything this crate reports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No name of a model.
    #[error("{name:?} is no name of a model: expected {expected}")]
    Name {
        /// What was given.
        name: String,
        /// What would do.
        expected: &'static str,
    },
    /// No name of a file that may be written.
    #[error(
        "{name:?} is no name that Hob gives to a file: expected a relative path without '..' or hidden parts"
    )]
    FileName {
        /// What was given.
        name: String,
    },
    /// No SHA-256.
    #[error("expected a SHA-256 of 64 hexadecimal digits, found {found:?}")]
    Digest {
        /// What was given.
        found: String,
    },
    /// No model of that name.
    #[error("there is no model {name:?} in the store{}", suggestion(.near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that are like it.
        near: Vec<String>,
    },
    /// Several models could be meant.
    #[error("{name:?} could be any of {}; say which", .names.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it could be.
        names: Vec<String>,
    },
    /// The name is taken.
    #[error("there is a model {name:?} already; remove it first (hob rm) or take another name")]
    Exists {
        /// The name.
        name: String,
    },
    /// Somebody else is at it.
    #[error("{name:?} is being pulled by another process; wait for it")]
    Busy {
        /// The model.
        name: String,
    },
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Too little room on the disk, found out before anything was written or while it was.
    #[error("{}: {needed} more are needed and {} are free; what was downloaded is kept, make room and pull again", .path.display(), free.map_or("too few".to_owned(), |f| f.to_string()))]
    NoRoom {
        /// The store.
        path: PathBuf,
        /// What is still to be written.
        needed: Bytes,
        /// What is free, if the system tells.
        free: Option<Bytes>,
    },
    /// A place that should be the store's is a link to somewhere else.
    #[error("{}: expected a plain file or folder of the store, found something else; Hob writes through no links", .path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
    },
    /// The description of a model cannot be read.
    #[error("{}: expected the description of a model, found {found}; hob verify writes it anew", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// What was asked for cannot be understood.
    #[error("{text:?}: {expected}")]
    Reference {
        /// What was given.
        text: String,
        /// What would do.
        expected: String,
    },
    /// The network, or the gate before it.
    #[error(transparent)]
    Egress(#[from] hob_egress::Error),
    /// The hub says no.
    #[error("{what}: {host} answers {status}{}", said(.message))]
    Refused {
        /// What was asked for.
        what: String,
        /// Who answered.
        host: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
    },
    /// A hub's answer that makes no sense.
    #[error("{what}: expected {expected}, found {found}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What would have made sense.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// The repository opens only with a token that has been granted access.
    #[error("{repo} is gated: {advice}")]
    Gated {
        /// The repository.
        repo: String,
        /// What to do.
        advice: String,
    },
    /// There is no such thing at the hub.
    #[error("{what}: {host} does not have it{}", said(.message))]
    NotThere {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What it says, or what there is.
        message: String,
    },
    /// The file changed at the hub while it was downloaded.
    #[error("{file}: it changed at {host} during the download; pull again")]
    Changed {
        /// The file.
        file: String,
        /// The hub.
        host: String,
    },
    /// The bytes are not the ones that were promised.
    #[error("{file}: expected SHA-256 {expected}, found {found}; nothing of it was kept, pull again")]
    WrongDigest {
        /// The file.
        file: String,
        /// What was promised.
        expected: crate::Digest,
        /// What came.
        found: crate::Digest,
    },
    /// It was tried again and again.
    #[error(
        "{file}: given up after {attempts} failures in a row ({last}); what was downloaded is kept, pull again to go on"
    )]
    GivenUp {
        /// The file.
        file: String,
        /// How often.
        attempts: u32,
        /// The last reason.
        last: Box<Error>,
    },
    /// Nothing that Hob could adopt.
    #[error("{}: {found}", .path.display())]
    Import {
        /// What was given.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// The caller asked to stop; a download can go on later.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// An error of the file system at `path`.
    pub(crate) fn io(path: &std::path::Path, action: &'static str, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::NoRoom { path: path.to_path_buf(), needed: Bytes(0), free: None };
        }
        Self::Io { path: path.to_path_buf(), action, source }
    }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => "; `hob list` shows what is there".into(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}
