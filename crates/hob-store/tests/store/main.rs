//! The store from outside: pulls from stand-in hubs that fail in every way, and what is on the disk afterwards.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod faults;
mod imports;
mod names;
mod pulls;

use hob_egress::{Address, Config, Egress, Ledger, Secret};
use hob_store::{Digest, Error, Hubs, Model, Plan, PullOptions, Puller, Reference, Store};
use hob_testhub::{File, Hub, Repo};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A store in a folder of its own and a hub.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    ledger: tempfile::TempDir,
    pub(crate) hub: Hub,
    pub(crate) options: PullOptions,
    pub(crate) token: Option<&'static str>,
    /// Long, so that a busy machine is not taken for a stalled server.
    pub(crate) read_timeout: Duration,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let options = PullOptions {
            piece_bytes: 16 << 10,
            run_bytes: 128 << 10,
            first_wait: Duration::from_millis(5),
            failures_max: 6,
            ..PullOptions::default()
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            ledger: tempfile::tempdir().unwrap(),
            hub: Hub::start(),
            options,
            token: None,
            read_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::in_data(self.dir.path())
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    pub(crate) fn hubs(&self) -> Hubs {
        let address = Address::parse(&self.hub.endpoint()).unwrap();
        Hubs { hugging_face: address.clone(), ollama: address }
    }

    pub(crate) fn puller(&self) -> Puller {
        let hubs = self.hubs();
        let mut policy = hubs.policy().unwrap();
        policy.allow_named(Address::parse(&self.hub.storage()).unwrap().origin().clone()).unwrap();
        let credential = self.token.map(|t| (hubs.hugging_face.origin().clone(), Secret::new(t).unwrap()));
        let config = Config { policy, credential, read_timeout: self.read_timeout, ..Config::default() };
        Puller::new(Egress::new(config, self.ledger()).unwrap(), hubs, self.options.clone())
    }

    /// What left, in a folder of its own.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::at(self.ledger.path(), || 0)
    }

    pub(crate) fn plan(&self, reference: &str) -> Result<Plan, Error> {
        self.puller().plan(&Reference::parse(reference).unwrap(), &AtomicBool::new(false))
    }

    pub(crate) fn pull(&self, reference: &str) -> Result<Model, Error> {
        let reference = Reference::parse(reference).unwrap();
        let (puller, cancel) = (self.puller(), AtomicBool::new(false));
        let plan = puller.plan(&reference, &cancel)?;
        puller.pull(&self.store(), &reference, plan, &cancel, &mut |_| {})
    }

    /// A repository `o/r` with one model of `bytes` random bytes after GGUF's magic, and its card.
    pub(crate) fn one_file(&self, bytes: usize) -> Vec<u8> {
        let content = noise(bytes, 1);
        self.hub.put(repo(vec![lfs("m-Q4_K_M.gguf", &content), plain("README.md", b"# card")]));
        content
    }

    /// What lies in the store besides complete models.
    pub(crate) fn partials(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.models().join(".partial"));
        entries.map(|e| e.map(|e| e.unwrap().path()).collect()).unwrap_or_default()
    }

    /// Nothing but complete models: no list entry, no leftover.
    pub(crate) fn assert_empty(&self) {
        let listing = self.store().list().unwrap();
        assert!(listing.models.is_empty() && listing.problems.is_empty(), "{listing:?}");
    }
}

pub(crate) fn repo(files: Vec<File>) -> Repo {
    Repo {
        id: "o/r".into(),
        commit: "a".repeat(40),
        license: Some("apache-2.0".into()),
        files,
        ..Repo::default()
    }
}

pub(crate) fn lfs(path: &str, bytes: &[u8]) -> File {
    File { path: path.into(), bytes: bytes.to_vec(), sha256: Some(Digest::of(bytes).to_string()) }
}

pub(crate) fn plain(path: &str, bytes: &[u8]) -> File {
    File { path: path.into(), bytes: bytes.to_vec(), sha256: None }
}

pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; bytes];
    hob_base::Random::new(seed, 0).fill(&mut content);
    content
}

pub(crate) fn assert_holds(path: &Path, content: &[u8]) {
    assert!(fs::read(path).unwrap() == content, "{} has other bytes", path.display());
}
