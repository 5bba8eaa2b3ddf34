//! `/hob/v1/shelf`: models that are kept and models on their way, for the page and for programs.

use super::report::{
    CatalogueReport, FoundModel, FoundReport, KeptModel, ModelNamed, ModelRemoved, PlanReport, PlannedFile,
    PullGone, PullsReport, ShelfReport,
};
use super::{Shelf, catalogue, models, problem};
use crate::App;
use crate::fields::Fields;
use crate::limits;
use crate::problem::{Dialect, Kind, Problem};
use crate::wire::{self, Gone, Out};
use axum::extract::Path;
use axum::response::Response;
use hob_store::import::{self, Candidate};
use hob_store::{ModelName, Reference, RemoteFile, Source};
use serde::Serialize;
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Least time between two events.
const EVENT_TIME: Duration = Duration::from_millis(250);

/// The answer, or what is wrong.
fn answer(result: Result<impl Serialize, Problem>) -> Response {
    match result {
        Ok(value) => wire::answer(&value),
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

/// The shelf, if the server has one.
///
/// # Errors
/// It was started without a place for models.
pub fn shelf(app: &App) -> Result<&Shelf, Problem> {
    app.shelf.as_ref().ok_or_else(|| {
        let message = "this server keeps no models: it was started without a folder for data (HOB_HOME)";
        Problem::new(Kind::NotImplemented, message).code("no_store")
    })
}

/// `GET /hob/v1/shelf`: the models that are kept, and the room they take.
pub async fn list(app: App) -> Response {
    answer(listed(&app).await)
}

async fn listed(app: &App) -> Result<ShelfReport, Problem> {
    let shelf = shelf(app)?;
    let gb_s = bandwidth(shelf).await;
    let found = shelf.with_store(|store| {
        let (listing, usage) = (store.list()?, store.usage()?);
        Ok((listing, usage, hob_store::free_bytes(store.root())))
    });
    let (listing, usage, free) = found.await?;
    Ok(ShelfReport {
        models: models::list(app, &listing.models, &usage, gb_s),
        disk: models::disk(&usage, free),
        read_gb_per_second: gb_s,
        problems: listing.problems.iter().map(ToString::to_string).collect(),
    })
}

/// The first request waits until this machine is measured.
async fn bandwidth(shelf: &Shelf) -> Option<f64> {
    if let Some(known) = shelf.bandwidth_known() {
        return Some(known);
    }
    let shelf = shelf.clone();
    tokio::task::spawn_blocking(move || shelf.bandwidth()).await.ok().flatten()
}

/// `GET /hob/v1/shelf/models/{name}`: one of them. It is opened, so that what it can do is told.
pub async fn one(app: App, Path(name): Path<String>) -> Response {
    answer(details(&app, name).await)
}

async fn details(app: &App, name: String) -> Result<KeptModel, Problem> {
    let shelf = shelf(app)?;
    let found = shelf.with_store(move |store| store.find(&name)).await?;
    app.check_name(&found.name.to_string())?;
    let gb_s = bandwidth(shelf).await;
    // One that cannot be opened is told all the same, with the reason.
    let opened = app.look(&found.name.to_string()).await;
    let mut told = models::model(app, &found, None, gb_s);
    told.error = opened.err().map(|problem| problem.message);
    Ok(told)
}

/// `DELETE /hob/v1/shelf/models/{name}`: removes it. One in memory is let go first; one that answers stays.
pub async fn remove(app: App, Path(name): Path<String>) -> Response {
    answer(removed(&app, &name).await)
}

/// Removes a model.
///
/// # Errors
/// There is none, it is not of the store, or it is in use.
pub async fn removed(app: &App, name: &str) -> Result<ModelRemoved, Problem> {
    let shelf = shelf(app)?;
    let wanted = name.to_owned();
    let found = match shelf.with_store(move |store| store.find(&wanted)).await {
        Err(_) if app.manager.find(name).is_ok() => {
            let message = format!("{name:?} is built in or was named when Hob started; it is not kept here");
            return Err(Problem::new(Kind::Conflict, message).code("not_of_the_store"));
        }
        other => other?,
    };
    let exact = found.name.to_string();
    app.check_name(&exact)?;
    shelf.release(&exact, "it is being removed")?;
    let gone = shelf.with_store(move |store| store.remove(&exact)).await?;
    shelf.touch();
    Ok(ModelRemoved { name: gone.name.to_string(), bytes: gone.bytes, files_stay: gone.is_outside() })
}

/// `POST /hob/v1/shelf/copy`: a second name for a model.
pub async fn copy(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    copied(&app, fields.need_text("from")?, fields.need_text("to")?).await?;
    Ok(wire::answer(&ModelNamed { name: fields.need_text("to")?.to_owned() }))
}

/// Gives a model a second name.
///
/// # Errors
/// There is no such model, the name is none, or it is taken.
pub async fn copied(app: &App, from: &str, to: &str) -> Result<(), Problem> {
    let shelf = shelf(app)?;
    let name = ModelName::parse(to).map_err(|error| Problem::invalid("to", error.to_string()))?;
    refuse_foreign(app, shelf, &name).await?;
    app.check_name(from)?;
    let from = from.to_owned();
    shelf.with_store(move |store| store.copy(&from, &name)).await?;
    shelf.touch();
    Ok(())
}

/// A name that means a model outside of the store is not given to one inside: it would never be found.
///
/// # Errors
/// It does.
pub async fn refuse_foreign(app: &App, shelf: &Shelf, name: &ModelName) -> Result<(), Problem> {
    let wanted = name.clone();
    let is_here = shelf.with_store(move |store| store.get(&wanted)).await?.is_some();
    if !is_here && app.manager.find(&name.to_string()).is_ok_and(|found| found.name == name.to_string()) {
        let message =
            format!("{:?} is built in or was named when Hob started; take another name", name.to_string());
        return Err(Problem::new(Kind::Conflict, message).code("model_exists"));
    }
    Ok(())
}

/// `GET /hob/v1/shelf/catalogue`: well-known models, which fit, and how fast they would answer.
pub async fn catalogue(app: App) -> Response {
    let found = async {
        let shelf = shelf(&app)?;
        let gb_s = bandwidth(shelf).await;
        let here = shelf.with_store(|store| store.list()).await?;
        let here: Vec<ModelName> = here.models.into_iter().map(|model| model.name).collect();
        let models = catalogue::list(&here, app.machine.free_memory(), gb_s);
        Ok(CatalogueReport { models, read_gb_per_second: gb_s })
    };
    answer(found.await)
}

/// `POST /hob/v1/shelf/plan`: what pulling a model would fetch, and under which licence. Asks the hub.
pub async fn plan(app: App, body: Value) -> Result<Response, Problem> {
    let shelf = shelf(&app)?.clone();
    let reference = reference(&body)?;
    let _place = shelf.shared.plans.acquire().await.map_err(|_| closed())?;
    let (asking, puller) = (shelf.clone(), (shelf.shared.config.connect)());
    let puller = puller.map_err(|message| Problem::new(Kind::Internal, message))?;
    let planned = tokio::task::spawn_blocking(move || {
        let plan = puller.plan(&reference, &AtomicBool::new(false)).map_err(|error| problem(&error))?;
        let free = hob_store::free_bytes(asking.store().root());
        Ok::<_, Problem>((plan, free))
    });
    let (plan, free) = planned.await.map_err(|_| closed())??;
    let entry = match &plan.source {
        Source::HuggingFace { repo, .. } => catalogue::entry_of(repo),
        _ => None,
    };
    let gb_s = bandwidth(&shelf).await;
    let file = |file: &RemoteFile| PlannedFile { path: file.path.as_str().to_owned(), bytes: file.bytes };
    Ok(wire::answer(&PlanReport {
        name: plan.name.to_string(),
        license: plan.license.clone().or_else(|| entry.map(|entry| entry.license.clone())),
        is_gated: plan.is_gated,
        bytes: plan.bytes(),
        files: plan.files.iter().map(file).collect(),
        disk_free_bytes: free,
        memory: catalogue::memory(entry, plan.bytes(), app.machine.free_memory()),
        tokens_per_second_about: catalogue::expected_speed(plan.bytes(), gb_s),
    }))
}

fn closed() -> Problem {
    Problem::new(Kind::Internal, "asking the hub failed unexpectedly")
}

fn reference(body: &Value) -> Result<Reference, Problem> {
    let fields = Fields::of(body, "")?;
    let text = fields.need_text("model")?;
    if text.len() > limits::NAME_BYTES_MAX {
        return Err(fields.wrong("model", "a shorter name"));
    }
    Reference::parse(text).map_err(|error| problem(&error))
}

/// `GET /hob/v1/shelf/pulls`: pulls and adoptions, newest first.
pub async fn pulls(app: App) -> Response {
    answer(shelf(&app).map(snapshots))
}

fn snapshots(shelf: &Shelf) -> PullsReport {
    PullsReport { pulls: shelf.snapshots().into_iter().map(|snapshot| snapshot.report).collect() }
}

/// `POST /hob/v1/shelf/pulls`: begins one, or goes on with the one that there is.
pub async fn pull(app: App, body: Value) -> Result<Response, Problem> {
    let shelf = shelf(&app)?;
    let (id, _) = shelf.pull(reference(&body)?)?;
    Ok(wire::answer(&shelf.snapshot(&id)?.report))
}

/// `GET /hob/v1/shelf/pulls/{id}`.
pub async fn one_pull(app: App, Path(id): Path<String>) -> Response {
    answer(shelf(&app).and_then(|shelf| shelf.snapshot(&id)).map(|snapshot| snapshot.report))
}

/// `POST /hob/v1/shelf/pulls/{id}/pause`.
pub async fn pause(app: App, Path(id): Path<String>) -> Response {
    answer(shelf(&app).and_then(|shelf| shelf.pause(&id)).map(|snapshot| snapshot.report))
}

/// `POST /hob/v1/shelf/pulls/{id}/resume`.
pub async fn resume(app: App, Path(id): Path<String>) -> Response {
    answer(shelf(&app).and_then(|shelf| shelf.resume(&id)).map(|snapshot| snapshot.report))
}

/// `DELETE /hob/v1/shelf/pulls/{id}`: ends a pull and removes what it brought; forgets one that is done.
pub async fn cancel(app: App, Path(id): Path<String>) -> Response {
    let gone = async {
        shelf(&app)?.cancel(&id).await?;
        Ok(PullGone { id, deleted: true })
    };
    answer(gone.await)
}

/// `GET /hob/v1/shelf/events`: the same list as `pulls`, now and whenever something happens.
pub async fn events(app: App) -> Response {
    match shelf(&app) {
        Ok(shelf) => {
            let shelf = shelf.clone();
            wire::stream(wire::SSE, move |out| follow(shelf, out))
        }
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

async fn follow(shelf: Shelf, out: Out) -> Result<(), Gone> {
    let mut changes = shelf.shared.changes.subscribe();
    loop {
        changes.borrow_and_update();
        if shelf.is_closed() {
            return Ok(());
        }
        out.data(&serde_json::to_value(snapshots(&shelf)).unwrap_or_default()).await?;
        tokio::time::sleep(EVENT_TIME).await;
        if out.wait(changes.changed(), wire::SSE_IDLE).await?.is_err() {
            return Ok(());
        }
    }
}

/// `GET /hob/v1/shelf/found`: models that other programs of this machine hold.
pub async fn found(app: App) -> Response {
    let found = async {
        let (candidates, here) = scan(shelf(&app)?).await?;
        let row = |candidate: &Candidate| FoundModel {
            name: candidate.name.to_string(),
            program: candidate.program,
            place: candidate.place.to_string_lossy().into_owned(),
            bytes: candidate.bytes(),
            is_here: here.contains(&candidate.name),
        };
        Ok(FoundReport { models: candidates.iter().map(row).collect() })
    };
    answer(found.await)
}

async fn scan(shelf: &Shelf) -> Result<(Vec<Candidate>, Vec<ModelName>), Problem> {
    let places = shelf.shared.config.places;
    let work = shelf.with_store(move |store| {
        let here = store.list()?.models.into_iter().map(|model| model.name).collect();
        Ok((places().map(|home| import::scan(&home)).unwrap_or_default(), here))
    });
    work.await
}

/// `POST /hob/v1/shelf/found`: adopts one of them. Only what a scan finds can be named, so that no request reaches other
/// files of this machine.
pub async fn adopt(app: App, body: Value) -> Result<Response, Problem> {
    let shelf = shelf(&app)?;
    let fields = Fields::of(&body, "")?;
    let (name, place) = (fields.need_text("name")?, fields.text("place")?);
    let (candidates, here) = scan(shelf).await?;
    let is_meant = |candidate: &Candidate| {
        let is_there = place.is_none_or(|place| candidate.place.to_str() == Some(place));
        candidate.name.to_string() == name && is_there
    };
    let candidate = candidates.into_iter().find(is_meant).ok_or_else(|| {
        let message = format!("no other program holds a model {name:?} any more; look again");
        Problem::new(Kind::NotFound, message).code("model_not_found")
    })?;
    if here.contains(&candidate.name) {
        let message = format!("there is a model {name:?} here already");
        return Err(Problem::new(Kind::Conflict, message).code("model_exists"));
    }
    let id = shelf.adopt(candidate)?;
    Ok(wire::answer(&shelf.snapshot(&id)?.report))
}

/// Waits until something happens to jobs.
pub struct Waiting {
    changes: tokio::sync::watch::Receiver<u64>,
}

impl Waiting {
    /// What happens from now on counts.
    pub fn new(shelf: &Shelf) -> Self {
        Self { changes: shelf.shared.changes.subscribe() }
    }

    /// Comes back when something has happened, and at the server's end.
    pub async fn change(&mut self, shelf: &Shelf) {
        if !shelf.is_closed() && self.changes.changed().await.is_err() {
            // The shelf outlives those who wait for it; should it not, nothing more will happen.
            std::future::pending::<()>().await;
        }
    }
}
