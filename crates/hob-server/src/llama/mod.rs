//! The interface of llama-server, which editors and its own page speak. A request need not name a model there: the one
//! that was named at the start is meant, or the one in use.

pub mod completion;
mod infill;
pub mod tokens;

use crate::App;
use crate::engine::Lease;
use crate::fields::Fields;
use crate::problem::{Dialect, Kind, Problem};
use crate::wire;
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

/// The model that a request means.
async fn lease(app: &App, name: Option<&str>) -> Result<Lease, Problem> {
    let name = name.map_or_else(|| app.default_name(), str::to_owned);
    app.lease(&name, None).await
}

/// The model that a body names.
fn named<'v>(fields: &Fields<'v>) -> Result<Option<&'v str>, Problem> {
    Ok(fields.text("model")?.filter(|name| !name.is_empty()))
}

/// A value behind the question mark, as it stands there.
fn queried<'u>(uri: &'u Uri, key: &str) -> Option<&'u str> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// `GET /props`: how the server answers when a request does not say.
pub async fn props(app: App, uri: Uri) -> Response {
    let lease = match lease(&app, queried(&uri, "model")).await {
        Ok(lease) => lease,
        Err(problem) => return problem.respond(Dialect::OpenAi),
    };
    let recommended = lease.model.recommended_sampling();
    let params = json!({
        "temperature": recommended.temperature, "top_k": recommended.top_k, "top_p": recommended.top_p,
        "min_p": recommended.min_p, "repeat_penalty": recommended.repeat_penalty, "n_predict": -1, "stream": true,
    });
    wire::ok(&json!({
        "default_generation_settings": {"n_ctx": lease.fit.context, "params": params},
        "total_slots": lease.fit.parallel,
        "model_alias": lease.listed.name,
        "model_path": lease.listed.name,
        "chat_template": lease.model.template().map(hob::ChatTemplate::source).unwrap_or_default(),
        "bos_token": special(&lease, |special| special.bos),
        "eos_token": special(&lease, |special| special.eos),
        "modalities": {"vision": false, "audio": false},
        "build_info": concat!("hob-", env!("CARGO_PKG_VERSION")),
    }))
}

fn special(lease: &Lease, role: fn(&hob::SpecialTokens) -> Option<u32>) -> String {
    let text =
        |id| Some(String::from_utf8_lossy(&lease.model.tokenizer().ok()?.token_bytes(id)?).into_owned());
    lease.model.tokenizer().ok().and_then(|tokenizer| text(role(tokenizer.special())?)).unwrap_or_default()
}

/// `GET /slots`: places for answers, and which of them are taken.
pub async fn slots(app: App, uri: Uri) -> Response {
    let mut slots: Vec<Value> = Vec::new();
    for loaded in app.loaded() {
        let running = loaded.runner.doing().running;
        for place in 0..loaded.fit.parallel {
            slots.push(json!({
                "id": slots.len(), "model": loaded.listed.name, "n_ctx": loaded.fit.context,
                "is_processing": place < running, "speculative": false,
            }));
        }
    }
    let is_full = !slots.is_empty() && slots.iter().all(|slot| slot["is_processing"] == true);
    if is_full && queried(&uri, "fail_on_no_slot").is_some() {
        return Problem::new(Kind::Overloaded, "no slot is free").respond(Dialect::OpenAi);
    }
    wire::ok(&slots.into())
}
