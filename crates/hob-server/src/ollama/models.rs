//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use super::model_name;
use crate::App;
use crate::clock;
use crate::engine::{Listed, Source};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::wire;
use axum::response::Response;
use hob::{Description, LanguageModel};
use hob_store::Settings;
use serde_json::{Value, json};
use std::time::Duration;

/// A time that never comes.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The version of Ollama whose interface this is, as clients compare it; `hob` is ours.
pub async fn version() -> Response {
    wire::ok(&json!({"version": "0.33.0", "hob": env!("CARGO_PKG_VERSION")}))
}

/// The models that can be asked for.
pub async fn tags(app: App) -> Response {
    let models: Vec<Value> = app.models().iter().map(|listed| entry(&app, listed)).collect();
    wire::ok(&json!({"models": models}))
}

/// The models in memory.
pub async fn ps(app: App) -> Response {
    let models = app.loaded().into_iter().map(|loaded| {
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
    let (listed, model) = app.look(model_name(&fields)?).await?;
    let about = model.describe();
    let settings = &listed.settings;
    let mut answer = json!({
        "modelfile": modelfile(&listed),
        "parameters": parameters(&model, settings),
        "template": model.template().map(hob::ChatTemplate::source).unwrap_or_default(),
        "details": details(&listed, Some(&about)),
        "model_info": info(&about),
        "capabilities": capabilities(&model, &about),
        "modified_at": clock::rfc3339_of(listed.modified),
    });
    if let Some(system) = &settings.system {
        answer["system"] = system.clone().into();
    }
    if let Some(license) = &settings.license_text {
        answer["license"] = license.clone().into();
    }
    if !settings.messages.is_empty() {
        let messages = settings.messages.iter();
        answer["messages"] = messages.map(|(role, text)| json!({"role": role, "content": text})).collect();
    }
    Ok(wire::ok(&answer))
}

/// The model's own parameters, and what its publisher recommends of those that it has not.
fn parameters(model: &LanguageModel, settings: &Settings) -> String {
    let recommended = model.recommended_sampling();
    let usual = [
        ("temperature", recommended.temperature.to_string()),
        ("top_k", recommended.top_k.to_string()),
        ("top_p", recommended.top_p.to_string()),
        ("min_p", recommended.min_p.to_string()),
    ];
    let usual = usual.into_iter().filter(|(name, _)| !settings.parameters.iter().any(|(own, _)| own == name));
    let own = settings.parameters.iter().map(|(name, value)| (name.as_str(), quoted(name, value)));
    own.chain(usual).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join("\n")
}

fn quoted(name: &str, value: &str) -> String {
    if name == "stop" { format!("{value:?}") } else { value.to_owned() }
}

/// A Modelfile that says the same.
fn modelfile(listed: &Listed) -> String {
    let settings = &listed.settings;
    let mut text = format!("FROM {}\n", listed.name);
    let long = |name: &str, value: &Option<String>| match value {
        Some(value) => format!("{name} \"\"\"{value}\"\"\"\n"),
        None => String::new(),
    };
    text += &long("TEMPLATE", &settings.template);
    text += &long("SYSTEM", &settings.system);
    for (name, value) in &settings.parameters {
        text += &format!("PARAMETER {name} {}\n", quoted(name, value));
    }
    for (role, content) in &settings.messages {
        text += &format!("MESSAGE {role} \"\"\"{content}\"\"\"\n");
    }
    text
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
