//! All jobs: who waits, who works, who is stopped. One job at a time writes a model.

use super::job::{Job, Snapshot, State, Task, Wish};
use super::{Shelf, work};
use crate::problem::{Kind, Problem};
use hob_store::import::Candidate;
use hob_store::{ModelName, Reference, Unfinished};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Jobs that work at a time; more would only share the line.
const RUNNING_MAX: usize = 2;
/// Jobs that are remembered.
const JOBS_MAX: usize = 64;

/// The jobs, oldest first.
#[derive(Default)]
pub struct Jobs {
    list: Vec<Job>,
}

impl Jobs {
    /// Those that an earlier server left.
    pub fn with_unfinished(left: Vec<Unfinished>) -> Self {
        Self { list: left.into_iter().take(JOBS_MAX).map(Job::unfinished).collect() }
    }

    pub fn get(&mut self, id: &str) -> Option<&mut Job> {
        self.list.iter_mut().find(|job| job.id == id)
    }

    fn need(&mut self, id: &str) -> Result<&mut Job, Problem> {
        self.get(id).ok_or_else(|| {
            Problem::new(Kind::NotFound, "there is no such job; it may have ended long ago")
                .code("unknown_job")
        })
    }

    /// Whether another job than `id` is at work on the model `name`.
    pub fn is_taken(&self, name: &ModelName, id: &str) -> bool {
        self.list.iter().any(|job| job.id != id && job.is_active() && job.name.as_ref() == Some(name))
    }

    /// Makes room for one more by forgetting the oldest that ended.
    fn make_room(&mut self) -> Result<(), Problem> {
        if self.list.len() < JOBS_MAX {
            return Ok(());
        }
        let oldest = self.list.iter().position(|job| matches!(job.state, State::Done | State::Failed));
        match oldest {
            Some(at) => drop(self.list.remove(at)),
            None => {
                let message = format!("there are {JOBS_MAX} pulls already; cancel one, or wait");
                return Err(Problem::new(Kind::Overloaded, message).code("too_many_jobs"));
            }
        }
        Ok(())
    }
}

impl Shelf {
    pub(super) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All jobs, newest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.jobs().list.iter().rev().map(Job::snapshot).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn snapshot(&self, id: &str) -> Result<Snapshot, Problem> {
        Ok(self.jobs().need(id)?.snapshot())
    }

    /// Pulls a model: begins a job, or goes on with the one there is. Its name, and whether it was already under way.
    ///
    /// # Errors
    /// Too much is going on.
    pub fn pull(&self, reference: Reference) -> Result<(String, bool), Problem> {
        let is_same = |job: &&mut Job| match &job.task {
            Task::Pull(other) => *other == reference && job.state != State::Done,
            Task::Adopt(_) => false,
        };
        let mut jobs = self.jobs();
        let found = match jobs.list.iter_mut().find(is_same) {
            Some(job) => {
                let is_active = job.is_active();
                if !is_active {
                    job.state = State::Queued;
                }
                (job.id.clone(), is_active)
            }
            None => {
                jobs.make_room()?;
                let job = Job::new(Task::Pull(reference));
                let id = job.id.clone();
                jobs.list.push(job);
                (id, false)
            }
        };
        drop(jobs);
        self.advance();
        Ok(found)
    }

    /// Adopts a model of another program. The job's name.
    ///
    /// # Errors
    /// Too much is going on, or the model is on its way already.
    pub fn adopt(&self, candidate: Candidate) -> Result<String, Problem> {
        let mut jobs = self.jobs();
        if jobs.is_taken(&candidate.name, "") {
            let message = format!("{} is on its way already", candidate.name);
            return Err(Problem::new(Kind::Conflict, message).code("busy"));
        }
        jobs.make_room()?;
        let job = Job::new(Task::Adopt(Arc::new(candidate)));
        let id = job.id.clone();
        jobs.list.push(job);
        drop(jobs);
        self.advance();
        Ok(id)
    }

    /// Stops a job that can go on later.
    ///
    /// # Errors
    /// There is none, or it has ended.
    pub fn pause(&self, id: &str) -> Result<Snapshot, Problem> {
        let mut jobs = self.jobs();
        let job = jobs.need(id)?;
        match (job.state, &job.task) {
            (_, Task::Adopt(_)) => {
                let message = "adopting cannot be paused; cancel it, nothing is lost";
                return Err(Problem::new(Kind::Conflict, message).code("not_possible"));
            }
            (State::Queued, _) => job.state = State::Paused,
            (State::Running, _) => job.stop(Wish::Pause),
            (State::Paused, _) => {}
            (State::Failed | State::Done, _) => {
                let message = format!("{} is not under way", job.title());
                return Err(Problem::new(Kind::Conflict, message).code("not_possible"));
            }
        }
        let snapshot = job.snapshot();
        drop(jobs);
        self.touch();
        Ok(snapshot)
    }

    /// Goes on with a job that was paused or failed.
    ///
    /// # Errors
    /// There is none, or it is done.
    pub fn resume(&self, id: &str) -> Result<Snapshot, Problem> {
        let mut jobs = self.jobs();
        let job = jobs.need(id)?;
        match job.state {
            State::Paused | State::Failed => job.state = State::Queued,
            State::Queued | State::Running => {}
            State::Done => {
                let message = format!("{} is here already", job.title());
                return Err(Problem::new(Kind::Conflict, message).code("not_possible"));
            }
        }
        drop(jobs);
        self.advance();
        self.snapshot(id)
    }

    /// Ends a job and throws away what it brought; one that is done is only forgotten.
    ///
    /// # Errors
    /// There is none, or its files cannot be removed.
    pub async fn cancel(&self, id: &str) -> Result<(), Problem> {
        let left = self.take_off(id)?;
        self.touch();
        match left {
            Some(name) => self.with_store(move |store| store.discard(&name)).await,
            None => Ok(()),
        }
    }

    /// Takes a job off the list, or tells it to end itself. What is given has left bytes behind.
    fn take_off(&self, id: &str) -> Result<Option<ModelName>, Problem> {
        let mut jobs = self.jobs();
        let job = jobs.need(id)?;
        if job.state == State::Running {
            // Its own thread clears up behind it.
            job.stop(Wish::Remove);
            return Ok(None);
        }
        let name = job.name.clone().filter(|_| matches!(job.task, Task::Pull(_)) && job.state != State::Done);
        jobs.list.retain(|job| job.id != id);
        Ok(name.filter(|name| !jobs.is_taken(name, id)))
    }

    /// Begins jobs that wait, as long as there is room.
    pub(super) fn advance(&self) {
        let mut jobs = self.jobs();
        loop {
            let running = jobs.list.iter().filter(|job| job.state == State::Running).count();
            let next = jobs.list.iter_mut().find(|job| job.state == State::Queued);
            let Some(job) = next.filter(|_| running < RUNNING_MAX) else { break };
            let (id, task, stop) = (job.id.clone(), job.task.clone(), job.begin());
            let shelf = self.clone();
            let started = std::thread::Builder::new()
                .name("hob-shelf".into())
                .spawn(move || work::run(&shelf, &id, &task, &stop));
            if let Err(error) = started {
                let message = format!("cannot start a thread: {error}");
                job.fail(message, "Close other programs, then try again.");
            }
        }
        drop(jobs);
        self.touch();
    }

    /// Forgets a job.
    pub(super) fn forget(&self, id: &str) {
        self.jobs().list.retain(|job| job.id != id);
    }
}
