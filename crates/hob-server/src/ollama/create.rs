//! `POST /api/create` and `/api/blobs`: models made of models, or of files that were handed over.

use super::model_name;
use crate::App;
use crate::engine::Source;
use crate::fields::Fields;
use crate::limits;
use crate::problem::{Dialect, Kind, Problem};
use crate::shelf::native::{refuse_foreign, shelf};
use crate::shelf::problem;
use crate::wire;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use hob_store::{Base, Digest, Error, FilePath, Model, ModelName, Settings, Store, Wishes};
use serde_json::{Value, json};

/// What cannot be asked for, and what to do instead.
const REFUSED: [(&str, &str); 8] = [
    ("adapters", "adapters are merged first: hob merge-lora"),
    ("quantize", "weights are written in another type beforehand: hob quantize"),
    ("draft_quantize", "weights are written in another type beforehand: hob quantize"),
    ("draft_files", "draft models are chosen when chatting: hob chat --draft"),
    ("renderer", "models here are rendered by their templates"),
    ("parser", "answers here are read as the model's template says"),
    ("remote_host", "this server runs models of this machine only"),
    ("remote_model", "this server runs models of this machine only"),
];

/// What the new model's weights are.
enum Origin {
    Model(Box<Model>),
    Builtin,
    Blobs(Vec<(FilePath, Digest)>),
}

/// Makes a model of another one, or of files, with settings of its own.
///
/// # Errors
/// A field that is wrong or cannot be had, no such model, a name that is taken.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let name = name_of(model_name(&fields)?)?;
    for (key, instead) in REFUSED {
        let is_said =
            fields.get(key).is_some_and(|value| !matches!(value.as_str(), Some("")) && *value != json!({}));
        if is_said {
            return Err(Problem::invalid(key, format!("{key}: {instead}")).code("unsupported_parameter"));
        }
    }
    let shelf = shelf(&app)?.clone();
    refuse_foreign(&app, &shelf, &name).await?;
    let origin = match (fields.text("from")?.filter(|from| !from.is_empty()), fields.object("files")?) {
        (Some(_), Some(_)) => return Err(Problem::invalid("files", "files: give them or from, not both")),
        (Some(from), None) => origin(&app, from).await?,
        (None, Some(files)) => Origin::Blobs(files_of(&files)?),
        (None, None) => return Err(Problem::invalid("from", "from: expected the name of a model, or files")),
    };
    let before = match &origin {
        Origin::Model(model) => model.manifest.settings.clone(),
        Origin::Builtin | Origin::Blobs(_) => Settings::default(),
    };
    let settings = settings(&fields, before)?;
    let stream = fields.flag("stream")?.unwrap_or(true);
    // What is loaded under this name would answer with the old settings.
    shelf.release(&name.to_string(), "it is being made anew")?;
    make(&shelf, name, origin, settings).await?;
    if !stream {
        return Ok(wire::ok(&json!({"status": "success"})));
    }
    Ok(wire::stream(wire::NDJSON, |out| async move {
        for status in ["reading model metadata", "writing manifest", "success"] {
            out.line(&json!({"status": status})).await?;
        }
        Ok(())
    }))
}

async fn make(
    shelf: &crate::shelf::Shelf,
    name: ModelName,
    origin: Origin,
    settings: Settings,
) -> Result<(), Problem> {
    let made = shelf.with_store(move |store| match &origin {
        Origin::Model(model) => store.create(&name, Base::Model(model), settings),
        Origin::Blobs(files) => store.create(&name, Base::Blobs(files), settings),
        Origin::Builtin => {
            let path = FilePath::parse(&format!("{}.gguf", hob::BUILTIN_NAME))?;
            store.create(&name, Base::Bytes { path: &path, bytes: hob::builtin_file() }, settings)
        }
    });
    made.await?;
    shelf.touch();
    Ok(())
}

/// A copy under another name, also of the built-in model.
///
/// # Errors
/// There is no such model, the name is none, or it is taken.
pub async fn copied(app: &App, from: &str, to: &str) -> Result<(), Problem> {
    let shelf = shelf(app)?.clone();
    let name = name_of(to)?;
    match origin(app, from).await? {
        Origin::Builtin => {
            refuse_foreign(app, &shelf, &name).await?;
            let wanted = name.clone();
            if shelf.with_store(move |store| store.get(&wanted)).await?.is_some() {
                return Err(problem(&Error::Exists { name: name.to_string() }));
            }
            make(&shelf, name, Origin::Builtin, Settings::default()).await
        }
        _ => crate::shelf::native::copied(app, from, to).await,
    }
}

fn name_of(text: &str) -> Result<ModelName, Problem> {
    ModelName::parse(text).map_err(|error| problem(&error))
}

async fn origin(app: &App, from: &str) -> Result<Origin, Problem> {
    let listed = app.find(from)?;
    if listed.source == Source::Builtin {
        return Ok(Origin::Builtin);
    }
    let exact = listed.name.clone();
    let found = shelf(app)?.with_store(move |store| store.find(&exact)).await.map_err(|_| {
        let message = format!(
            "{from:?} was named when Hob started and is not of the store; adopt it first: hob import"
        );
        Problem::new(Kind::Conflict, message).code("not_of_the_store")
    })?;
    Ok(Origin::Model(Box::new(found)))
}

