//! What was asked for when, and what it took: the last requests in memory, and lines for whoever runs the server. Routes,
//! numbers and names of keys; nothing of what anybody said, and no address that a client made up.

use crate::described::described;
use crate::log::{Level, Log};
use crate::visit::Visit;
use crate::{App, clock, routes, wire};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::MatchedPath;
use axum::http::{Method, Request};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use serde_json::json;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Requests that are remembered.
const KEPT_MAX: usize = 256;

/// What the page asks every other second to show this very list.
const WATCHING: [&str; 2] = ["/hob/v1/server", "/hob/v1/requests"];

described! {
    /// A request that was answered.
    pub struct RequestReport {
        /// Its name, as the answer's header `request-id` had it.
        id: String,
        /// When it came.
        at: String,
        /// How it was asked.
        method: &'static str,
        /// The way in that it took; `none` where there is none.
        route: String,
        /// The status of the answer.
        status: u64,
        /// Tokens of its prompts.
        prompt_tokens: u64,
        /// Tokens of its answers.
        answer_tokens: u64,
        /// Milliseconds until the end of the answer, or until the client went.
        milliseconds: u64,
        /// Whether the answer was read to its end.
        is_complete: bool,
        /// The key of the file that it came with.
        key: Option<String>,
    }

    /// The last requests.
    pub struct RequestsReport {
        /// Newest first.
        requests: Vec<RequestReport>,
    }
}

/// The last requests, and how many are being answered.
pub struct Requests {
    kept: Mutex<VecDeque<Kept>>,
    live: AtomicUsize,
    log: Log,
}

#[derive(Clone)]
struct Kept {
    id: String,
    came_ms: i64,
    method: &'static str,
    route: Option<String>,
    status: u16,
    tokens: (u64, u64),
    took: Duration,
    is_complete: bool,
    key: Option<(String, String)>,
}

impl Requests {
    /// Nothing was asked yet.
    pub fn new(log: Log) -> Self {
        Self { kept: Mutex::default(), live: AtomicUsize::new(0), log }
    }

    /// Requests that are being answered; those that only watch do not count.
    pub fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Where lines for whoever runs the server go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A request has come. What is given notes its end.
    pub fn begin(self: &Arc<Self>, id: &str, request: &Request<Body>) -> Noted {
        let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
        let is_public = routes::is_public(request.uri().path());
        let is_quiet = is_public || route.as_deref().is_some_and(|route| WATCHING.contains(&route));
        if !is_quiet {
            self.live.fetch_add(1, Relaxed);
        }
        let kept = Kept {
            id: id.to_owned(),
            came_ms: clock::unix_ms(),
            method: known(request.method()),
            route,
            status: 0,
            tokens: (0, 0),
            took: Duration::ZERO,
            is_complete: false,
            key: None,
        };
        self.log.line(
            Level::Debug,
            "request_begun",
            || json!({"id": kept.id, "method": kept.method, "route": kept.route}),
        );
        Noted { requests: Arc::clone(self), began: clock::now(), visit: None, is_quiet, kept }
    }

    fn end(&self, kept: Kept, is_quiet: bool) {
        let level = match kept.status {
            _ if is_quiet => Level::Debug,
            500.. => Level::Error,
            400.. => Level::Warn,
            _ => Level::Info,
        };
        self.log.line(level, "request", || {
            json!({
                "id": kept.id, "method": kept.method, "route": kept.route, "status": kept.status,
                "prompt_tokens": kept.tokens.0, "answer_tokens": kept.tokens.1, "ms": millis(kept.took),
                "complete": kept.is_complete, "key": kept.key.as_ref().map(|(id, _)| id),
            })
        });
        if is_quiet {
            return;
        }
        self.live.fetch_sub(1, Relaxed);
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_front(kept);
        all.truncate(KEPT_MAX);
    }

    fn report(&self) -> RequestsReport {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let one = |kept: Kept| RequestReport {
            id: kept.id,
            at: clock::rfc3339_of_ms(kept.came_ms),
            method: kept.method,
            route: kept.route.unwrap_or_else(|| "none".into()),
            status: kept.status.into(),
            prompt_tokens: kept.tokens.0,
            answer_tokens: kept.tokens.1,
            milliseconds: millis(kept.took),
            is_complete: kept.is_complete,
            key: kept.key.map(|(_, name)| name),
        };
        RequestsReport { requests: all.into_iter().map(one).collect() }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A method by its name; one that a client made up could say anything.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A request until its answer was read, or its client went.
pub struct Noted {
    requests: Arc<Requests>,
    began: Duration,
    visit: Option<Arc<Visit>>,
    is_quiet: bool,
    kept: Kept,
}

impl Noted {
    /// It was let in.
    pub fn visited(&mut self, visit: Arc<Visit>) {
        self.kept.key = visit.key().map(|key| (key.id.clone(), key.name.clone()));
        self.visit = Some(visit);
    }

    /// It has an answer, whose body is still to be read.
    pub fn answered(mut self, response: Response) -> Response {
        self.kept.status = response.status().as_u16();
        response.map(|body| Body::new(Watched { body, noted: self }))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let mut kept = self.kept.clone();
        kept.took = clock::now().saturating_sub(self.began);
        kept.tokens = self.visit.as_ref().map(|visit| visit.tokens()).unwrap_or_default();
        self.requests.end(kept, self.is_quiet);
    }
}

/// A body that knows when it has been read.
struct Watched {
    body: Body,
    noted: Noted,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.noted.kept.is_complete = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// `GET /hob/v1/requests`.
pub async fn list(app: App) -> Response {
    wire::answer(&app.requests.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_an_end() {
        let requests = Arc::new(Requests::new(Log::default()));
        for n in 0..KEPT_MAX + 3 {
            let request = Request::new(Body::empty());
            let mut noted = requests.begin(&format!("req_{n}"), &request);
            noted.is_quiet = false;
            requests.live.fetch_add(1, Relaxed);
            assert_eq!(requests.live(), 1);
            drop(noted);
        }
        let report = requests.report().requests;
        assert_eq!((report.len(), requests.live()), (KEPT_MAX, 0));
        assert_eq!((report[0].id.as_str(), report[0].route.as_str()), ("req_258", "none"));
    }
}
