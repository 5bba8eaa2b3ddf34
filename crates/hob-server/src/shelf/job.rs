//! One pull or adoption: what is known of it, and how it is told.

use super::rate::Rate;
use super::report::{PullReport, PullTrouble};
use super::trouble;
use crate::ids;
use crate::problem::{Kind, Problem};
use hob_store::import::Candidate;
use hob_store::{Error, ModelName, Phase, Plan, PullProgress, Puller, Reference, Unfinished};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a job is after.
#[derive(Clone)]
pub enum Task {
    /// A model from a hub.
    Pull(Reference),
    /// A model of another program.
    Adopt(Arc<Candidate>),
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for others.
    Queued,
    /// It is at work.
    Running,
    /// Somebody stopped it, or the server ended; it can go on.
    Paused,
    /// It could not go on.
    Failed,
    /// The model is here.
    Done,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Paused, Self::Failed, Self::Done];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

/// What becomes of a job that is being stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// It can go on later.
    #[default]
    Pause,
    /// It is forgotten, with all it brought.
    Remove,
}

/// A file on its way.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its place in the model's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// What it should contain, if the hub says.
    pub digest: Option<String>,
}

/// Why a job could not go on.
#[derive(Clone, Debug)]
pub struct Told {
    /// For people.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
    /// The same as an answer to whoever waits for the job.
    pub problem: Problem,
}

impl Told {
    /// The same of an error.
    pub fn of(error: &Error) -> Self {
        Self { message: error.to_string(), advice: trouble::advice(error), problem: trouble::problem(error) }
    }
}

/// A job.
pub struct Job {
    /// Its name for programs.
    pub id: String,
    pub task: Task,
    /// What the model will be called, once that is known.
    pub name: Option<ModelName>,
    pub state: State,
    pub license: Option<String>,
    pub parts: Vec<Part>,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// The file it is at.
    pub file: Option<String>,
    pub done: u64,
    pub total: u64,
    pub rate: Rate,
    /// The last failure after which it is being tried again, and how many bytes had come by then.
    pub retry: Option<(String, u64)>,
    pub error: Option<Told>,
    pub wish: Wish,
    stop: Arc<AtomicBool>,
    puller: Option<Puller>,
}

impl Job {
    /// A job that waits.
    pub fn new(task: Task) -> Self {
        let (name, total) = match &task {
            Task::Pull(_) => (None, 0),
            Task::Adopt(candidate) => (Some(candidate.name.clone()), candidate.bytes()),
        };
        Self {
            id: ids::new("job_"),
            task,
            name,
            state: State::Queued,
            license: None,
            parts: Vec::new(),
            phase: None,
            file: None,
            done: 0,
            total,
            rate: Rate::default(),
            retry: None,
            error: None,
            wish: Wish::default(),
            stop: Arc::default(),
            puller: None,
        }
    }

    /// A pull that an earlier server, or `hob pull`, did not finish.
    pub fn unfinished(left: Unfinished) -> Self {
        Self {
            name: Some(left.name),
            state: State::Paused,
            license: left.license,
            done: left.done,
            total: left.total,
            ..Self::new(Task::Pull(left.reference))
        }
    }

    /// What it is called until its name is known.
    pub fn title(&self) -> String {
        match (&self.name, &self.task) {
            (Some(name), _) => name.to_string(),
            (None, Task::Pull(reference)) => reference.to_string(),
            (None, Task::Adopt(candidate)) => candidate.name.to_string(),
        }
    }