/// Files by name, each with the digest under which it was handed over.
fn files_of(files: &Fields<'_>) -> Result<Vec<(FilePath, Digest)>, Problem> {
    if files.members().is_empty() || files.members().len() > limits::FILES_MAX {
        let message = format!("files: expected 1 to {} of them", limits::FILES_MAX);
        return Err(Problem::invalid("files", message));
    }
    let one = |(name, digest): (&String, &Value)| {
        let place = format!("files.{name}");
        let refuse = |error: Error| Problem::invalid(place.clone(), format!("{place}: {error}"));
        let digest = Digest::parse(digest.as_str().unwrap_or_default()).map_err(refuse)?;
        Ok((FilePath::parse(name).map_err(refuse)?, digest))
    };
    files.members().iter().map(one).collect()
}

/// The settings of the new model: those of its origin, with what is asked for in their place.
fn settings(fields: &Fields<'_>, mut settings: Settings) -> Result<Settings, Problem> {
    if let Some(system) = fields.text("system")? {
        settings.system = Some(system.to_owned()).filter(|text| !text.is_empty());
    }
    if let Some(template) = fields.text("template")?.filter(|text| !text.is_empty()) {
        let given = Settings { template: Some(template.to_owned()), ..Settings::default() };
        let Some(jinja) = given.jinja() else {
            let message = "template: expected one in Jinja, as models' own files have them; Ollama's language is not run here";
            return Err(Problem::invalid("template", message).code("unsupported_template"));
        };
        hob::ChatTemplate::new(jinja)
            .map_err(|error| Problem::invalid("template", format!("template: {error}")))?;
        settings.template = given.template;
    }
    match fields.get("license") {
        None => {}
        Some(Value::String(text)) => settings.license_text = Some(text.clone()),
        Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            settings.license_text = Some(texts.join("\n\n"));
        }
        Some(_) => return Err(fields.wrong("license", "a string, or a list of them")),
    }
    if let Some(parameters) = fields.object("parameters")? {
        let given = parameters_of(&parameters)?;
        settings.parameters.retain(|(name, _)| !given.iter().any(|(other, _)| other == name));
        settings.parameters.extend(given);
    }
    if let Some(messages) = fields.list("messages", limits::MESSAGES_MAX)? {
        settings.messages = messages.iter().enumerate().map(message).collect::<Result<_, _>>()?;
    }
    Ok(settings)
}

fn message((index, message): (usize, &Value)) -> Result<(String, String), Problem> {
    let place = format!("messages[{index}]");
    let message = Fields::of(message, &place)?;
    let role = message.need_text("role")?;
    if !["system", "user", "assistant"].contains(&role) {
        return Err(message.wrong("role", "system, user or assistant"));
    }
    Ok((role.to_owned(), message.need_text("content")?.to_owned()))
}

/// Parameters as text, each judged.
fn parameters_of(parameters: &Fields<'_>) -> Result<Vec<(String, String)>, Problem> {
    let mut taken = Wishes::default();
    let mut pairs = Vec::new();
    for (name, value) in parameters.members() {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            taken.take(name, &text).map_err(|expected| {
                let place = format!("parameters.{name}");
                Problem::invalid(place.clone(), format!("{place}: expected {expected}"))
            })?;
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

/// `HEAD /api/blobs/{digest}`: whether a file was handed over.
pub async fn has_blob(app: App, Path(digest): Path<String>) -> Response {
    let found = async {
        let digest = Digest::parse(&digest).map_err(|error| problem(&error))?;
        shelf(&app)?.with_store(move |store| Ok(store.has_blob(&digest))).await
    };
    match found.await {
        Ok(true) => Response::new(Body::empty()),
        Ok(false) => status(StatusCode::NOT_FOUND),
        Err(problem) => problem.respond(Dialect::Ollama),
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// `POST /api/blobs/{digest}`: hands a file over.
pub async fn take_blob(app: App, Path(digest): Path<String>, request: Request<Body>) -> Response {
    match taken(&app, &digest, request).await {
        Ok(code) => status(code),
        Err(problem) => problem.respond(Dialect::Ollama),
    }
}

async fn taken(app: &App, digest: &str, request: Request<Body>) -> Result<StatusCode, Problem> {
    let digest = Digest::parse(digest).map_err(|error| problem(&error))?;
    let shelf = shelf(app)?;
    let _place = shelf.upload_place()?;
    // Clients send what is here already, too, and do not look at the answer before they are through.
    let take = move |store: &Store| (!store.has_blob(&digest)).then(|| store.take_blob(digest)).transpose();
    let mut writer = shelf.with_store(take).await?;
    let mut body = request.into_body().into_data_stream();
    loop {
        // As long as bytes come, a large file may take its time.
        let next = tokio::time::timeout(limits::BODY_TIME, body.next()).await;
        let next = next.map_err(|_| Problem::new(Kind::TooSlow, "the file took too long to arrive"))?;
        match next {
            None => break,
            Some(Ok(bytes)) => {
                if let Some(writer) = &mut writer {
                    tokio::task::block_in_place(|| writer.write(&bytes)).map_err(|e| problem(&e))?;
                }
            }
            Some(Err(_)) => return Err(Problem::new(Kind::Invalid, "the file ended early")),
        }
    }
    let Some(writer) = writer else { return Ok(StatusCode::OK) };
    let finished = tokio::task::block_in_place(|| writer.finish());
    match finished {
        Err(error @ Error::WrongDigest { .. }) => Err(Problem::invalid("digest", error.to_string())),
        other => other.map(|()| StatusCode::CREATED).map_err(|error| problem(&error)),
    }
}
