//! `POST /tokenize`, `/detokenize` and `/apply-template`.

use super::{lease, named};
use crate::App;
use crate::clock;
use crate::fields::Fields;
use crate::limits;
use crate::problem::Problem;
use crate::wire;
use axum::response::Response;
use hob::{Conversation, EncodeOptions};
use serde_json::{Value, json};

/// Text to ids.
///
/// # Errors
/// What is wrong with the request.
pub async fn tokenize(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let content = fields.need_text("content")?;
    let options = EncodeOptions {
        add_special: fields.flag("add_special")?.unwrap_or(false),
        parse_special: fields.flag("parse_special")?.unwrap_or(true),
    };
    let with_pieces = fields.flag("with_pieces")?.unwrap_or(false);
    let lease = lease(&app, named(&fields)?).await?;
    let tokenizer = lease.model.tokenizer().map_err(Problem::from)?;
    let ids = tokenizer.encode(content, options);
    if !with_pieces {
        return Ok(wire::ok(&json!({"tokens": ids})));
    }
    let piece = |id: &u32| {
        let bytes = tokenizer.token_bytes(*id).unwrap_or_default();
        // Part of a character is no text.
        let piece = std::str::from_utf8(&bytes).map_or_else(|_| json!(bytes), |text| json!(text));
        json!({"id": id, "piece": piece})
    };
    Ok(wire::ok(&json!({"tokens": ids.iter().map(piece).collect::<Vec<_>>()})))
}

/// Ids to text.
///
/// # Errors
/// What is wrong with the request.
pub async fn detokenize(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let tokens = fields.list("tokens", limits::BODY_BYTES_MAX)?.unwrap_or_default();
    let ids: Option<Vec<u32>> =
        tokens.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect();
    let ids = ids.ok_or_else(|| fields.wrong("tokens", "a list of token ids"))?;
    let lease = lease(&app, named(&fields)?).await?;
    let content = lease.model.tokenizer().map_err(Problem::from)?.decode(&ids, false);
    Ok(wire::ok(&json!({"content": content})))
}

/// What the model's template makes of a conversation.
///
/// # Errors
/// What the template refuses.
pub async fn apply_template(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let messages = fields.list("messages", limits::MESSAGES_MAX)?.unwrap_or_default();
    if messages.is_empty() {
        return Err(fields.wrong("messages", "a list of at least one message"));
    }
    let tools = crate::openai::tools(&fields)?;
    let lease = lease(&app, named(&fields)?).await?;
    let mut messages = messages.to_vec();
    crate::ask::begin_with(&mut messages, &lease.listed.settings);
    let conversation = Conversation {
        messages,
        tools: (!tools.is_empty()).then_some(tools),
        now: Some(clock::local()),
        extra: fields
            .object("chat_template_kwargs")?
            .map(|extra| extra.members().clone())
            .unwrap_or_default(),
        ..Conversation::default()
    };
    let prompt = conversation.render(&lease.model).map_err(Problem::from)?;
    Ok(wire::ok(&json!({"prompt": prompt})))
}
