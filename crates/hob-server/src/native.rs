//! Hob's own answers: that it lives, what it holds, what it counts.

use crate::App;
use crate::clock;
use crate::described::described;
use crate::engine::Source;
use crate::metrics::{Gauges, Left};
use crate::wire;
use axum::response::Response;

described! {
    /// That the server lives.
    pub struct Health {
        /// Always `ok`.
        status: &'static str,
    }

    /// A model in memory.
    pub struct LoadedModel {
        /// As requests name it.
        name: String,
        /// What was set aside for it.
        memory_bytes: u64,
        /// Tokens of a conversation.
        context: usize,
        /// Answers at a time.
        parallel: usize,
        /// Answers that run.
        running: usize,
        /// Answers that wait.
        waiting: usize,
        /// Keys and values that are held now.
        kv_bytes: usize,
        /// When it goes unless it is used; nothing for one that stays.
        expires_at: Option<String>,
    }

    /// A model that went.
    pub struct UnloadedModel {
        /// As requests named it.
        name: String,
        /// Why it had to go.
        reason: String,
    }

    /// What is in memory, what it is doing, what went and why.
    pub struct Status {
        /// Of the program.
        version: &'static str,
        /// What models may take together.
        memory_max_bytes: u64,
        /// Models in memory.
        loaded: Vec<LoadedModel>,
        /// The last that went, the newest last.
        unloaded: Vec<UnloadedModel>,
    }

    /// The server as a place, and what it is doing.
    pub struct ServerReport {
        /// Of the program.
        version: &'static str,
        /// Where it listens.
        address: String,
        /// Whether other machines can reach it.
        is_public: bool,
        /// Where other machines reach it.
        urls: Vec<String>,
        /// SHA-256 of its certificate, where it speaks TLS.
        fingerprint: Option<String>,
        /// Whether requests need a key.
        needs_key: bool,
        /// Seconds since it began.
        seconds: u64,
        /// Requests that are being answered.
        requests_live: usize,
        /// Answers that run.
        answers_running: usize,
        /// Answers that wait.
        answers_waiting: usize,
        /// Tokens of answers since it began, those of running answers included.
        answer_tokens: u64,
    }

    /// A model that can be asked for; what it can do is known once it was opened.
    pub struct KnownModel {
        /// As requests name it.
        name: String,
        /// Of its files.
        bytes: u64,
        /// Whether it is part of the program.
        is_builtin: bool,
        /// Whether a request that names no model gets it.
        is_default: bool,
        /// Whether it is in memory.
        is_loaded: bool,
        /// Tokens of a conversation, while it is in memory.
        context: Option<usize>,
        /// Tokens that it was trained for.
        context_trained: Option<usize>,
        /// How many there are.
        parameters: Option<u64>,
        /// What it descends from.
        family: Option<&'static str>,
        /// Whether it holds conversations.
        chats: Option<bool>,
        /// Whether it can think before it answers.
        thinks: Option<bool>,
    }

    /// All models that can be asked for.
    pub struct KnownModels {
        /// One entry for each.
        models: Vec<KnownModel>,
        /// What models may take together.
        memory_max_bytes: u64,
    }
}

/// `GET /health`.
pub async fn health() -> Response {
    wire::answer(&Health { status: "ok" })
}

/// `GET /hob/v1/status`.
pub async fn status(app: App) -> Response {
    let loaded = app.loaded();
    let loaded = loaded.iter().map(|loaded| {
        let doing = loaded.runner.doing();
        LoadedModel {
            name: loaded.listed.name.clone(),
            memory_bytes: loaded.fit.bytes,
            context: loaded.fit.context,
            parallel: loaded.fit.parallel,
            running: doing.running,
            waiting: doing.waiting,
            kv_bytes: doing.kv_bytes,
            expires_at: loaded.expires().map(clock::rfc3339_at),
        }
    });
    let parted = app.manager.parted();
    let unloaded = parted
        .iter()
        .map(|parted| UnloadedModel { name: parted.name.clone(), reason: parted.reason.clone() });
    wire::answer(&Status {
        version: env!("CARGO_PKG_VERSION"),
        memory_max_bytes: app.manager.config().memory_max,
        loaded: loaded.collect(),
        unloaded: unloaded.collect(),
    })
}

/// `GET /hob/v1/server`: what changes from second to second; whoever asks twice knows how many tokens came between.
pub async fn server(app: App) -> Response {
    let gauges = gauges(&app);
    wire::answer(&ServerReport {
        version: env!("CARGO_PKG_VERSION"),
        address: app.door.address.to_string(),
        is_public: app.hosts.is_public,
        urls: app.door.urls(),
        fingerprint: app.door.fingerprint.clone(),
        needs_key: app.keys.is_needed(),
        seconds: clock::now().as_secs(),
        requests_live: app.requests.live(),
        answers_running: gauges.running,
        answers_waiting: gauges.waiting,
        answer_tokens: app.metrics.tokens_drawn(),
    })
}

/// `GET /hob/v1/machine`: what people want to know of their machine before they choose a model.
pub async fn machine(app: App) -> Response {
    wire::answer(&app.machine.report())
}

/// `GET /hob/v1/models`.
pub async fn models(app: App) -> Response {
    let loaded = app.loaded();
    let default = app.default_name();
    let list = app.models();
    let models = list.iter().map(|listed| {
        let held = loaded.iter().find(|loaded| loaded.listed.name == listed.name);
        let about = app.manager.known(listed);
        KnownModel {
            name: listed.name.clone(),
            bytes: listed.bytes,
            is_builtin: listed.source == Source::Builtin,
            is_default: listed.name == default,
            is_loaded: held.is_some(),
            context: held.map(|held| held.fit.context),
            context_trained: about.as_ref().map(|about| about.context),
            parameters: about.as_ref().map(|about| about.parameters),
            family: about.as_ref().map(|about| about.family),
            chats: about.as_ref().map(|about| about.chat.is_some()),
            thinks: about.as_ref().and_then(|about| about.chat).map(|chat| chat.thinking),
        }
    });
    wire::answer(&KnownModels { models: models.collect(), memory_max_bytes: app.manager.config().memory_max })
}

/// `GET /metrics`.
pub async fn metrics(app: App) -> Response {
    let energy = app.metrics.meter().total();
    let cloud = app.cloud.clone();
    // The ledger is a file.
    let left = tokio::task::spawn_blocking(move || cloud?.spent(None).ok()).await.ok().flatten();
    let left = left.map(|(spent, bytes)| Left { today: spent.day, month: spent.month, bytes });
    wire::text(app.metrics.render(gauges(&app), energy, left), "text/plain; version=0.0.4; charset=utf-8")
}

fn gauges(app: &App) -> Gauges {
    let mut gauges = Gauges { model_bytes: app.manager.config().memory_max, ..Gauges::default() };
    for loaded in app.manager.loaded() {
        let doing = loaded.runner.doing();
        gauges.models += 1;
        gauges.running += doing.running;
        gauges.waiting += doing.waiting;
        gauges.kv_bytes += doing.kv_bytes;
    }
    gauges
}
