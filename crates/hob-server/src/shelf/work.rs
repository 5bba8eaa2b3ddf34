//! The thread of one job.

use super::Shelf;
use super::job::{Job, State, Task, Told, Wish};
use crate::clock;
use hob_store::import::{Candidate, How};
use hob_store::{Error, Model, Reference};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often whoever watches hears of progress.
const EVERY: Duration = Duration::from_millis(150);

/// Why a job ended without a model.
enum Ended {
    /// The store says why.
    Store(Error),
    /// The way to the hubs could not be set up.
    Connect(String),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Does what the job is after, and lets the next one begin.
pub fn run(shelf: &Shelf, id: &str, task: &Task, stop: &AtomicBool) {
    let result = match task {
        Task::Pull(reference) => pull(shelf, id, reference, stop),
        Task::Adopt(candidate) => adopt(shelf, id, candidate, stop),
    };
    end(shelf, id, result);
    shelf.advance();
}

fn with_job<T>(shelf: &Shelf, id: &str, change: impl FnOnce(&mut Job) -> T) -> Option<T> {
    shelf.jobs().get(id).map(change)
}

fn pull(shelf: &Shelf, id: &str, reference: &Reference, stop: &AtomicBool) -> Result<Model, Ended> {
    let puller = (shelf.shared.config.connect)().map_err(Ended::Connect)?;
    with_job(shelf, id, |job| job.connected(puller.clone()));
    let plan = puller.plan(reference, stop)?;
    {
        let mut jobs = shelf.jobs();
        if jobs.is_taken(&plan.name, id) {
            return Err(Error::Busy { name: plan.name.to_string() }.into());
        }
        if let Some(job) = jobs.get(id) {
            job.planned(&plan);
        }
    }
    shelf.touch();
    let mut due = Duration::ZERO;
    let model = puller.pull(shelf.store(), reference, plan, stop, &mut |progress| {
        let now = clock::now();
        with_job(shelf, id, |job| job.progressed(now, progress));
        if now >= due || progress.failure.is_some() {
            shelf.touch();
            due = now + EVERY;
        }
    })?;
    Ok(model)
}

fn adopt(shelf: &Shelf, id: &str, candidate: &Candidate, stop: &AtomicBool) -> Result<Model, Ended> {
    let mut due = Duration::ZERO;
    let (model, _) = shelf.store().adopt(candidate, &candidate.name, How::Share, &mut |bytes| {
        with_job(shelf, id, |job| job.done = (job.done + bytes).min(job.total));
        let now = clock::now();
        if now >= due {
            shelf.touch();
            due = now + EVERY;
        }
        !stop.load(Ordering::Relaxed)
    })?;
    Ok(model)
}

fn end(shelf: &Shelf, id: &str, result: Result<Model, Ended>) {
    let is_stopped =
        matches!(&result, Err(Ended::Store(Error::Stopped | Error::Egress(hob_egress::Error::Stopped))));
    let wish = with_job(shelf, id, |job| job.wish);
    let is_removed = result.is_err() && wish == Some(Wish::Remove);
    if is_removed {
        let name = with_job(shelf, id, |job| job.name.clone()).flatten();
        if let Some(name) = name {
            // A folder that cannot be removed is found again by the next server.
            let _ = shelf.store().discard(&name);
        }
        shelf.forget(id);
        return;
    }
    if let Ok(model) = &result {
        // A model that was replaced is loaded anew when it is next asked for.
        shelf.shared.manager.outdate(&model.name.to_string());
    }
    with_job(shelf, id, |job| match result {
        Ok(model) => {
            (job.name, job.state) = (Some(model.name), State::Done);
            (job.done, job.total) = (model.bytes, model.bytes);
        }
        Err(_) if is_stopped => job.state = State::Paused,
        Err(Ended::Store(error)) => job.failed(Told::of(&error)),
        Err(Ended::Connect(message)) => {
            job.fail(message, "Correct what the message names, and start Hob again.");
        }
    });
}
