//! Pulling: a reference becomes a plan, a plan becomes files in a place apart, and those become a model when they are
//! complete and right.

pub(crate) mod backoff;
mod journal;
mod judge;
mod limit;
mod pieces;
mod plan;
pub(crate) mod reference;
mod run;
mod transfer;
mod unfinished;
mod worker;

pub use plan::{Plan, RemoteFile};
pub use reference::{Choice, Reference};
pub use unfinished::Unfinished;

use crate::hub::{huggingface, ollama};
use crate::{Catalogue, Error, ModelName};
use backoff::Backoff;
use hob_egress::{Address, Egress, Policy};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Where models come from.
#[derive(Clone, Debug)]
pub struct Hubs {
    /// Hugging Face or a mirror.
    pub hugging_face: Address,
    /// Ollama's registry or a mirror.
    pub ollama: Address,
}

/// Hugging Face.
pub const HUGGING_FACE: &str = "https://huggingface.co";
/// Ollama's registry.
pub const OLLAMA: &str = "https://registry.ollama.ai";
/// Where the two keep the bytes: every host below these names.
const STORAGE_DOMAINS: [&str; 5] =
    ["hf.co", "huggingface.co", "r2.cloudflarestorage.com", "ollama.ai", "ollama.com"];

impl Hubs {
    /// The public hubs.
    ///
    /// # Errors
    /// None: the addresses are right.
    pub fn public() -> Result<Self, Error> {
        Ok(Self { hugging_face: Address::parse(HUGGING_FACE)?, ollama: Address::parse(OLLAMA)? })
    }

    /// Who has to be reached for these hubs: the public ones and their storage, and whatever place was named instead.
    ///
    /// # Errors
    /// [`hob_egress::Error::Plain`] for a mirror that is neither encrypted nor on this machine.
    pub fn policy(&self) -> Result<Policy, Error> {
        let mut policy = Policy::default();
        for (hub, public) in [(&self.hugging_face, HUGGING_FACE), (&self.ollama, OLLAMA)] {
            let public = Address::parse(public)?;
            if hub.origin() == public.origin() {
                policy.allow_public(public.origin().host())?;
                STORAGE_DOMAINS.iter().for_each(|domain| policy.allow_domain(domain));
            } else {
                policy.allow_named(hub.origin().clone())?;
            }
        }
        Ok(policy)
    }
}

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Connections at once, for one file.
    pub connections: usize,
    /// Most bytes a second, over all connections.
    pub bytes_per_second: Option<u64>,
    /// Failures in a row after which a connection gives up.
    pub failures_max: u32,
    /// The wait after the first failure; doubled after each further one.
    pub first_wait: Duration,
    /// Bytes that are fetched, written and written down together: what a kill can cost each connection.
    pub piece_bytes: u64,
    /// Bytes asked for in one request.
    pub run_bytes: u64,
    /// Where waits differ from those of others.
    pub seed: u64,
    /// How much room there is.
    pub free_bytes: fn(&Path) -> Option<u64>,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            connections: 4,
            bytes_per_second: None,
            failures_max: 8,
            first_wait: Duration::from_secs(1),
            piece_bytes: 1 << 20,
            run_bytes: 64 << 20,
            seed: 0,
            free_bytes: crate::free_bytes,
        }
    }
}

impl PullOptions {
    pub(crate) fn run_pieces(&self) -> usize {
        usize::try_from(self.run_bytes / self.piece_bytes.max(1)).unwrap_or(usize::MAX).max(1)
    }
}

/// What a pull is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what an earlier attempt left.
    Checking,
    /// Fetching.
    Downloading,
    /// Reading a complete file to compare its digest.
    Verifying,
}

impl Phase {
    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
        }
    }
}

/// How far a pull is.
#[derive(Clone, Debug)]
pub struct PullProgress<'a> {
    /// What it is doing.
    pub phase: Phase,
    /// The file it is at.
    pub file: &'a str,
    /// Bytes of all files that are here; while verifying, bytes of this file that were read.
    pub done: u64,
    /// Bytes of all files; while verifying, of this file.
    pub total: u64,
    /// Bytes that came over the network since the pull began.
    pub received: u64,
    /// A failure after which it is being tried again.
    pub failure: Option<String>,
}

/// One pull: asks hubs and fetches. Stopping it ends its connections for good.
#[derive(Clone, Debug)]
pub struct Puller {
    egress: Egress,
    hubs: Hubs,
    options: PullOptions,
}

impl Puller {
    /// Pulls through `egress`, whose policy must allow `hubs` (see [`Hubs::policy`]).
    pub fn new(egress: Egress, hubs: Hubs, options: PullOptions) -> Self {
        Self { egress, hubs, options }
    }

    /// Ends what is under way, for good; whoever goes on needs another one.
    pub fn stop(&self) {
        self.egress.stop();
    }

    /// Finds out what would be fetched.
    ///
    /// # Errors
    /// [`Error::NotThere`], [`Error::Gated`], [`Error::Unknown`] for a name that is not in the catalogue, and what the
    /// network does.
    pub fn plan(&self, reference: &Reference, cancel: &AtomicBool) -> Result<Plan, Error> {
        let mut wait = Backoff::new("the hub", &self.options, u64::MAX, cancel);
        match reference {
            Reference::HuggingFace { repo, choice, revision } => {
                let endpoint = &self.hubs.hugging_face;
                let wish = huggingface::Wish { endpoint, repo, choice, revision };
                huggingface::plan(&self.egress, &wish, &mut wait)
            }
            Reference::Ollama { namespace, model, tag } => {
                let wish = ollama::Wish { endpoint: &self.hubs.ollama, namespace, model, tag };
                ollama::plan(&self.egress, &wish, &mut wait)
            }
            Reference::Catalogue { name, quant } => {
                let found = Catalogue::built_in().find(name, quant.as_deref())?;
                let (repo, revision) = (&found.variant.repo, "main");
                let choice = found.choice();
                let wish =
                    huggingface::Wish { endpoint: &self.hubs.hugging_face, repo, choice: &choice, revision };
                let mut plan = huggingface::plan(&self.egress, &wish, &mut wait)?;
                plan.name = ModelName::parse(&format!("{}:{}", found.entry.name, found.variant.quant))?;
                plan.license = plan.license.or_else(|| Some(found.entry.license.clone()));
                found.check(&plan)?;
                Ok(plan)
            }
        }
    }
}
