//! Hob's own answers: that it lives, what it holds, what it counts.

use crate::App;
use crate::clock;
use crate::engine::Source;
use crate::metrics::Gauges;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

/// `GET /health`.
pub async fn health() -> Response {
    wire::ok(&json!({"status": "ok"}))
}

/// `GET /hob/v1/status`: what is in memory, what it is doing, what went and why.
pub async fn status(State(app): State<App>) -> Response {
    let loaded: Vec<Value> = app
        .manager
        .loaded()
        .iter()
        .map(|loaded| {
            let doing = loaded.runner.doing();
            json!({
                "name": loaded.listed.name,
                "memory_bytes": loaded.fit.bytes,
                "context": loaded.fit.context,
                "parallel": loaded.fit.parallel,
                "running": doing.running,
                "waiting": doing.waiting,
                "kv_bytes": doing.kv_bytes,
                "expires_at": loaded.expires().map(clock::rfc3339_at),
            })
        })
        .collect();
    let parted: Vec<Value> = app
        .manager
        .parted()
        .iter()
        .map(|parted| json!({"name": parted.name, "reason": parted.reason}))
        .collect();
    wire::ok(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "memory_max_bytes": app.manager.config().memory_max,
        "loaded": loaded,
        "unloaded": parted,
    }))
}

/// `GET /hob/v1/machine`: what people want to know of their machine before they choose a model.
pub async fn machine(State(app): State<App>) -> Response {
    wire::ok(&app.machine.to_json())
}

/// `GET /hob/v1/models`: all models with what is known of each; what a model can do is known once it was opened.
pub async fn models(State(app): State<App>) -> Response {
    let loaded = app.manager.loaded();
    let default = app.manager.default_name();
    let list = app.manager.catalogue().list();
    let models: Vec<Value> = list
        .iter()
        .map(|listed| {
            let held = loaded.iter().find(|loaded| loaded.listed.name == listed.name);
            let about = app.manager.known(listed);
            json!({
                "name": listed.name,
                "bytes": listed.bytes,
                "is_builtin": listed.source == Source::Builtin,
                "is_default": listed.name == default,
                "is_loaded": held.is_some(),
                "context": held.map(|held| held.fit.context),
                "context_trained": about.as_ref().map(|about| about.context),
                "parameters": about.as_ref().map(|about| about.parameters),
                "family": about.as_ref().map(|about| about.family),
                "chats": about.as_ref().map(|about| about.chat.is_some()),
                "thinks": about.as_ref().and_then(|about| about.chat).map(|chat| chat.thinking),
            })
        })
        .collect();
    wire::ok(&json!({"models": models, "memory_max_bytes": app.manager.config().memory_max}))
}

/// `GET /metrics`.
pub async fn metrics(State(app): State<App>) -> Response {
    let mut gauges = Gauges { model_bytes: app.manager.config().memory_max, ..Gauges::default() };
    for loaded in app.manager.loaded() {
        let doing = loaded.runner.doing();
        gauges.models += 1;
        gauges.running += doing.running;
        gauges.waiting += doing.waiting;
        gauges.kv_bytes += doing.kv_bytes;
    }
    wire::text(app.metrics.render(gauges), "text/plain; version=0.0.4; charset=utf-8")
}