    /// Whether it waits or works.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Queued | State::Running)
    }

    /// Begins anew, from where it was; what is given tells the work to stop.
    pub fn begin(&mut self) -> Arc<AtomicBool> {
        self.state = State::Running;
        (self.error, self.retry, self.phase, self.wish) = (None, None, None, Wish::Pause);
        (self.rate, self.stop, self.puller) = (Rate::default(), Arc::default(), None);
        Arc::clone(&self.stop)
    }

    /// The way to the hubs that this job uses; stopping the job ends it.
    pub fn connected(&mut self, puller: Puller) {
        if self.stop.load(Ordering::Relaxed) {
            puller.stop();
        }
        self.puller = Some(puller);
    }

    /// Tells the work to stop.
    pub fn stop(&mut self, wish: Wish) {
        self.wish = wish;
        self.stop.store(true, Ordering::Relaxed);
        if let Some(puller) = &self.puller {
            puller.stop();
        }
    }

    /// It cannot go on.
    pub fn failed(&mut self, told: Told) {
        (self.state, self.error) = (State::Failed, Some(told));
    }

    /// It cannot go on because of something here.
    pub fn fail(&mut self, message: String, advice: &'static str) {
        let problem = Problem::new(Kind::Internal, message.clone());
        self.failed(Told { message, advice, problem });
    }

    /// What will be fetched.
    pub fn planned(&mut self, plan: &Plan) {
        self.name = Some(plan.name.clone());
        self.license.clone_from(&plan.license);
        self.total = plan.bytes();
        let part = |file: &hob_store::RemoteFile| Part {
            path: file.path.as_str().to_owned(),
            bytes: file.bytes,
            digest: file.sha256.map(|digest| digest.to_string()),
        };
        self.parts = plan.files.iter().map(part).collect();
    }

    /// How far it is.
    pub fn progressed(&mut self, now: Duration, progress: &PullProgress<'_>) {
        self.phase = Some(progress.phase);
        self.file = Some(progress.file.to_owned());
        if progress.phase == Phase::Downloading {
            (self.done, self.total) = (progress.done, progress.total);
            self.rate.note(now, progress.received);
        }
        if let Some(failure) = &progress.failure {
            self.retry = Some((failure.clone(), progress.received));
        } else if self.retry.as_ref().is_some_and(|(_, received)| progress.received > *received) {
            // Bytes come again.
            self.retry = None;
        }
    }

    /// How many of the bytes that are here belong to the file it is at.
    pub fn done_of_file(&self) -> Option<(&Part, u64)> {
        let mut before = 0;
        for part in &self.parts {
            if Some(part.path.as_str()) == self.file.as_deref() {
                return Some((part, self.done.saturating_sub(before).min(part.bytes)));
            }
            before += part.bytes;
        }
        None
    }

    /// The job as it stands.
    pub fn snapshot(&self) -> Snapshot {
        let part = self.done_of_file().map(|(part, done)| (part.digest.clone(), part.bytes, done));
        Snapshot {
            state: self.state,
            phase: self.phase,
            part,
            error: self.error.clone(),
            report: self.report(),
        }
    }

    fn report(&self) -> PullReport {
        let is_loading = self.state == State::Running && self.phase == Some(Phase::Downloading);
        let rate = self.rate.per_second().filter(|_| is_loading);
        let left = rate.filter(|rate| *rate >= 1.0);
        let left = left.map(|rate| (self.total.saturating_sub(self.done) as f64 / rate).ceil());
        let (kind, reference) = match &self.task {
            Task::Pull(reference) => ("pull", reference.to_string()),
            Task::Adopt(candidate) => ("adopt", candidate.place.display().to_string()),
        };
        let error = self.error.as_ref().map(|told| PullTrouble {
            message: told.message.clone(),
            advice: told.advice,
            code: told.problem.code,
        });
        let is_running = self.state == State::Running;
        PullReport {
            id: self.id.clone(),
            kind,
            name: self.title(),
            reference,
            state: self.state,
            phase: self.phase.filter(|_| is_running).map(Phase::name),
            done_bytes: self.done,
            total_bytes: self.total,
            bytes_per_second: rate,
            seconds_left: left,
            license: self.license.clone(),
            retry: self.retry.as_ref().filter(|_| is_running).map(|(failure, _)| failure.clone()),
            error,
        }
    }
}

/// A job at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it stood.
    pub state: State,
    /// What it did.
    pub phase: Option<Phase>,
    /// The file it was at: its digest, its size, bytes that were here.
    pub part: Option<(Option<String>, u64, u64)>,
    /// Why it could not go on.
    pub error: Option<Told>,
    /// All of it, for programs.
    pub report: PullReport,
}
