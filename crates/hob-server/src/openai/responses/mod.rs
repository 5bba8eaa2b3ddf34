//! `/v1/responses`: answers that the server keeps, so that a conversation can be gone on with by name.
//!
//! They are kept in memory, as many as `limits.rs` allows, and end with the server.

mod object;
mod request;
mod store;
mod stream;

pub use store::Store;

use crate::App;
use crate::ask::{self, Input};
use crate::problem::{Dialect, Kind, Problem};
use crate::wire;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

/// Answers a list of items.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let request = request::read(&body, &app.stored)?;
    let request::Request { ask, frame, items, stream, store } = request;
    let leave = ask.leave.clone();
    let mut running = ask::begin(&app, ask).await?;
    if stream {
        let stored = store.then(|| (app.stored.clone(), items, leave));
        return Ok(stream::answer(frame, running, stored));
    }
    let answered =
        running.collect().await?.pop().ok_or_else(|| Problem::new(Kind::Internal, "there was no answer"))?;
    let output = object::output(running.model(), &answered.reply);
    let response = frame.ended(&running, &answered, output);
    if store {
        app.stored.put(&response, items, leave);
    }
    let mut answer = wire::ok(&response);
    super::mark_cut(&mut answer, &running);
    Ok(answer)
}

/// Counts the tokens that a request would read.
///
/// # Errors
/// What is wrong with the request.
pub async fn input_tokens(app: App, body: Value) -> Result<Response, Problem> {
    let mut request = request::read(&body, &app.stored)?;
    let lease = app.lease(&request.ask.model, request.ask.keep_alive).await?;
    request.ask.follow(&lease.listed.settings);
    let (model, input): (_, Input) = (lease.model.clone(), request.ask.input);
    let counted = tokio::task::spawn_blocking(move || Ok(ask::prompt(&model, &input)?.tokens().len())).await;
    let tokens =
        counted.unwrap_or_else(|_| Err(Problem::new(Kind::Internal, "the request could not be prepared")))?;
    Ok(wire::ok(&json!({"object": "response.input_tokens", "input_tokens": tokens})))
}

/// Conversations are not shortened here: what does not fit is told, or dropped where `truncation` allows it.
///
/// # Errors
/// Always.
pub async fn compact(_app: App, _body: Value) -> Result<Response, Problem> {
    Err(Problem::new(Kind::NotFound, "this server does not compact conversations").code("unknown_url"))
}

/// A kept answer.
pub async fn get(app: App, Path(id): Path<String>) -> Response {
    found(app.stored.get(&id), &id)
}

/// Forgets a kept answer.
pub async fn remove(app: App, Path(id): Path<String>) -> Response {
    let gone = app.stored.remove(&id).then(|| json!({"id": id, "object": "response", "deleted": true}));
    found(gone, &id)
}

/// What a kept answer was an answer to.
pub async fn input_items(app: App, Path(id): Path<String>) -> Response {
    let list = app.stored.items(&id).map(|items| {
        let (first, last) = (items.first().map(|i| i["id"].clone()), items.last().map(|i| i["id"].clone()));
        json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": false})
    });
    found(list, &id)
}

/// Nothing here runs in the background, so there is nothing to cancel.
pub async fn cancel(app: App, Path(id): Path<String>) -> Response {
    match app.stored.get(&id) {
        None => found(None, &id),
        Some(_) => {
            let message = "only answers that run in the background can be cancelled, and none do here";
            Problem::new(Kind::Invalid, message).respond(Dialect::OpenAi)
        }
    }
}

fn found(value: Option<Value>, id: &str) -> Response {
    match value {
        Some(value) => wire::ok(&value),
        None => {
            let id: String = id.chars().take(100).collect();
            Problem::new(Kind::NotFound, format!("there is no response {id:?}")).respond(Dialect::OpenAi)
        }
    }
}
