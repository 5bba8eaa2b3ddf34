//! `POST /api/embed` and, older, `/api/embeddings`.

use super::{model_name, shapes::nanos};
use crate::App;
use crate::ask::{Ask, Input};
use crate::fields::Fields;
use crate::openai::embeddings::{embed, inputs};
use crate::problem::Problem;
use crate::{clock, limits, reading, wire};
use axum::response::Response;
use serde_json::{Value, json};

/// Vectors of one text or several.
///
/// # Errors
/// What is wrong with the request, or what the model cannot do.
pub async fn many(app: App, body: Value) -> Result<Response, Problem> {
    let began = clock::now();
    let fields = Fields::of(&body, "")?;
    let mut ask = Ask::new(model_name(&fields)?, Input::Ids(Vec::new()));
    reading::extensions(&fields, &mut ask)?;
    let dimensions = fields.whole("dimensions", 1..=1 << 20)?.map(|count| count as usize);
    let inputs = match fields.get("input") {
        // Without a text, the model is loaded.
        None => Vec::new(),
        Some(Value::Array(items)) if items.is_empty() => Vec::new(),
        Some(_) => inputs(&fields, "input", limits::INPUTS_MAX)?,
    };
    let embedded = embed(&app, &ask, inputs, dimensions, ask.may_drop).await?;
    Ok(wire::ok(&json!({
        "model": ask.model,
        "embeddings": embedded.vectors,
        "total_duration": nanos(clock::now().saturating_sub(began)),
        "load_duration": nanos(embedded.load_time),
        "prompt_eval_count": embedded.tokens,
    })))
}

/// The vector of one text.
///
/// # Errors
/// As [`many`].
pub async fn one(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let mut ask = Ask::new(model_name(&fields)?, Input::Ids(Vec::new()));
    reading::extensions(&fields, &mut ask)?;
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let inputs = if prompt.is_empty() { Vec::new() } else { vec![Input::Text(prompt.to_owned())] };
    let embedded = embed(&app, &ask, inputs, None, ask.may_drop).await?;
    Ok(wire::ok(&json!({"embedding": embedded.vectors.first().cloned().unwrap_or_default()})))
}
