//! A response as it arrives: numbered events, each item with its beginning, its parts and its end.

use super::Store;
use super::object::{Frame, function_call, message, reasoning, text_part};
use crate::ask::Leave;
use crate::ask::{Heard, Running};
use crate::ids;
use crate::wire::{self, Gone, Out};
use axum::http::HeaderValue;
use axum::response::Response;
use hob::{Piece, ToolCall};
use serde_json::{Value, json};
use std::sync::Arc;

/// The stream of a response, which is kept in the end if `stored` says where.
pub fn answer(frame: Frame, running: Running, stored: Option<(Arc<Store>, Vec<Value>, Leave)>) -> Response {
    let is_cut = running.is_cut;
    let mut response = wire::stream(wire::SSE, move |out| write(frame, running, stored, out));
    if is_cut {
        response.headers_mut().insert("x-hob-context-truncated", HeaderValue::from_static("true"));
    }
    response
}

async fn write(
    frame: Frame,
    mut running: Running,
    stored: Option<(Arc<Store>, Vec<Value>, Leave)>,
    out: Out,
) -> Result<(), Gone> {
    let mut events = Events { out: &out, number: 0, items: Vec::new(), open: None };
    let begun = frame.begun(&running);
    events.send("response.created", json!({"response": begun})).await?;
    events.send("response.in_progress", json!({"response": begun})).await?;
    while let Some((_, told)) = out.wait(running.next(), wire::SSE_IDLE).await? {
        match Heard::of(told) {
            None => {}
            Some(Heard::Pieces(pieces, _)) => events.write(pieces).await?,
            Some(Heard::Ended(pieces, answered)) => {
                events.write(pieces).await?;
                if events.items.is_empty() && events.open.is_none() {
                    events.open(Part::Text).await?;
                }
                events.close().await?;
                let items = std::mem::take(&mut events.items);
                let response = frame.ended(&running, &answered, items);
                let name = if response["status"] == "completed" {
                    "response.completed"
                } else {
                    "response.incomplete"
                };
                if let Some((store, items, leave)) = &stored {
                    store.put(&response, items.clone(), leave.clone());
                }
                events.send(name, json!({"response": response})).await?;
            }
            Some(Heard::Failed(problem)) => {
                let mut failed = begun.clone();
                failed["status"] = "failed".into();
                failed["error"] =
                    json!({"code": problem.code.unwrap_or("server_error"), "message": problem.message});
                events.send("response.failed", json!({"response": failed})).await?;
                break;
            }
        }
    }
    out.send("data: [DONE]\n\n").await
}

/// What an item holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Text,
    Thought,
}

struct Open {
    part: Part,
    id: String,
    text: String,
}

struct Events<'o> {
    out: &'o Out,
    number: usize,
    /// Items that are complete.
    items: Vec<Value>,
    open: Option<Open>,
}

impl Events<'_> {
    async fn send(&mut self, name: &str, mut event: Value) -> Result<(), Gone> {
        event["type"] = name.into();
        event["sequence_number"] = self.number.into();
        self.number += 1;
        self.out.event(name, &event).await
    }

    async fn write(&mut self, pieces: Vec<Piece>) -> Result<(), Gone> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text(Part::Text, &text).await?,
                Piece::Thought(text) => self.text(Part::Thought, &text).await?,
                Piece::Call(call) => self.call(&call).await?,
            }
        }
        Ok(())
    }

    async fn text(&mut self, part: Part, text: &str) -> Result<(), Gone> {
        self.open(part).await?;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.text.push_str(text);
        let id = open.id.clone();
        let mut event = self.place(&id);
        event["delta"] = text.into();
        match part {
            Part::Text => {
                event["logprobs"] = json!([]);
                self.send("response.output_text.delta", event).await
            }
            Part::Thought => self.send("response.reasoning_text.delta", event).await,
        }
    }

    /// Where a part of the open item stands.
    fn place(&self, id: &str) -> Value {
        json!({"item_id": id, "output_index": self.items.len(), "content_index": 0})
    }

    async fn open(&mut self, part: Part) -> Result<(), Gone> {
        if self.open.as_ref().is_some_and(|open| open.part == part) {
            return Ok(());
        }
        self.close().await?;
        let (id, item, empty) = match part {
            Part::Text => {
                let id = ids::new("msg_");
                (id.clone(), message(&id, "in_progress", Vec::new()), text_part("", Vec::new()))
            }
            Part::Thought => {
                let id = ids::new("rs_");
                let item = json!({"id": id, "type": "reasoning", "summary": [], "content": [], "status": "in_progress"});
                (id, item, json!({"type": "reasoning_text", "text": ""}))
            }
        };
        let added = json!({"output_index": self.items.len(), "item": item});
        self.send("response.output_item.added", added).await?;
        let mut event = self.place(&id);
        event["part"] = empty;
        self.open = Some(Open { part, id, text: String::new() });
        self.send("response.content_part.added", event).await
    }

    async fn close(&mut self) -> Result<(), Gone> {
        let Some(Open { part, id, text }) = self.open.take() else { return Ok(()) };
        let mut done = self.place(&id);
        let mut ended = done.clone();
        done["text"] = text.clone().into();
        let (name, item, part) = match part {
            Part::Text => {
                done["logprobs"] = json!([]);
                let part = text_part(&text, Vec::new());
                ("response.output_text.done", message(&id, "completed", vec![part.clone()]), part)
            }
            Part::Thought => {
                let part = json!({"type": "reasoning_text", "text": text});
                ("response.reasoning_text.done", reasoning(&id, &text), part)
            }
        };
        self.send(name, done).await?;
        ended["part"] = part;
        self.send("response.content_part.done", ended).await?;
        self.done(item).await
    }

    async fn call(&mut self, call: &ToolCall) -> Result<(), Gone> {
        self.close().await?;
        let (id, call_id) = (ids::new("fc_"), ids::new("call_"));
        let arguments = Value::Object(call.arguments.clone()).to_string();
        let at = self.items.len();
        let begun = function_call(&id, &call_id, &call.name, "", "in_progress");
        self.send("response.output_item.added", json!({"output_index": at, "item": begun})).await?;
        let delta = json!({"item_id": id, "output_index": at, "delta": arguments});
        self.send("response.function_call_arguments.delta", delta).await?;
        let done = json!({"item_id": id, "output_index": at, "name": call.name, "arguments": arguments});
        self.send("response.function_call_arguments.done", done).await?;
        self.done(function_call(&id, &call_id, &call.name, &arguments, "completed")).await
    }

    async fn done(&mut self, item: Value) -> Result<(), Gone> {
        let event = json!({"output_index": self.items.len(), "item": item});
        self.items.push(item);
        self.send("response.output_item.done", event).await
    }
}
