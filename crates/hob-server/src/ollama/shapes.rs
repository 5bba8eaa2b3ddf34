//! Parts of answers that chats and continuations share.

use crate::ask::{Answered, Heard, Running};
use crate::clock;
use crate::engine::Lease;
use crate::openai::logprob;
use crate::problem::{Dialect, Problem};
use crate::wire::{self, Gone, Out};
use axum::response::Response;
use hob::{FinishReason, Piece, ToolCall};
use serde_json::{Value, json};
use std::time::Duration;

/// The form of an interface's answers: how a piece is put into a line.
pub struct Form {
    /// The model, as the request calls it.
    pub model: String,
    /// Puts text, thoughts and calls where the interface has them.
    pub put: fn(text: String, thought: String, calls: Vec<Value>) -> Value,
}

impl Form {
    fn line(&self, text: String, thought: String, calls: Vec<Value>) -> Value {
        let mut line = (self.put)(text, thought, calls);
        line["model"] = self.model.clone().into();
        line["created_at"] = clock::rfc3339().into();
        line["done"] = false.into();
        line
    }

    fn last(
        &self,
        text: String,
        thought: String,
        calls: Vec<Value>,
        running: &Running,
        answered: &Answered,
    ) -> Value {
        let mut line = self.line(text, thought, calls);
        line["done"] = true.into();
        line["done_reason"] = match answered.reply.finish {
            Some(FinishReason::Length | FinishReason::ContextFull) => "length".into(),
            _ => "stop".into(),
        };
        // Clients divide tokens by time, so both are of one model: the one that ended the answer.
        let (usage, times) = (&answered.usage, answered.times);
        let total = clock::now().saturating_sub(running.began);
        let loading = running.lease.as_ref().map(Lease::load_time).unwrap_or_default();
        line["total_duration"] = nanos(total).into();
        line["load_duration"] = nanos(loading).into();
        line["prompt_eval_count"] = usage.prompt.into();
        line["prompt_eval_duration"] = nanos(times.prompt).into();
        line["eval_count"] = usage.produced.into();
        line["eval_duration"] = nanos(times.predicted).into();
        line["cached_prompt_count"] = usage.cached.into();
        if usage.dropped > 0 {
            line["dropped_count"] = usage.dropped.into();
        }
        line
    }

    /// The answer in one piece.
    ///
    /// # Errors
    /// It could not go on.
    pub async fn whole(self, mut running: Running) -> Result<Response, Problem> {
        let mut all = running.collect().await?;
        let answered = all.pop().expect("one answer was asked for");
        let reply = &answered.reply;
        let calls = reply.calls.iter().enumerate().map(|(index, call)| tool_call(index, call)).collect();
        let mut line = self.last(reply.text.clone(), reply.thought.clone(), calls, &running, &answered);
        if !reply.logprobs.is_empty() {
            line["logprobs"] = reply.logprobs.iter().map(|found| logprob(running.model(), found)).collect();
        }
        let mut response = wire::ok(&line);
        crate::openai::mark_cut(&mut response, &running);
        Ok(response)
    }

    /// The answer line by line.
    pub fn streamed(self, running: Running) -> Response {
        let is_cut = running.is_cut;
        let mut response = wire::stream(wire::NDJSON, move |out| self.write(running, out));
        if is_cut {
            response
                .headers_mut()
                .insert("x-hob-context-truncated", axum::http::HeaderValue::from_static("true"));
        }
        response
    }

    async fn write(self, mut running: Running, out: Out) -> Result<(), Gone> {
        let model = running.model().cloned();
        let mut count = 0;
        while let Some((_, told)) = out.wait(running.next(), None).await? {
            match Heard::of(told) {
                None => {}
                Some(Heard::Pieces(pieces, found)) => {
                    let mut found = found;
                    for (text, thought, calls) in lines(pieces, &mut count) {
                        let mut line = self.line(text, thought, calls);
                        if let Some(found) = found.take() {
                            line["logprobs"] = json!([logprob(model.as_ref(), &found)]);
                        }
                        out.line(&line).await?;
                    }
                }
                Some(Heard::Ended(pieces, answered)) => {
                    for (text, thought, calls) in lines(pieces, &mut count) {
                        out.line(&self.line(text, thought, calls)).await?;
                    }
                    let last = self.last(String::new(), String::new(), Vec::new(), &running, &answered);
                    out.line(&last).await?;
                }
                Some(Heard::Failed(problem)) => return out.line(&problem.body(Dialect::Ollama)).await,
            }
        }
        Ok(())
    }
}

/// Text, thought and calls of each piece.
fn lines(pieces: Vec<Piece>, count: &mut usize) -> Vec<(String, String, Vec<Value>)> {
    let line = |piece| match piece {
        Piece::Text(text) => (text, String::new(), Vec::new()),
        Piece::Thought(thought) => (String::new(), thought, Vec::new()),
        Piece::Call(call) => {
            *count += 1;
            (String::new(), String::new(), vec![tool_call(*count - 1, &call)])
        }
    };
    pieces.into_iter().map(line).collect()
}

fn tool_call(index: usize, call: &ToolCall) -> Value {
    json!({"function": {"index": index, "name": call.name, "arguments": call.arguments}})
}

/// Nanoseconds.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
