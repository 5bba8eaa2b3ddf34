//! Connections, routes and faults.

use crate::fault::{Fault, Place, Seen};
use crate::http::{Answer, parse_range, read_request};
use crate::hub::State;
use crate::{ollama, repo};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// A tick of a slow connection.
const TICK: Duration = Duration::from_millis(20);

pub(crate) fn listen(listener: TcpListener, place: Place, state: &Arc<State>) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        for stream in listener.incoming() {
            if state.is_over.load(Ordering::Relaxed) {
                return;
            }
            let (Ok(stream), state) = (stream, Arc::clone(&state)) else { continue };
            // The other side may hang up at any moment; that is what is being tested.
            thread::spawn(move || drop(talk(stream, place, &state)));
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "wakes a listener of this process")]
pub(crate) fn knock(at: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(at)
}

fn talk(stream: TcpStream, place: Place, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some((target, headers)) = read_request(&mut reader) {
        if state.is_over.load(Ordering::Relaxed) {
            break;
        }
        let busy = &state.busy[usize::from(place == Place::Storage)];
        let seen = {
            let mut all = state.seen.lock().unwrap();
            let busy = busy.fetch_add(1, Ordering::Relaxed);
            let seen = Seen { place, target, headers, index: all.len(), busy };
            all.push(seen.clone());
            seen
        };
        let fault = state.script.lock().unwrap().as_mut().and_then(|script| script(&seen));
        let goes_on = answer(&mut out, &seen, fault, state);
        busy.fetch_sub(1, Ordering::Relaxed);
        if !goes_on? {
            break;
        }
    }
    out.shutdown(Shutdown::Both)
}

