//! `POST /v1/rerank`.

use crate::App;
use crate::fields::Fields;
use crate::limits;
use crate::problem::{Kind, Problem};
use axum::response::Response;
use serde_json::Value;

/// Orders documents by how well they answer a query. That takes a model that was trained to score pairs of texts; Hob runs
/// none yet, and an order by anything else would look like one.
///
/// # Errors
/// What is wrong with the request, or that the model does not rank.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let name = fields.need_text("model")?;
    fields.need_text("query")?;
    let documents =
        fields.list("documents", limits::INPUTS_MAX)?.or(fields.list("texts", limits::INPUTS_MAX)?);
    if documents.is_none_or(<[Value]>::is_empty) {
        return Err(fields.wrong("documents", "a list of texts"));
    }
    let listed = app.find(name)?;
    let message = format!("{} does not score pairs of texts, so it cannot rank documents", listed.name);
    Err(Problem {
        param: Some("model".into()),
        ..Problem::new(Kind::NotImplemented, message).code("not_a_reranker")
    })
}
