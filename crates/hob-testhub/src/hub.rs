//! The two hosts and what they hold.

use crate::fault::{Fault, Place, Seen};
use crate::ollama::Layer;
use crate::repo::Repo;
use crate::serve;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Script = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// What the hosts share.
#[derive(Default)]
pub(crate) struct State {
    pub repos: Mutex<HashMap<String, Repo>>,
    pub models: Mutex<HashMap<String, Vec<Layer>>>,
    pub seen: Mutex<Vec<Seen>>,
    pub script: Mutex<Option<Script>>,
    /// Entries on a page of a listing.
    pub page: Mutex<usize>,
    pub storage: Mutex<String>,
    /// Requests being answered, by the hub and by the storage.
    pub busy: [AtomicUsize; 2],
    pub is_over: AtomicBool,
}

/// A hub with a storage host, until it is dropped.
pub struct Hub {
    state: Arc<State>,
    hub: SocketAddr,
    storage: SocketAddr,
}

impl Hub {
    /// Starts both hosts on free ports.
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        *state.page.lock().unwrap() = 1000;
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let storage = TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub_at, storage_at) = (hub.local_addr().unwrap(), storage.local_addr().unwrap());
        *state.storage.lock().unwrap() = format!("http://localhost:{}", storage_at.port());
        serve::listen(hub, Place::Hub, &state);
        serve::listen(storage, Place::Storage, &state);
        Self { state, hub: hub_at, storage: storage_at }
    }

    /// Where the hub is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// Where the bytes are.
    pub fn storage(&self) -> String {
        format!("http://localhost:{}", self.storage.port())
    }

    /// Adds or replaces a repository.
    pub fn put(&self, repo: Repo) {
        self.state.repos.lock().unwrap().insert(repo.id.clone(), repo);
    }

    /// Changes a repository.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Repo)) {
        change(self.state.repos.lock().unwrap().get_mut(id).unwrap());
    }

    /// Adds a model to the registry: `library/NAME:TAG`.
    pub fn put_model(&self, name: &str, layers: Vec<Layer>) {
        self.state.models.lock().unwrap().insert(name.to_owned(), layers);
    }

    /// Entries on a page of a listing.
    pub fn set_page(&self, entries: usize) {
        *self.state.page.lock().unwrap() = entries;
    }

    /// From now on, `script` says what goes wrong with each request.
    pub fn script(&self, script: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        *self.state.script.lock().unwrap() = Some(Box::new(script));
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        *self.state.script.lock().unwrap() = None;
    }

    /// The requests so far; forgets them.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // The listeners wait for a connection to hear of it.
        for at in [self.hub, self.storage] {
            let _ = serve::knock(at);
        }
    }
}
