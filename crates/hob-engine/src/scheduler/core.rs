//! Who runs, who waits, and what a step does.

use super::running::Running;
use super::{Event, Job, JobId, Load, SchedulerConfig, Stepped, Usage, batch};
use crate::speculation::VERIFY_TOKENS_MAX;
use crate::{Engine, Error, Result};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The order in which jobs are served.
type Rank = (Reverse<i32>, JobId);

/// Runs many answers over one engine.
pub struct Scheduler {
    engine: Arc<Engine>,
    config: SchedulerConfig,
    waiting: BTreeMap<Rank, Running>,
    running: BTreeMap<Rank, Running>,
    next_id: u64,
}

impl Scheduler {
    /// A scheduler with nothing to do.
    pub fn new(engine: Arc<Engine>, config: SchedulerConfig) -> Self {
        let config = SchedulerConfig { running_max: config.running_max.max(1), ..config };
        Self { engine, config, waiting: BTreeMap::new(), running: BTreeMap::new(), next_id: 0 }
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Takes a job in; the next steps work on it.
    ///
    /// # Errors
    /// [`Error::QueueFull`] when as many wait as may, and what is wrong with the request itself: no prompt, one that is too
    /// long, options out of range, a model that does not generate. Nothing is taken in then.
    pub fn submit(&mut self, job: Job) -> Result<JobId> {
        let places = self.config.running_max.saturating_sub(self.running.len());
        if self.waiting.len() >= self.config.waiting_max.saturating_add(places) {
            return Err(Error::QueueFull { load: self.load() });
        }
        let id = JobId(self.next_id);
        let rank = (Reverse(job.priority), id);
        self.waiting.insert(rank, Running::new(&self.engine, job)?);
        self.next_id += 1;
        Ok(id)
    }

    /// Drops a job with all it holds, at once; no event follows. `false` when it had ended already.
    pub fn cancel(&mut self, id: JobId) -> bool {
        self.take(id).is_some()
    }

    /// Ends a job whose answer is long enough for whoever asked: like [`Scheduler::cancel`], but what it has said is
    /// remembered for later prompts. `None` when it had ended already.
    pub fn stop(&mut self, id: JobId) -> Option<Usage> {
        self.take(id).map(Running::stop)
    }

    fn take(&mut self, id: JobId) -> Option<Running> {
        let jobs = self.running.keys().chain(self.waiting.keys());
        let rank = jobs.copied().find(|rank| rank.1 == id)?;
        self.running.remove(&rank).or_else(|| self.waiting.remove(&rank))
    }

    /// What is left to do.
    pub fn load(&self) -> Load {
        let prompt_tokens = self.waiting.values().chain(self.running.values()).map(Running::prompt_left);
        Load { running: self.running.len(), waiting: self.waiting.len(), prompt_tokens: prompt_tokens.sum() }
    }

    /// Whether a step would have nothing to do.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Bytes of keys and values that jobs hold; what they share counts once.
    pub fn kv_bytes(&self) -> usize {
        let pages: HashMap<usize, usize> = self.running.values().flat_map(Running::pages).collect();
        pages.values().sum()
    }

    /// Works on every running answer and on some of the prompts; `now` is the time on the caller's clock, by which
    /// deadlines are judged. `events` is told what became of whom, for each job in order.
    ///
    /// What goes wrong with one job is an event of that job.
    pub fn step(&mut self, now: Duration, events: &mut dyn FnMut(JobId, Event)) -> Stepped {
        for jobs in [&mut self.running, &mut self.waiting] {
            jobs.values_mut().for_each(|job| job.check_deadline(now));
            sweep(jobs, events);
        }
        self.admit();
        let answers = self.decode(events);
        sweep(&mut self.running, events);
        // A place that has just become free is taken by the next job's prompt in this very step.
        self.admit();
        let prompt_tokens = self.prefill(events);
        sweep(&mut self.running, events);
        Stepped { answers, prompt_tokens }
    }

    fn admit(&mut self) {
        while self.running.len() < self.config.running_max
            && let Some((rank, job)) = self.waiting.pop_first()
        {
            self.running.insert(rank, job);
        }
    }

    /// One token of every answer that has begun. Returns how many there were.
    fn decode(&mut self, events: &mut dyn FnMut(JobId, Event)) -> usize {
        let mut begun: Vec<(JobId, &mut Running)> = self
            .running
            .iter_mut()
            .filter(|(_, job)| job.has_begun())
            .map(|(rank, job)| (rank.1, job))
            .collect();
        let draft_max = if begun.len() == 1 { VERIFY_TOKENS_MAX } else { 0 };
        begun.iter_mut().for_each(|(_, job)| job.plan(draft_max));
        batch::compute(&self.engine, begun.iter_mut().filter_map(|(_, job)| job.row()).collect());
        for (id, job) in &mut begun {
            job.draw(&mut |event| events(*id, event));
        }
        begun.len()
    }

    /// Chunks of prompts, in the order of the jobs, up to the budget. Returns the number of tokens.
    fn prefill(&mut self, events: &mut dyn FnMut(JobId, Event)) -> usize {
        let mut done = 0;
        for (rank, job) in &mut self.running {
            let mut tell = |event| events(rank.1, event);
            while done == 0 || done < self.config.prefill_tokens {
                let chunk = job.next_chunk();
                if chunk == 0 {
                    break;
                }
                if done > 0 && done + chunk > self.config.prefill_tokens {
                    return done;
                }
                job.compute_chunk(&mut tell);
                job.draw(&mut tell);
                done += chunk;
            }
        }
        done
    }
}

/// Lets go of jobs that have ended, and says so.
fn sweep(jobs: &mut BTreeMap<Rank, Running>, events: &mut dyn FnMut(JobId, Event)) {
    jobs.retain(|rank, job| match job.take_end() {
        Some(end) => {
            events(rank.1, end);
            false
        }
        None => true,
    });
}
