//! The interface of Ollama. Streams are lines of JSON, and are what one gets without asking.

pub mod chat;
pub mod create;
pub mod embed;
pub mod generate;
pub mod models;
pub mod pull;
mod shapes;

use crate::App;
use crate::ask::Ask;
use crate::engine::KeepAlive;
use crate::fields::Fields;
use crate::problem::{Kind, Problem};
use crate::reading;
use crate::wire;
use axum::response::Response;
use hob::LanguageModel;
use serde_json::{Value, json};
use std::time::Duration;

/// What needs an account somewhere else.
///
/// # Errors
/// Always.
pub async fn without_account(_app: App, _body: Value) -> Result<Response, Problem> {
    Err(Problem::new(Kind::NotImplemented, "this server has no accounts and asks nobody else"))
}

/// The name of the model; older clients say `name`.
fn model_name<'v>(fields: &Fields<'v>) -> Result<&'v str, Problem> {
    match fields.text("model")?.or(fields.text("name")?) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(Problem::invalid("model", "model is required")),
    }
}

/// What chats and continuations have in common.
fn common(fields: &Fields<'_>, ask: &mut Ask) -> Result<(), Problem> {
    reading::extensions(fields, ask)?;
    ask.grammar = match fields.get("format") {
        None => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) if text == "json" => Some(reading::json_grammar(json!({"type": "object"}))),
        Some(schema @ Value::Object(_)) => Some(reading::json_grammar(schema.clone())),
        Some(_) => return Err(fields.wrong("format", "\"json\" or a JSON schema")),
    };
    if fields.flag("logprobs")?.unwrap_or(false) {
        let top = fields.whole("top_logprobs", 0..=crate::limits::TOP_LOGPROBS_MAX)?;
        ask.sampling.logprobs = Some(top.unwrap_or(0) as u32);
    }
    Ok(())
}

/// Whether the model is asked to think; the levels that some models know are all a yes to others.
fn think(fields: &Fields<'_>) -> Result<Option<bool>, Problem> {
    match fields.get("think") {
        None => Ok(None),
        Some(Value::Bool(think)) => Ok(Some(*think)),
        Some(Value::String(level)) if ["low", "medium", "high", "max"].contains(&level.as_str()) => {
            Ok(Some(true))
        }
        Some(_) => Err(fields.wrong("think", "true, false, low, medium, high or max")),
    }
}

/// A model that cannot think is not asked to.
fn check_thinking(model: &LanguageModel, name: &str, think: Option<bool>) -> Result<(), Problem> {
    let can = model.template().is_some_and(hob::ChatTemplate::supports_thinking);
    if think == Some(true) && !can {
        return Err(Problem::invalid("think", format!("{name:?} does not support thinking")));
    }
    Ok(())
}

/// Images are refused by name: a model would answer without having seen them.
fn refuse_images(fields: &Fields<'_>) -> Result<(), Problem> {
    match fields.list("images", 1 << 10)? {
        Some(images) if !images.is_empty() => {
            Err(Problem::invalid(fields.place("images"), "images: this server reads text only"))
        }
        _ => Ok(()),
    }
}

/// Without anything to answer, a model is loaded, or let go.
async fn load_only(app: &App, ask: &Ask, is_chat: bool) -> Result<Response, Problem> {
    let is_unload = ask.keep_alive == Some(KeepAlive::For(Duration::ZERO));
    let load_time = if is_unload {
        let listed = app.find(&ask.model)?;
        let loaded = app.manager.loaded().into_iter().find(|loaded| loaded.listed.name == listed.name);
        if let Some(loaded) = loaded {
            app.manager.part(&loaded, "a request asked for it");
        }
        Duration::ZERO
    } else {
        app.lease(&ask.model, ask.keep_alive).await?.load_time()
    };
    let reason = if is_unload { "unload" } else { "load" };
    let mut answer = json!({
        "model": ask.model, "created_at": crate::clock::rfc3339(), "done": true, "done_reason": reason,
        "load_duration": shapes::nanos(load_time),
    });
    if is_chat {
        answer["message"] = json!({"role": "assistant", "content": ""});
    } else {
        answer["response"] = "".into();
    }
    Ok(wire::ok(&answer))
}
