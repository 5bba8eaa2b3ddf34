//! A message as it arrives: blocks one after another, each with its beginning, its parts and its end.

use super::messages::{begun, empty, stop_reason, tool_use, usage};
use crate::ask::{Heard, Running};
use crate::openai::thought_tokens;
use crate::problem::Dialect;
use crate::wire::{self, Gone, Out};
use axum::http::HeaderValue;
use axum::response::Response;
use hob::{Piece, ToolCall};
use serde_json::{Value, json};

/// The stream of a message.
pub fn answer(model: String, running: Running) -> Response {
    let is_cut = running.is_cut;
    let mut response = wire::stream(wire::SSE, move |out| write(model, running, out));
    if is_cut {
        response.headers_mut().insert("x-hob-context-truncated", HeaderValue::from_static("true"));
    }
    response
}

async fn write(model: String, mut running: Running, out: Out) -> Result<(), Gone> {
    let message = empty(&model, &begun(&running));
    out.event("message_start", &json!({"type": "message_start", "message": message})).await?;
    out.event("ping", &json!({"type": "ping"})).await?;
    let mut blocks = Blocks { out: &out, index: 0, open: None };
    while let Some((_, told)) =
        out.wait(running.next(), Some("event: ping\ndata: {\"type\": \"ping\"}\n\n")).await?
    {
        match Heard::of(told) {
            None => {}
            Some(Heard::Pieces(pieces, _)) => blocks.write(pieces).await?,
            Some(Heard::Ended(pieces, answered)) => {
                blocks.write(pieces).await?;
                blocks.close().await?;
                let reply = &answered.reply;
                let delta = json!({
                    "stop_reason": stop_reason(reply), "stop_sequence": reply.stopped_by,
                    "stop_details": null, "container": null,
                });
                let usage = usage(&answered.in_all, thought_tokens(running.model(), reply));
                let last = json!({"type": "message_delta", "delta": delta, "usage": usage});
                out.event("message_delta", &last).await?;
                out.event("message_stop", &json!({"type": "message_stop"})).await?;
            }
            Some(Heard::Failed(problem)) => {
                return out.event("error", &problem.body(Dialect::Anthropic)).await;
            }
        }
    }
    Ok(())
}

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

struct Blocks<'o> {
    out: &'o Out,
    index: usize,
    open: Option<Kind>,
}

impl Blocks<'_> {
    async fn write(&mut self, pieces: Vec<Piece>) -> Result<(), Gone> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    self.open(Kind::Text).await?;
                    self.delta(json!({"type": "text_delta", "text": text})).await?;
                }
                Piece::Thought(text) => {
                    self.open(Kind::Thinking).await?;
                    self.delta(json!({"type": "thinking_delta", "thinking": text})).await?;
                }
                Piece::Call(call) => self.call(&call).await?,
            }
        }
        Ok(())
    }

    async fn call(&mut self, call: &ToolCall) -> Result<(), Gone> {
        self.close().await?;
        self.start(tool_use(call, json!({}))).await?;
        let arguments = Value::Object(call.arguments.clone()).to_string();
        self.delta(json!({"type": "input_json_delta", "partial_json": arguments})).await?;
        self.stop().await
    }

    async fn open(&mut self, kind: Kind) -> Result<(), Gone> {
        if self.open == Some(kind) {
            return Ok(());
        }
        self.close().await?;
        self.open = Some(kind);
        self.start(match kind {
            Kind::Text => json!({"type": "text", "text": "", "citations": null}),
            Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
        })
        .await
    }

    async fn close(&mut self) -> Result<(), Gone> {
        match self.open.take() {
            None => Ok(()),
            Some(Kind::Text) => self.stop().await,
            Some(Kind::Thinking) => {
                // Nobody here signs thoughts; clients wait for the place of the signature.
                self.delta(json!({"type": "signature_delta", "signature": ""})).await?;
                self.stop().await
            }
        }
    }

    async fn start(&self, block: Value) -> Result<(), Gone> {
        let event = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        self.out.event("content_block_start", &event).await
    }

    async fn delta(&self, delta: Value) -> Result<(), Gone> {
        let event = json!({"type": "content_block_delta", "index": self.index, "delta": delta});
        self.out.event("content_block_delta", &event).await
    }

    async fn stop(&mut self) -> Result<(), Gone> {
        let event = json!({"type": "content_block_stop", "index": self.index});
        self.out.event("content_block_stop", &event).await?;
        self.index += 1;
        Ok(())
    }
}
