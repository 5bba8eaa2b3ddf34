//! Hob's own answers: that it lives, what it holds, what it counts.

use crate::App;
use crate::clock;
use crate::metrics::Gauges;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

/// `GET /`: what this is. Ollama's clients look for its words.
pub async fn root() -> Response {
    wire::text(
        "Hob is running. Ollama is running, as far as its clients are concerned.\n".into(),
        "text/plain; charset=utf-8",
    )
}

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
