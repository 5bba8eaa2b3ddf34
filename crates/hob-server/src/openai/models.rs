//! `GET /v1/models` and `/v1/models/{id}`.

use crate::App;
use crate::elsewhere;
use crate::engine::Listed;
use crate::problem::{Dialect, Problem};
use crate::wire;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

/// All models that can be asked for.
pub async fn list(app: App) -> Response {
    let mut data: Vec<Value> = app.models().iter().map(|listed| model(&app, listed)).collect();
    data.extend(
        elsewhere::models(&app).iter().map(
            |name| json!({"id": name, "object": "model", "created": 0, "owned_by": "cloud", "meta": null}),
        ),
    );
    wire::ok(&json!({"object": "list", "data": data}))
}

/// One of them. Names may contain slashes.
pub async fn one(app: App, Path(id): Path<String>) -> Response {
    let found: Result<Listed, Problem> = app.find(&id);
    match found {
        Ok(listed) => wire::ok(&model(&app, &listed)),
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

fn model(app: &App, listed: &Listed) -> Value {
    let loaded = app.manager.loaded().into_iter().find(|loaded| loaded.listed.name == listed.name);
    let meta = loaded.map(|loaded| {
        let about = loaded.model.describe();
        json!({
            "n_ctx": loaded.fit.context, "n_ctx_train": about.context, "n_vocab": about.vocab,
            "n_embd": about.hidden, "n_params": about.parameters, "size": listed.bytes,
        })
    });
    json!({"id": listed.name, "object": "model", "created": listed.modified, "owned_by": "hob", "meta": meta})
}
