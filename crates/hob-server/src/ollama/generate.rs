//! `POST /api/generate`: an answer to one text.

use super::shapes::Form;
use super::{check_thinking, common, load_only, model_name, refuse_images, think};
use crate::App;
use crate::ask::{self, Ask, Input, Talk};
use crate::clock;
use crate::fields::Fields;
use crate::problem::Problem;
use axum::response::Response;
use hob::Conversation;
use serde_json::{Value, json};

/// Answers or, with `raw`, continues a text.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let name = model_name(&fields)?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    refuse(&fields)?;
    let think = think(&fields)?;
    let is_raw = fields.flag("raw")?.unwrap_or(false);
    let system = fields.text("system")?.filter(|system| !system.is_empty());
    let stream = fields.flag("stream")?.unwrap_or(true);
    let conversation = Conversation {
        messages: messages(system, prompt),
        think,
        now: Some(clock::local()),
        ..Conversation::default()
    };
    let talk = Talk { conversation, ..Talk::default() };
    let mut ask = Ask::new(name, Input::Chat(Box::new(talk)));
    common(&fields, &mut ask)?;
    ask.is_streamed = stream;
    if prompt.is_empty() {
        return load_only(&app, &ask, false).await;
    }
    let lease = app.lease(name, None).await?;
    check_thinking(&lease.model, name, think)?;
    // A model without a template continues texts; there is nothing else it could do with one.
    if is_raw || lease.model.template().is_none() {
        ask.input = Input::Text(system.map_or(prompt.to_owned(), |system| format!("{system}\n\n{prompt}")));
    }
    let form = Form { model: ask.model.clone(), put };
    let running = ask::begin(&app, ask).await?;
    if stream { Ok(form.streamed(running)) } else { form.whole(running).await }
}

fn messages(system: Option<&str>, prompt: &str) -> Vec<Value> {
    let system = system.map(|text| json!({"role": "system", "content": text}));
    system.into_iter().chain([json!({"role": "user", "content": prompt})]).collect()
}

/// What is not done is said.
fn refuse(fields: &Fields<'_>) -> Result<(), Problem> {
    refuse_images(fields)?;
    let refused = |key: &str, why: &str| Err(Problem::invalid(key, format!("{key}: {why}")));
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return refused("suffix", "this call does not fill gaps; /infill does, where a model can");
    }
    if fields.text("template")?.is_some_and(|template| !template.is_empty()) {
        return refused("template", "templates of requests are not run; use raw and write the whole prompt");
    }
    if fields.list("context", usize::MAX)?.is_some_and(|context| !context.is_empty()) {
        return refused(
            "context",
            "token lists of earlier answers are not taken; /api/chat goes on with conversations",
        );
    }
    Ok(())
}

fn put(text: String, thought: String, calls: Vec<Value>) -> Value {
    let mut line = json!({"response": text});
    if !thought.is_empty() {
        line["thinking"] = thought.into();
    }
    if !calls.is_empty() {
        line["tool_calls"] = calls.into();
    }
    line
}
