//! The shelf: the models that are kept here, and those on their way. Pulls and adoptions are jobs that go on whether or not
//! anybody looks; what a killed server leaves half done is found by the next one and offered again.
//!
//! Read `jobs.rs` first (what becomes of a job), then `work.rs` (the thread of one), then `native.rs` (who asks).

mod catalogue;
pub mod job;
mod jobs;
mod models;
pub mod native;
mod rate;
pub mod report;
mod trouble;
mod work;

pub use catalogue::Probe;
pub use trouble::problem;

use crate::engine::Manager;
use crate::problem::{Kind, Problem};
use hob_store::import::Home;
use hob_store::{Puller, Store};
use jobs::Jobs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Plans that are made at a time: each asks a hub.
const PLANS_MAX: usize = 4;
/// Files that are handed over at a time.
const UPLOADS_MAX: usize = 4;

/// Makes a way to the hubs. Every pull has its own, since stopping one ends it for good.
pub type Connect = Box<dyn Fn() -> Result<Puller, String> + Send + Sync>;

/// What the shelf needs of the program around it.
pub struct ShelfConfig {
    /// Where models are kept.
    pub store: Store,
    /// The way to the hubs.
    pub connect: Connect,
    /// Where other programs keep models.
    pub places: fn() -> Option<Home>,
    /// How fast this machine reads memory.
    pub probe: Probe,
}

/// Models that are kept, and jobs. Clones are the same shelf.
#[derive(Clone)]
pub struct Shelf {
    shared: Arc<Shared>,
}

struct Shared {
    config: ShelfConfig,
    manager: Arc<Manager>,
    jobs: Mutex<Jobs>,
    /// Counts what happened, so that whoever waits hears of it.
    changes: watch::Sender<u64>,
    plans: Semaphore,
    uploads: Semaphore,
    is_closed: AtomicBool,
}

impl Shelf {
    /// The shelf over a store; pulls that were interrupted stand in it as paused.
    pub fn new(config: ShelfConfig, manager: Arc<Manager>) -> Self {
        let unfinished = config.store.unfinished().unwrap_or_default();
        let jobs = Mutex::new(Jobs::with_unfinished(unfinished));
        let (changes, _) = watch::channel(0);
        let (plans, uploads) = (Semaphore::new(PLANS_MAX), Semaphore::new(UPLOADS_MAX));
        let is_closed = AtomicBool::new(false);
        Self { shared: Arc::new(Shared { config, manager, jobs, changes, plans, uploads, is_closed }) }
    }

    /// Where models are kept.
    pub fn store(&self) -> &Store {
        &self.shared.config.store
    }

    /// Does with the store what takes its time.
    ///
    /// # Errors
    /// Those of the work, as a request hears them.
    pub async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, hob_store::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let shelf = self.clone();
        let done = tokio::task::spawn_blocking(move || work(shelf.store())).await;
        let done = done.map_err(|_| Problem::new(Kind::Internal, "the model store failed unexpectedly"))?;
        done.map_err(|error| problem(&error))
    }

    /// Lets a model go that is about to be removed or replaced.
    ///
    /// # Errors
    /// Somebody uses it.
    pub fn release(&self, name: &str, reason: &str) -> Result<(), Problem> {
        self.shared.manager.release(name, reason)
    }

    /// The right to hand a file over.
    ///
    /// # Errors
    /// Many are being handed over.
    pub fn upload_place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.shared.uploads.try_acquire().map_err(|_| {
            Problem::new(Kind::Overloaded, format!("{UPLOADS_MAX} files are being taken in; try again"))
        })
    }

    /// The server comes to its end: nobody is told anything any more. Pulls under way can go on another time.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        self.touch();
    }

    /// Whether it has.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Relaxed)
    }

    /// Says that something has changed.
    pub fn touch(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}
