//! `POST /completion` and `/infill`: a text, or a gap in one, is continued.

use super::{infill, lease, named};
use crate::App;
use crate::ask::{self, Answered, Ask, Heard, Input, Running};
use crate::fields::Fields;
use crate::limits;
use crate::openai::{logprob, mark_cut, timings};
use crate::problem::{Dialect, Kind, Problem};
use crate::reading;
use crate::wire::{self, Gone, Out};
use axum::response::Response;
use hob::{EncodeOptions, FinishReason, Grammar, LanguageModel, Piece};
use serde_json::{Value, json};

/// Continues a text.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let lease = lease(&app, named(&fields)?).await?;
    let input = prompt(&lease.model, &fields)?;
    answer(&app, &fields, &lease.listed.name, input).await
}

/// Fills a gap.
///
/// # Errors
/// As [`create`], and for models that cannot.
pub async fn fill(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let lease = lease(&app, named(&fields)?).await?;
    let ids = infill::prompt(&lease.model, &fields)?;
    answer(&app, &fields, &lease.listed.name, Input::Ids(ids)).await
}

async fn answer(app: &App, fields: &Fields<'_>, model: &str, input: Input) -> Result<Response, Problem> {
    let mut ask = Ask::new(model, input);
    ask.sampling = reading::sampling(fields)?;
    let probs = fields.whole("n_probs", 0..=limits::TOP_LOGPROBS_MAX)?.unwrap_or(0);
    ask.sampling.logprobs = (probs > 0).then_some(probs as u32);
    ask.max_tokens = match fields.whole("n_predict", -2..=limits::TOKENS_MAX)? {
        Some(count) => usize::try_from(count).ok(),
        None => reading::tokens(fields, "max_tokens")?,
    };
    ask.stop = reading::stops(fields, "stop")?;
    ask.grammar = match (fields.get("json_schema"), fields.text("grammar")?) {
        (Some(schema), _) => Some(reading::json_grammar(schema.clone())),
        (None, Some(text)) if !text.is_empty() => Some(Grammar::Gbnf(text.to_owned())),
        _ => None,
    };
    reading::extensions(fields, &mut ask)?;
    let with_tokens = fields.flag("return_tokens")?.unwrap_or(false);
    let stream = fields.flag("stream")?.unwrap_or(false);
    let name = model.to_owned();
    let mut running = ask::begin(app, ask).await?;
    if stream {
        return Ok(wire::stream(wire::SSE, move |out| write(name, running, out)));
    }
    let answered =
        running.collect().await?.pop().ok_or_else(|| Problem::new(Kind::Internal, "there was no answer"))?;
    let mut whole = last(&name, &answered);
    whole["content"] = answered.reply.text.clone().into();
    if with_tokens {
        // A text is gone on with by a model of this machine alone.
        if let Some(model) = running.model() {
            let tokenizer = model.tokenizer().map_err(Problem::from)?;
            whole["tokens"] = tokenizer.encode(&answered.reply.text, EncodeOptions::default()).into();
        }
    }
    if !answered.reply.logprobs.is_empty() {
        whole["completion_probabilities"] =
            answered.reply.logprobs.iter().map(|found| logprob(running.model(), found)).collect();
    }
    let mut response = wire::ok(&whole);
    mark_cut(&mut response, &running);
    Ok(response)
}

/// A text, ids, or a list of both.
fn prompt(model: &LanguageModel, fields: &Fields<'_>) -> Result<Input, Problem> {
    let wrong = || fields.wrong("prompt", "a text, or a list of texts and token ids");
    let items = match fields.get("prompt") {
        Some(Value::String(text)) => return Ok(Input::Text(text.clone())),
        Some(Value::Array(items)) if !items.is_empty() => items,
        _ => return Err(wrong()),
    };
    let tokenizer = model.tokenizer().map_err(Problem::from)?;
    let mut ids = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item {
            Value::String(text) => {
                let options = EncodeOptions { add_special: index == 0, parse_special: true };
                ids.extend(tokenizer.encode(text, options));
            }
            item => ids.push(item.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong)?),
        }
    }
    Ok(Input::Ids(ids))
}

/// What is told at the end.
fn last(model: &str, answered: &Answered) -> Value {
    let (reply, usage) = (&answered.reply, &answered.usage);
    let stop_type = match reply.finish {
        _ if reply.stopped_by.is_some() => "word",
        Some(FinishReason::Stop) => "eos",
        Some(FinishReason::Length | FinishReason::ContextFull) => "limit",
        None => "none",
    };
    json!({
        "index": 0, "content": "", "tokens": [], "id_slot": 0, "stop": true, "model": model,
        "tokens_predicted": usage.produced, "tokens_evaluated": usage.prompt, "tokens_cached": usage.cached,
        "truncated": usage.dropped > 0, "has_new_line": reply.text.contains('\n'),
        "stop_type": stop_type, "stopping_word": reply.stopped_by.clone().unwrap_or_default(),
        "timings": timings(answered),
    })
}

async fn write(model: String, mut running: Running, out: Out) -> Result<(), Gone> {
    while let Some((_, told)) = out.wait(running.next(), wire::SSE_IDLE).await? {
        let (pieces, ended) = match Heard::of(told) {
            None => continue,
            Some(Heard::Pieces(pieces, _)) => (pieces, None),
            Some(Heard::Ended(pieces, answered)) => (pieces, Some(answered)),
            Some(Heard::Failed(problem)) => return out.data(&problem.body(Dialect::OpenAi)).await,
        };
        for piece in pieces {
            if let Piece::Text(text) = piece {
                let part = json!({"index": 0, "content": text, "tokens": [], "stop": false, "id_slot": 0});
                out.data(&part).await?;
            }
        }
        if let Some(answered) = ended {
            out.data(&last(&model, &answered)).await?;
        }
    }
    Ok(())
}
