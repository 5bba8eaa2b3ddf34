//! `POST /v1/chat/completions`.

use super::chat_request::{self, ChatRequest};
use super::shapes::{FINGERPRINT, finish, logprob, mark_cut, timings, usage};
use crate::App;
use crate::ask::{self, Answered, Heard, Running};
use crate::engine::Told;
use crate::problem::{Dialect, Problem};
use crate::visit::Visit;
use crate::wire::{self, Gone, Out};
use crate::{clock, ids};
use axum::response::Response;
use hob::{LanguageModel, Piece, Reply, ToolCall};
use hob_engine::sampling::TokenLogprob;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers a conversation.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let ChatRequest { ask, stream, include_usage, logprobs, is_old } = chat_request::read(&body)?;
    let head = Head { id: ids::new("chatcmpl-"), created: clock::unix(), model: ask.model.clone(), is_old };
    let mut running = ask::begin(&app, ask).await?;
    if stream {
        return Ok(streamed(head, running, include_usage, Arc::clone(&app.visit)));
    }
    let all = running.collect().await?;
    let model = running.model();
    let choices: Vec<Value> =
        all.iter().enumerate().map(|(index, a)| head.choice(model, index, &a.reply, logprobs)).collect();
    let mut whole = head.object("chat.completion", choices);
    whole["usage"] = usage(model, &all);
    whole["timings"] = all.first().map(timings).into();
    if let Some(told) = app.visit.told() {
        whole["hob"] = told;
    }
    let mut response = wire::ok(&whole);
    mark_cut(&mut response, &running);
    Ok(response)
}

/// What is the same in all parts of an answer.
struct Head {
    id: String,
    created: i64,
    model: String,
    /// Whether calls are told as the older interface has them: one, without an id.
    is_old: bool,
}

impl Head {
    fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "system_fingerprint": FINGERPRINT, "choices": choices,
        })
    }

    fn chunk(&self, index: usize, delta: Value, logprobs: Option<Value>, finish: Option<&str>) -> Value {
        let logprobs = logprobs.map(|entry| json!({"content": [entry], "refusal": null}));
        let choice = json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        self.object("chat.completion.chunk", vec![choice])
    }

    fn choice(
        &self,
        model: Option<&LanguageModel>,
        index: usize,
        reply: &Reply,
        with_logprobs: bool,
    ) -> Value {
        let content = if reply.text.is_empty() && !reply.calls.is_empty() {
            Value::Null
        } else {
            reply.text.clone().into()
        };
        let mut message =
            json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if !reply.thought.is_empty() {
            message["reasoning_content"] = reply.thought.clone().into();
        }
        if let Some(call) = reply.calls.first().filter(|_| self.is_old) {
            message["function_call"] = tool_call(call, None)["function"].take();
        } else if !reply.calls.is_empty() {
            message["tool_calls"] = reply.calls.iter().map(|call| tool_call(call, None)).collect();
        }
        let logprobs = with_logprobs.then(|| {
            let content: Vec<Value> = reply.logprobs.iter().map(|found| logprob(model, found)).collect();
            json!({"content": content, "refusal": null})
        });
        json!({"index": index, "message": message, "logprobs": logprobs, "finish_reason": self.finish(reply)})
    }

    fn finish(&self, reply: &Reply) -> &'static str {
        match finish(reply) {
            "tool_calls" if self.is_old => "function_call",
            reason => reason,
        }
    }

    /// The parts in which a call is told: its name comes first, as programs show it while arguments are on their way.
    fn call_deltas(&self, call: &ToolCall, index: usize) -> [Value; 2] {
        let whole = tool_call(call, Some(index));
        let mut named = whole.clone();
        named["function"]["arguments"] = "".into();
        let arguments = json!({"arguments": whole["function"]["arguments"]});
        if self.is_old {
            return [json!({"function_call": named["function"]}), json!({"function_call": arguments})];
        }
        [json!({"tool_calls": [named]}), json!({"tool_calls": [{"index": index, "function": arguments}]})]
    }
}

fn tool_call(call: &ToolCall, index: Option<usize>) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    let function = json!({"name": call.name, "arguments": arguments});
    let mut whole = json!({"id": ids::new("call_"), "type": "function", "function": function});
    index.into_iter().for_each(|index| whole["index"] = index.into());
    whole
}

fn streamed(head: Head, running: Running, include_usage: bool, visit: Arc<Visit>) -> Response {
    let is_cut = running.is_cut;
    let mut response = wire::stream(wire::SSE, move |out| write(head, running, include_usage, visit, out));
    if is_cut {
        response
            .headers_mut()
            .insert("x-hob-context-truncated", axum::http::HeaderValue::from_static("true"));
    }
    response
}

async fn write(
    head: Head,
    mut running: Running,
    include_usage: bool,
    visit: Arc<Visit>,
    out: Out,
) -> Result<(), Gone> {
    let model = running.model().cloned();
    let mut begun = std::collections::BTreeSet::new();
    let mut calls = std::collections::BTreeMap::<usize, usize>::new();
    let mut all = Vec::new();
    while let Some((index, told)) = out.wait(running.next(), wire::SSE_IDLE).await? {
        if begun.insert(index) {
            let delta = json!({"role": "assistant", "content": "", "refusal": null});
            out.data(&head.chunk(index, delta, None, None)).await?;
        }
        if let Told::Asking { by, places } = &told {
            let mut asking = head.chunk(index, json!({}), None, None);
            asking["hob"] = json!({"asking": {"by": by, "places": places}});
            out.data(&asking).await?;
        }
        let calls = calls.entry(index).or_default();
        match Heard::of(told) {
            None => {}
            Some(Heard::Pieces(pieces, found)) => {
                write_pieces(&head, model.as_ref(), index, calls, pieces, found, &out).await?;
            }
            Some(Heard::Ended(pieces, answered)) => {
                write_pieces(&head, model.as_ref(), index, calls, pieces, None, &out).await?;
                let mut last = head.chunk(index, json!({}), None, Some(head.finish(&answered.reply)));
                last["timings"] = timings(&answered);
                if let Some(told) = visit.told() {
                    last["hob"] = told;
                }
                out.data(&last).await?;
                all.push(answered);
            }
            Some(Heard::Failed(problem)) => return out.data(&problem.body(Dialect::OpenAi)).await,
        }
    }
    if include_usage {
        out.data(&with_usage(&head, model.as_ref(), &all)).await?;
    }
    out.send("data: [DONE]\n\n").await
}

fn with_usage(head: &Head, model: Option<&LanguageModel>, all: &[Answered]) -> Value {
    let mut last = head.object("chat.completion.chunk", Vec::new());
    last["usage"] = usage(model, all);
    last
}

async fn write_pieces(
    head: &Head,
    model: Option<&LanguageModel>,
    index: usize,
    calls: &mut usize,
    pieces: Vec<Piece>,
    found: Option<TokenLogprob>,
    out: &Out,
) -> Result<(), Gone> {
    let mut entry = found.map(|found| logprob(model, &found));
    if pieces.is_empty() && entry.is_some() {
        return out.data(&head.chunk(index, json!({"content": ""}), entry, None)).await;
    }
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                out.data(&head.chunk(index, json!({"content": text}), entry.take(), None)).await?
            }
            Piece::Thought(text) => {
                let delta = json!({"reasoning_content": text});
                out.data(&head.chunk(index, delta, entry.take(), None)).await?;
            }
            Piece::Call(call) => {
                for delta in head.call_deltas(&call, *calls) {
                    out.data(&head.chunk(index, delta, entry.take(), None)).await?;
                }
                *calls += 1;
            }
        }
    }
    Ok(())
}
