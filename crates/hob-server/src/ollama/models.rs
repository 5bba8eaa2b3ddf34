//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use super::model_name;
use crate::App;
use crate::clock;
use crate::engine::{Listed, Source};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use hob::{Description, LanguageModel};
use serde_json::{Value, json};
use std::time::Duration;

/// A time that never comes.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The version of Ollama whose interface this is, as clients compare it; `hob` is ours.
pub async fn version() -> Response {
    wire::ok(&json!({"version": "0.33.0", "hob": env!("CARGO_PKG_VERSION")}))
}

/// The models that can be asked for.
pub async fn tags(State(app): State<App>) -> Response {
    let models: Vec<Value> =
        app.manager.catalogue().list().iter().map(|listed| entry(&app, listed)).collect();
    wire::ok(&json!({"models": models}))
}

/// The models in memory.
pub async fn ps(State(app): State<App>) -> Response {
    let models = app.manager.loaded().into_iter().map(|loaded| {
        let mut entry = entry(&app, &loaded.listed);
        let expires = loaded.expires().unwrap_or_else(|| clock::now() + NEVER);
        entry["expires_at"] = clock::rfc3339_at(expires).into();
        entry["size"] = loaded.fit.bytes.into();
        entry["size_vram"] = 0.into();
        entry["context_length"] = loaded.fit.context.into();
        entry
    });
    wire::ok(&json!({"models": models.collect::<Vec<_>>()}))
}

fn entry(app: &App, listed: &Listed) -> Value {
    json!({
        "name": listed.name,
        "model": listed.name,
        "modified_at": clock::rfc3339_of(listed.modified),
        "size": listed.bytes,
        "digest": listed.digest.clone().unwrap_or_default(),
        "details": details(listed, app.manager.known(listed).as_ref()),
    })
}

fn details(listed: &Listed, about: Option<&Description>) -> Value {
    let is_folder = matches!(&listed.source, Source::At(path) if path.is_dir());
    let family = about.map_or("", |about| about.family);
    json!({
        "parent_model": "",
        "format": if is_folder { "safetensors" } else { "gguf" },
        "family": family,
        "families": if family.is_empty() { json!([]) } else { json!([family]) },
        "parameter_size": about.map(|about| rounded(about.parameters)).unwrap_or_default(),
        "quantization_level": about.map(main_type).unwrap_or_default(),
    })
}

/// Parameters as people say them.
fn rounded(count: u64) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{:.1}B", count / 1e9),
        count if count >= 1e6 => format!("{:.1}M", count / 1e6),
        count => format!("{:.0}K", count / 1e3),
    }
}

/// The type that most of the file is in.
fn main_type(about: &Description) -> String {
    let types = about.bytes_by_type.iter().max_by_key(|(_, bytes)| **bytes);
    types.map(|(name, _)| name.to_uppercase()).unwrap_or_default()
}

/// What a model is.
///
/// # Errors
/// There is none of that name, or it is damaged.
pub async fn show(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let (listed, model) = app.manager.look(model_name(&fields)?).await?;
    let about = model.describe();
    let recommended = model.recommended_sampling();
    let parameters = format!(
        "temperature {}\ntop_k {}\ntop_p {}\nmin_p {}",
        recommended.temperature, recommended.top_k, recommended.top_p, recommended.min_p
    );
    Ok(wire::ok(&json!({
        "modelfile": format!("FROM {}\n", listed.name),
        "parameters": parameters,
        "template": model.template().map(hob::ChatTemplate::source).unwrap_or_default(),
        "details": details(&listed, Some(&about)),
        "model_info": info(&about),
        "capabilities": capabilities(&model, &about),
        "modified_at": clock::rfc3339_of(listed.modified),
    })))
}

fn info(about: &Description) -> Value {
    let family = about.family;
    json!({
        "general.architecture": family,
        "general.basename": about.name,
        "general.parameter_count": about.parameters,
        format!("{family}.context_length"): about.context,
        format!("{family}.embedding_length"): about.hidden,
        format!("{family}.block_count"): about.layers,
        "tokenizer.ggml.tokens.count": about.vocab,
    })
}

fn capabilities(model: &LanguageModel, about: &Description) -> Vec<&'static str> {
    let all = [
        ("completion", about.generates),
        ("embedding", !about.generates),
        ("tools", about.generates && model.can_call_tools()),
        ("thinking", about.chat.is_some_and(|chat| chat.thinking)),
    ];
    all.into_iter().filter_map(|(name, can)| can.then_some(name)).collect()
}
