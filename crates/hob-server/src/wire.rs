//! Answers as bytes: JSON in one piece, server-sent events, lines of JSON.

use crate::limits;
use crate::problem::{Dialect, Kind, Problem};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;

/// An answer in one piece.
pub fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    set_type(&mut response, "application/json");
    response
}

/// A successful answer in one piece.
pub fn ok(value: &Value) -> Response {
    json(StatusCode::OK, value)
}

/// A successful answer of a known shape.
pub fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => ok(&value),
        Err(_) => Problem::new(Kind::Internal, "the answer has no form in JSON").respond(Dialect::OpenAi),
    }
}

/// A text.
pub fn text(text: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    set_type(&mut response, content_type);
    response
}

fn set_type(response: &mut Response, content_type: &'static str) {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
}

/// The JSON in a request's body.
///
/// # Errors
/// A body that is too large, too slow, too deep, or no JSON.
pub async fn read_json(request: Request<Body>) -> Result<Value, Problem> {
    let (parts, body) = request.into_parts();
    check_type(&parts.headers)?;
    let read = axum::body::to_bytes(body, limits::BODY_BYTES_MAX);
    let bytes = match tokio::time::timeout(limits::BODY_TIME, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("the body is larger than {} bytes, or ended early", limits::BODY_BYTES_MAX);
            return Err(Problem::new(Kind::TooLarge, message));
        }
        Err(_) => return Err(Problem::new(Kind::TooSlow, "the body took too long to arrive")),
    };
    check_depth(&bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(Kind::Invalid, format!("the body is no JSON: {error}")).code("invalid_json")
    })
}

/// Reads a body that is not wanted, if it is short: a client that is still writing would not see the answer otherwise.
pub async fn discard(request: Request<Body>) {
    let read = axum::body::to_bytes(request.into_body(), limits::DISCARDED_BYTES_MAX);
    let _ = tokio::time::timeout(limits::DISCARD_TIME, read).await;
}

/// A page in a browser can send a form to any address, but says where it comes from; what says so has to be JSON, which
/// pages cannot send elsewhere without asking first.
///
/// # Errors
/// The body is said to be something else.
pub fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = value.split(';').next().is_some_and(|kind| {
        let kind = kind.trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    });
    if is_json || !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let message = format!(
        "expected the content type application/json, found {:?}",
        value.chars().take(60).collect::<String>()
    );
    Err(Problem::new(Kind::Invalid, message))
}

/// Bounds nesting before anything recurses.
fn check_depth(bytes: &[u8]) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::JSON_DEPTH_MAX {
            let message = format!("expected JSON of at most {} levels", limits::JSON_DEPTH_MAX);
            return Err(Problem::new(Kind::Invalid, message).code("invalid_json"));
        }
    }
    Ok(())
}

/// Where a stream is written.
pub struct Out {
    frames: mpsc::Sender<Bytes>,
}

/// Nobody reads any more.
#[derive(Debug)]
pub struct Gone;

impl Out {
    /// An event without a name.
    pub async fn data(&self, value: &Value) -> Result<(), Gone> {
        self.send(format!("data: {value}\n\n")).await
    }

    /// An event with a name.
    pub async fn event(&self, name: &str, value: &Value) -> Result<(), Gone> {
        self.send(format!("event: {name}\ndata: {value}\n\n")).await
    }

    /// A line of JSON.
    pub async fn line(&self, value: &Value) -> Result<(), Gone> {
        self.send(format!("{value}\n")).await
    }

    /// Bytes as they are.
    pub async fn send(&self, text: impl Into<Bytes>) -> Result<(), Gone> {
        let sent = tokio::time::timeout(limits::READ_TIME, self.frames.send(text.into()));
        // Who does not read keeps a model in memory, and its answer.
        sent.await.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    /// What `future` comes to. While it takes its time, `idle` is sent now and then; a client that goes ends the wait.
    pub async fn wait<T>(
        &self,
        future: impl Future<Output = T>,
        idle: Option<&'static str>,
    ) -> Result<T, Gone> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                value = &mut future => return Ok(value),
                () = self.frames.closed() => return Err(Gone),
                () = tokio::time::sleep(limits::KEEP_ALIVE_TIME) => {
                    if let Some(idle) = idle {
                        self.send(idle).await?;
                    }
                }
            }
        }
    }
}

/// What a stream sends while it has nothing to say.
pub const SSE_IDLE: Option<&str> = Some(": still here\n\n");

/// An answer that is written while it is read.
pub fn stream<F>(content_type: &'static str, write: impl FnOnce(Out) -> F) -> Response
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (frames, mut read) = mpsc::channel(limits::FRAMES_MAX);
    tokio::spawn(write(Out { frames }));
    let body = futures_util::stream::poll_fn(move |context| {
        read.poll_recv(context).map(|frame| frame.map(Ok::<Bytes, Infallible>))
    });
    let mut response = Response::new(Body::from_stream(body));
    set_type(&mut response, content_type);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The content types of streams.
pub const SSE: &str = "text/event-stream";
/// Lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";

/// Milliseconds, as interfaces count them.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(check_depth(deep(limits::JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert!(check_depth(deep(limits::JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        let text = format!("[\"\\\"{}\"]", "[".repeat(1000));
        assert!(check_depth(text.as_bytes()).is_ok());
    }
}
