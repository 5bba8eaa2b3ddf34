//! Parts of answers that several calls share.

use crate::ask::{Answered, Running};
use crate::wire::millis;
use axum::http::HeaderValue;
use axum::response::Response;
use hob::{FinishReason, LanguageModel, Reply};
use hob_engine::sampling::TokenLogprob;
use serde_json::{Value, json};

/// What the program is, for those who compare answers.
pub const FINGERPRINT: &str = concat!("hob-", env!("CARGO_PKG_VERSION"));

/// Why an answer ended.
pub fn finish(reply: &Reply) -> &'static str {
    match reply.finish {
        Some(FinishReason::Length | FinishReason::ContextFull) => "length",
        _ if !reply.calls.is_empty() => "tool_calls",
        _ => "stop",
    }
}

/// What the answers to one prompt took, of all models that had a part in them.
pub fn usage(model: Option<&LanguageModel>, all: &[Answered]) -> Value {
    let first = all.first().map(|answered| answered.in_all).unwrap_or_default();
    let completion: usize = all.iter().map(|answered| answered.in_all.produced).sum();
    let reasoning: usize = all.iter().map(|answered| thought_tokens(model, &answered.reply)).sum();
    let mut usage = json!({
        "prompt_tokens": first.prompt,
        "completion_tokens": completion,
        "total_tokens": first.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": first.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    });
    let dropped: usize = all.iter().map(|answered| answered.in_all.dropped).sum();
    if dropped > 0 {
        usage["dropped_tokens"] = dropped.into();
    }
    usage
}

/// Tokens of the thoughts before an answer; counted from their text, so that a token at the border may be off.
pub fn thought_tokens(model: Option<&LanguageModel>, reply: &Reply) -> usize {
    match model.map(LanguageModel::tokenizer) {
        Some(Ok(tokenizer)) if !reply.thought.is_empty() => {
            tokenizer.encode(&reply.thought, hob::EncodeOptions::default()).len()
        }
        _ => 0,
    }
}

/// How fast it went, as llama-server tells it: of the model that ended it.
pub fn timings(answered: &Answered) -> Value {
    let (usage, times) = (&answered.usage, answered.times);
    let prompt = usage.prompt.saturating_sub(usage.cached);
    let rate = |count: usize, ms: f64| if ms > 0.0 { count as f64 / ms * 1e3 } else { 0.0 };
    let each = |count: usize, ms: f64| if count > 0 { ms / count as f64 } else { 0.0 };
    let (prompt_ms, predicted_ms) = (millis(times.prompt), millis(times.predicted));
    json!({
        "cache_n": usage.cached,
        "prompt_n": prompt,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": each(prompt, prompt_ms),
        "prompt_per_second": rate(prompt, prompt_ms),
        "predicted_n": usage.produced,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": each(usage.produced, predicted_ms),
        "predicted_per_second": rate(usage.produced, predicted_ms),
        "queue_ms": millis(times.queue),
        "draft_n": usage.speculation.drafted,
        "draft_n_accepted": usage.speculation.accepted,
    })
}

/// A token with its log-probability and the likeliest others.
pub fn logprob(model: Option<&LanguageModel>, found: &TokenLogprob) -> Value {
    let entry = |id: u32, logprob: f32| {
        let bytes = token_bytes(model, id);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        json!({"token": text, "logprob": logprob, "bytes": bytes})
    };
    let mut whole = entry(found.id, found.logprob);
    whole["top_logprobs"] = found.top.iter().map(|(id, logprob)| entry(*id, *logprob)).collect();
    whole
}

/// The bytes that a token stands for.
pub fn token_bytes(model: Option<&LanguageModel>, id: u32) -> Vec<u8> {
    model
        .and_then(|model| model.tokenizer().ok())
        .and_then(|tokenizer| Some(tokenizer.token_bytes(id)?.into_owned()))
        .unwrap_or_default()
}

/// Says in a header that the beginning of the prompt was left out.
pub fn mark_cut(response: &mut Response, running: &Running) {
    if running.is_cut {
        response.headers_mut().insert("x-hob-context-truncated", HeaderValue::from_static("true"));
    }
}