/// Answers one request; whether the connection goes on.
fn answer(out: &mut TcpStream, seen: &Seen, fault: Option<Fault>, state: &State) -> io::Result<bool> {
    let answer = match &fault {
        Some(Fault::Hangup) => return Ok(false),
        Some(Fault::Status(status, after)) => {
            let answer = Answer::json(*status, r#"{"error":"as the test wants it"}"#.into());
            match after {
                Some(seconds) => answer.with("Retry-After", seconds.to_string()),
                None => answer,
            }
        }
        Some(Fault::Redirect(to)) => Answer::new(302).with("Location", to),
        _ => route(seen, &fault, state),
    };
    answer.write_head(out)?;
    let mut body = answer.body;
    match fault {
        Some(Fault::Cut(n)) if n < body.len() => {
            out.write_all(&body[..n])?;
            return Ok(false);
        }
        Some(Fault::Stall(n, time)) if n < body.len() => {
            out.write_all(&body[..n])?;
            thread::sleep(time);
            return Ok(false);
        }
        Some(Fault::Flip(at)) if at < body.len() => body[at] ^= 1,
        Some(Fault::Slow(rate)) => {
            let step = usize::try_from(rate / 50).unwrap_or(1).max(1);
            for (i, part) in body.chunks(step).enumerate() {
                if i > 0 {
                    thread::sleep(TICK);
                }
                out.write_all(part)?;
            }
            return Ok(true);
        }
        _ => {}
    }
    out.write_all(&body)?;
    Ok(true)
}

fn route(seen: &Seen, fault: &Option<Fault>, state: &State) -> Answer {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (seen.place, parts.as_slice()) {
        (Place::Hub, ["api", "models", owner, name, "revision", _]) => {
            repo_answer(seen, state, &format!("{owner}/{name}"), |repo| Answer::json(200, repo.info()))
        }
        (Place::Hub, ["api", "models", owner, name, "tree", _]) => {
            let start = query.split('&').find_map(|q| q.strip_prefix("cursor=")?.parse().ok()).unwrap_or(0);
            let count = *state.page.lock().unwrap();
            repo_answer(seen, state, &format!("{owner}/{name}"), |repo| {
                let (page, has_more) = repo.tree(start, count);
                let answer = Answer::json(200, page);
                if !has_more {
                    return answer;
                }
                let host = seen.header("host").unwrap_or_default();
                let next =
                    format!("<http://{host}{path}?recursive=true&cursor={}>; rel=\"next\"", start + count);
                answer.with("Link", next)
            })
        }
        (Place::Hub, ["api", "resolve-cache", "models", owner, name, _, file @ ..]) => {
            repo_answer(seen, state, &format!("{owner}/{name}"), |repo| {
                small_file(seen, fault, repo, &file.join("/"))
            })
        }
        (Place::Hub, [owner, name, "resolve", _, file @ ..]) => {
            let base = state.storage.lock().unwrap().clone();
            repo_answer(seen, state, &format!("{owner}/{name}"), |repo| resolve(repo, &file.join("/"), &base))
        }
        (Place::Hub, ["v2", owner, name, "manifests", tag]) => {
            match state.models.lock().unwrap().get(&format!("{owner}/{name}:{tag}")) {
                Some(layers) => Answer::json(200, ollama::manifest(layers)),
                None => Answer::json(
                    404,
                    r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#.into(),
                ),
            }
        }
        (Place::Hub, ["v2", _, _, "blobs", digest]) => {
            let base = state.storage.lock().unwrap().clone();
            let hex = digest.trim_start_matches("sha256:");
            Answer::new(307).with("Location", format!("{base}/{hex}?signature=s"))
        }
        (Place::Storage, [key]) => stored(seen, fault, state, key),
        _ => Answer::new(404),
    }
}

fn repo_answer(seen: &Seen, state: &State, id: &str, answer: impl FnOnce(&repo::Repo) -> Answer) -> Answer {
    let refuse = |status, code: &str, message: &str| {
        Answer::json(status, format!(r#"{{"error":{}}}"#, repo::quote(message)))
            .with("X-Error-Code", code)
            .with("X-Error-Message", message)
    };
    let repos = state.repos.lock().unwrap();
    // The real hub answers 401 for what is not there, so that nobody can tell private names from free ones.
    let Some(found) = repos.get(id) else { return refuse(401, "RepoNotFound", "Repository not found") };
    let given = seen.header("authorization").and_then(|v| v.strip_prefix("Bearer "));
    // What a gated repository holds is public; its files are not.
    let is_file = seen.target.contains("/resolve/") || seen.target.contains("/resolve-cache/");
    match &found.token {
        Some(token) if is_file && given != Some(token) => match given {
            Some(given) if found.stranger.as_deref() == Some(given) => refuse(
                403,
                "GatedRepo",
                "Access to this model is restricted and you are not in the authorized list",
            ),
            _ => refuse(401, "GatedRepo", "Access to this model is restricted. You must be authenticated"),
        },
        _ => answer(found),
    }
}

fn resolve(repo: &repo::Repo, path: &str, storage: &str) -> Answer {
    let Some(file) = repo.files.iter().find(|f| f.path == path) else {
        return Answer::new(404).with("X-Error-Code", "EntryNotFound");
    };
    match &file.sha256 {
        Some(sha) => Answer::new(302)
            .with("X-Repo-Commit", &repo.commit)
            .with("X-Linked-Size", file.bytes.len().to_string())
            .with("X-Linked-Etag", format!("\"{sha}\""))
            .with("Location", format!("{storage}/{sha}?Expires=1&Signature=s")),
        None => Answer::new(307)
            .with("X-Repo-Commit", &repo.commit)
            .with("ETag", format!("\"{}\"", tag(&file.bytes)))
            .with("Location", format!("/api/resolve-cache/models/{}/{}/{path}", repo.id, repo.commit)),
    }
}

fn small_file(seen: &Seen, fault: &Option<Fault>, repo: &repo::Repo, path: &str) -> Answer {
    match repo.files.iter().find(|f| f.path == path) {
        Some(file) => ranged(seen, fault, &file.bytes, &tag(&file.bytes)),
        None => Answer::new(404),
    }
}

fn stored(seen: &Seen, fault: &Option<Fault>, state: &State, key: &str) -> Answer {
    // As content networks do: a signed address together with a token is an error.
    if seen.header("authorization").is_some() {
        return Answer::new(400);
    }
    let repos = state.repos.lock().unwrap();
    let file = repos.values().flat_map(|r| &r.files).find(|f| f.sha256.as_deref() == Some(key));
    if let Some(file) = file {
        return ranged(seen, fault, &file.bytes, &tag(&file.bytes));
    }
    let models = state.models.lock().unwrap();
    match models.values().flatten().find(|l| l.sha256 == key) {
        Some(layer) => ranged(seen, fault, &layer.bytes, &tag(&layer.bytes)),
        None => Answer::new(404),
    }
}

fn ranged(seen: &Seen, fault: &Option<Fault>, bytes: &[u8], etag: &str) -> Answer {
    let with_tag = |answer: Answer| answer.with("ETag", format!("\"{etag}\"")).with("Accept-Ranges", "bytes");
    let range = seen.header("range").and_then(parse_range).filter(|_| *fault != Some(Fault::NoRange));
    let Some((start, end)) = range else {
        return with_tag(Answer { body: bytes.to_vec(), ..Answer::new(200) });
    };
    let all = bytes.len();
    if start >= all {
        return with_tag(Answer::new(416)).with("Content-Range", format!("bytes */{all}"));
    }
    let end = end.unwrap_or(all).min(all);
    let content_range = format!("bytes {start}-{}/{all}", end - 1);
    let end = if *fault == Some(Fault::Long) { all } else { end };
    with_tag(Answer { body: bytes[start..end].to_vec(), ..Answer::new(206) })
        .with("Content-Range", content_range)
}

/// Something that changes with the bytes (FNV-1a).
fn tag(bytes: &[u8]) -> String {
    let hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}
