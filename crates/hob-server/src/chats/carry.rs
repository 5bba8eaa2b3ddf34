//! Conversations as files, out and in: streams in both directions, so that their size does not matter.

use super::query::Query;
use super::shapes::{ChatSkipped, ImportReport};
use super::{answer, work};
use crate::problem::{Dialect, Kind, Problem};
use crate::{App, clock, ids, limits, wire};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Uri, header};
use axum::response::Response;
use futures_util::StreamExt;
use hob_chats::{Above, Format, Id, Imported, Skipped};
use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes that are sent at a time.
const FRAME_BYTES: usize = 32 << 10;

/// `GET /hob/v1/chats/export?format=json|markdown&id=ID`: the conversations of these ids, or all.
pub async fn export(app: App, uri: Uri) -> Response {
    match begin_export(&app, &uri).await {
        Ok(response) => response,
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

async fn begin_export(app: &App, uri: &Uri) -> Result<Response, Problem> {
    let query = Query::of(uri)?;
    let format: Format = query.get("format").unwrap_or("json").parse()?;
    let ids = query.all("id").map(Id::parse).collect::<Result<Vec<_>, _>>()?;
    let wanted = ids.clone();
    // What is not there has to be told before the first byte.
    let look = move |chats: &hob_chats::Chats| {
        chats.list(None, 1)?;
        wanted.iter().try_for_each(|id| chats.get(id).map(drop))
    };
    work(app, look).await?;
    let chats = app.chats.chats()?;
    let place = Arc::clone(&app.chats.long_places).acquire_owned().await;
    let (frames, mut read) = mpsc::channel::<io::Result<Bytes>>(limits::FRAMES_MAX);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut out = Frames { frames, runtime, waiting: Vec::new() };
        let ids = (!ids.is_empty()).then_some(ids.as_slice());
        if let Err(error) = chats.export(ids, format, &mut out) {
            // A stream that breaks off is no whole file; the client sees that.
            let _ = out.frames.blocking_send(Err(io::Error::other(error)));
        }
    });
    let body = futures_util::stream::poll_fn(move |context| read.poll_recv(context));
    let mut response = Response::new(Body::from_stream(body));
    let kind = match format {
        Format::Json => "application/json",
        Format::Markdown => "text/markdown; charset=utf-8",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// A body as something to write into.
struct Frames {
    frames: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    waiting: Vec<u8>,
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= FRAME_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let frame = Bytes::from(std::mem::take(&mut self.waiting));
        let sent = tokio::time::timeout(limits::READ_TIME, self.frames.send(Ok(frame)));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// `POST /hob/v1/chats/import`: takes conversations out of a file that Hob or ChatGPT wrote, which is the body.
pub async fn import(app: App, request: Request<Body>) -> Response {
    answer(take(&app, request).await)
}

async fn take(app: &App, request: Request<Body>) -> Result<ImportReport, Problem> {
    let (parts, body) = request.into_parts();
    wire::check_type(&parts.headers)?;
    let chats = app.chats.chats()?;
    let place = Arc::clone(&app.chats.long_places).acquire_owned().await;
    let (frames, read) = mpsc::channel(limits::FRAMES_MAX);
    let taking = tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut new_id = || Id::parse(&ids::new("")).expect("ids of the server are 24 digits");
        let mut above = Above { now: clock::unix_ms(), new_id: &mut new_id };
        chats.import(Incoming { read, frame: Bytes::new() }, &mut above)
    });
    pass_on(body, frames).await;
    let taken =
        taking.await.map_err(|_| Problem::new(Kind::Internal, "the conversations could not be imported"))?;
    Ok(told(taken?))
}

/// Passes a body on to the thread that reads it, until it ends or nobody reads any more.
async fn pass_on(body: Body, frames: mpsc::Sender<io::Result<Bytes>>) {
    let mut body = body.into_data_stream();
    let mut left = limits::IMPORT_BYTES_MAX;
    loop {
        let frame = match tokio::time::timeout(limits::BODY_TIME, body.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match left.checked_sub(frame.len() as u64) {
                Some(rest) => {
                    left = rest;
                    Ok(frame)
                }
                None => {
                    Err(io::Error::other(format!("it is larger than {} bytes", limits::IMPORT_BYTES_MAX)))
                }
            },
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(_) => Err(io::Error::other("it took too long to arrive")),
        };
        let is_last = frame.is_err();
        if frames.send(frame).await.is_err() || is_last {
            // What is still on its way is read, as far as that is short, so that the client sees the answer.
            let _ = tokio::time::timeout(limits::DISCARD_TIME, drain(body)).await;
            return;
        }
    }
}

async fn drain(mut body: axum::body::BodyDataStream) {
    let mut left = limits::DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.next().await {
        match left.checked_sub(frame.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A body as something to read from.
struct Incoming {
    read: mpsc::Receiver<io::Result<Bytes>>,
    frame: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.is_empty() {
            match self.read.blocking_recv() {
                Some(frame) => self.frame = frame?,
                None => return Ok(0),
            }
        }
        let count = self.frame.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.frame.split_to(count));
        Ok(count)
    }
}

fn told(imported: Imported) -> ImportReport {
    let reason = |skipped: Skipped| ChatSkipped { title: skipped.title, why: skipped.why };
    ImportReport {
        imported: imported.taken,
        known: imported.known,
        skipped: imported.skipped,
        reasons: imported.reasons.into_iter().map(reason).collect(),
    }
}
