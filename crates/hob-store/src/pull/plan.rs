//! What a pull would fetch, known before anything is fetched.

use crate::{Digest, FilePath, ModelName, Settings, Source};
use hob_egress::Address;

/// A pull, planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the model will be called.
    pub name: ModelName,
    /// Where it comes from.
    pub source: Source,
    /// What the hub says of its licence.
    pub license: Option<String>,
    /// Whether its repository opens only with a token.
    pub is_gated: bool,
    /// What is fetched.
    pub files: Vec<RemoteFile>,
    /// How it wants to be used.
    pub settings: Settings,
}

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its place in the model's folder.
    pub path: FilePath,
    /// Where it is.
    pub address: Address,
    /// Its size, as the hub says.
    pub bytes: u64,
    /// What it contains, as the hub says.
    pub sha256: Option<Digest>,
}

impl Plan {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}
