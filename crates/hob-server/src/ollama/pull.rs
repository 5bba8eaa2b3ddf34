//! `POST /api/pull`, `DELETE /api/delete`, `POST /api/copy`: models of the shelf in Ollama's words.

use super::model_name;
use crate::App;
use crate::fields::Fields;
use crate::problem::{Dialect, Kind, Problem};
use crate::shelf::job::{Snapshot, State};
use crate::shelf::native::{self, Waiting};
use crate::shelf::{Shelf, problem};
use crate::wire::{self, Gone, Out};
use axum::body::Body;
use axum::response::Response;
use hob_store::{Catalogue, Phase, Reference};
use serde_json::{Value, json};

/// Pulls a model. The stream tells how far it is; a client that goes leaves a pull that can go on.
///
/// # Errors
/// The name is none, there is no shelf; without a stream, whatever ends the pull.
pub async fn pull(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let reference = reference(model_name(&fields)?)?;
    let stream = fields.flag("stream")?.unwrap_or(true);
    let shelf = native::shelf(&app)?.clone();
    let mut waiting = Waiting::new(&shelf);
    let (id, was_active) = shelf.pull(reference)?;
    if stream {
        let write = move |out| tell(shelf, id, was_active, waiting, out);
        return Ok(wire::stream(wire::NDJSON, write));
    }
    loop {
        if let Some(ended) = ended(&shelf, &shelf.snapshot(&id)?) {
            return ended.map(|()| wire::ok(&json!({"status": "success"})));
        }
        waiting.change(&shelf).await;
    }
}

/// What Ollama's clients mean by a name: one of the catalogue, an address of a hub, else a model of Ollama's registry.
fn reference(name: &str) -> Result<Reference, Problem> {
    let plain = name.strip_suffix(":latest").unwrap_or(name);
    let found = match Reference::parse(plain) {
        Ok(Reference::Catalogue { name: short, quant })
            if Catalogue::built_in().find(&short, quant.as_deref()).is_err() =>
        {
            Reference::parse(&format!("ollama/{name}"))
        }
        // `user/model` is at home there too.
        Err(_) if name.matches('/').count() == 1 => Reference::parse(&format!("ollama/{name}")),
        other => other,
    };
    found.map_err(|error| problem(&error))
}

/// How a pull came to its end, if it did.
fn ended(shelf: &Shelf, snapshot: &Snapshot) -> Option<Result<(), Problem>> {
    let stopped = |why: &str| Some(Err(Problem::new(Kind::Conflict, why).code("stopped")));
    match (snapshot.state, &snapshot.error) {
        (State::Done, _) => Some(Ok(())),
        (State::Failed, Some(told)) => Some(Err(told.problem.clone())),
        (State::Failed, None) => stopped("the pull failed"),
        (State::Paused, _) => stopped("the pull was paused; pull again to go on"),
        _ if shelf.is_closed() => stopped("the server is stopping; pull again to go on"),
        _ => None,
    }
}

async fn tell(shelf: Shelf, id: String, was_active: bool, waiting: Waiting, out: Out) -> Result<(), Gone> {
    let told = lines(&shelf, &id, waiting, &out).await;
    if told.is_err() && !was_active {
        // Whoever began it has gone. It may have ended meanwhile.
        let _ = shelf.pause(&id);
    }
    told
}

async fn lines(shelf: &Shelf, id: &str, mut waiting: Waiting, out: &Out) -> Result<(), Gone> {
    let mut last = json!({"status": "pulling manifest"});
    out.line(&last).await?;
    loop {
        let snapshot = shelf.snapshot(id);
        let ended = match &snapshot {
            Ok(snapshot) => ended(shelf, snapshot),
            Err(_) => Some(Err(Problem::new(Kind::Conflict, "the pull was cancelled"))),
        };
        match ended {
            Some(Ok(())) => {
                out.line(&json!({"status": "writing manifest"})).await?;
                return out.line(&json!({"status": "success"})).await;
            }
            Some(Err(problem)) => return out.line(&problem.body(Dialect::Ollama)).await,
            None => {
                let line = snapshot.ok().as_ref().and_then(line);
                if let Some(line) = line.filter(|line| *line != last) {
                    out.line(&line).await?;
                    last = line;
                }
            }
        }
        out.wait(waiting.change(shelf), None).await?;
    }
}

/// The line for where a pull stands.
fn line(snapshot: &Snapshot) -> Option<Value> {
    let (digest, total, done) = snapshot.part.as_ref()?;
    if snapshot.phase == Some(Phase::Verifying) {
        return Some(json!({"status": "verifying sha256 digest"}));
    }
    let Some(digest) = digest else {
        return Some(json!({"status": "pulling", "total": total, "completed": done}));
    };
    let short: String = digest.chars().take(12).collect();
    Some(json!({
        "status": format!("pulling {short}"), "digest": format!("sha256:{digest}"), "total": total, "completed": done,
    }))
}

/// Removes a model.
///
/// # Errors
/// There is none, or it is in use.
pub async fn delete(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    native::removed(&app, model_name(&fields)?).await?;
    Ok(Response::new(Body::empty()))
}

/// Gives a model a second name.
///
/// # Errors
/// There is no such model, the name is none, or it is taken.
pub async fn copy(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let (from, to) = (fields.need_text("source")?, fields.need_text("destination")?);
    super::create::copied(&app, from, to).await?;
    Ok(Response::new(Body::empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_the_hub_that_clients_mean() {
        for (name, meant) in [
            ("llama3.2:1b", "ollama/llama3.2:1b"),
            ("llama3.2:latest", "ollama/llama3.2:latest"),
            ("smollm2", "ollama/smollm2:latest"),
            ("me/mine:v1", "ollama/me/mine:v1"),
            ("qwen3-0.6b", "qwen3-0.6b"),
            ("hf.co/o/r:Q8_0", "hf.co/o/r:Q8_0"),
        ] {
            assert_eq!(reference(name).unwrap().to_string(), meant, "{name}");
        }
        for name in ["", "../x", "a/b/c", "example.com/a/b"] {
            assert!(reference(name).is_err(), "{name}");
        }
    }
}
