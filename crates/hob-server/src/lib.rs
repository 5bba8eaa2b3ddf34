//! The server: small language models on this machine behind the interfaces that programs already speak.
//!
//! [`Server::bind`] takes an address and refuses one that others can reach unless there is a key; [`Server::run`] answers
//! until it is told to stop, then lets running answers come to their end. Every request passes `guard.rs` (who may speak),
//! is read by the folder of its interface (`openai/`, `ollama/`, `anthropic/`, `llama/`) into an `Ask`, and is answered by
//! the thread of its model (`engine/`), where answers to different requests share passes.
//!
//! It deliberately doesn't know tensors, files' formats or the network beyond its own door: it sees models, texts and
//! sessions, and the store fetches for it (`shelf/`). Nothing of what anybody says is logged.
//!
//! The page for people is `web/`, built beforehand; `page.rs` hands its files out.
//!
//! Read `routes.rs` first, then `ask.rs` and `engine/mod.rs`.

mod anthropic;
mod ask;
mod chats;
mod clock;
mod described;
mod elsewhere;
mod energy;
mod engine;
mod fields;
mod guard;
mod ids;
mod keys;
mod limits;
mod llama;
mod log;
mod machine;
mod metrics;
mod native;
mod ollama;
mod openai;
mod openapi;
mod page;
mod pairing;
mod problem;
mod reading;
mod requests;
mod routes;
mod run;
mod server;
mod shelf;
pub mod stats;
mod tls;
mod visit;
mod wire;

use std::sync::Arc;

pub use chats::ChatsAt;
pub use energy::{Count, EnergyCounter};
pub use engine::{Catalogue, Folder, KeepAlive, Listed, ManagerConfig, Source};
pub use guard::Hosts;
pub use keys::{KeyBook, KeyEntry, KeyError, KeyWish, Keys, Scope};
pub use log::{Level, Log};
pub use machine::{Machine, Network};
pub use page::has_page;
pub use pairing::{Pairing, qr};
pub use reading::parse_keep_alive;
pub use routes::{Route, table};
pub use run::{Ended, serve, serve_beside};
pub use server::{Config, Error, Server};
pub use shelf::{Connect, Probe, ShelfConfig};
pub use tls::{Tls, TlsError};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    manager: Arc<engine::Manager>,
    metrics: Arc<metrics::Metrics>,
    keys: Keys,
    /// The request that a clone of this belongs to.
    visit: Arc<visit::Visit>,
    requests: Arc<requests::Requests>,
    door: Arc<pairing::Door>,
    hosts: Arc<Hosts>,
    machine: Arc<Machine>,
    stored: Arc<openai::responses::Store>,
    shelf: Option<shelf::Shelf>,
    chats: Arc<chats::Desk>,
    /// The way to models elsewhere.
    cloud: Option<hob_cloud::Cloud>,
    /// What answers took, as far as it was added up.
    stats: Arc<stats::Memo>,
    /// Places for questions that are being asked there.
    elsewhere: Arc<tokio::sync::Semaphore>,
}
