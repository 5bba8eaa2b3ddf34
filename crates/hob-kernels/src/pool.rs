//! The thread pool that kernels share: persistent workers, about a microsecond from call to first chunk.
//!
//! A small model dispatches thousands of operations a second, so idle workers first spin on one shared word and only then
//! park. Chunks are claimed from a counter, so a thread that lost its core to another process delays one chunk, not the
//! operation. A worker that wakes too late to help is not waited for.
#![allow(unsafe_code)]

mod disjoint;
#[cfg(test)]
mod tests;

pub use disjoint::DisjointMut;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Polls of an idle worker before it parks: about 30 microseconds, the gap between two operations of a decode step.
const SPINS: u32 = 1500;

/// The state word: workers inside the job, then flags, then a job number that tells a new job from the last one.
const ACTIVE: u64 = 0xffff;
const OPEN: u64 = 1 << 16;
const STOP: u64 = 1 << 17;
const NUMBER: u64 = 1 << 18;

/// A fixed set of worker threads that run one job at a time, together with the calling thread.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    busy: AtomicBool,
}

/// What threads poll, each on a cache line (pair) of its own.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    state: Line<AtomicU64>,
    next: Line<AtomicUsize>,
    /// Valid while `state` is open or has active workers; written only while it is neither.
    job: AtomicPtr<Job<'static>>,
    chunks: AtomicUsize,
    /// One per worker: it is about to sleep and wants to be woken.
    parked: Vec<Line<AtomicBool>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    spins: u32,
}

impl Pool {
    /// A pool of `threads` threads in all, the caller included; zero means one.
    ///
    /// With more threads than cores, idle workers park at once: a spinning one would hold up a working one.
    pub fn new(threads: usize) -> Self {
        let workers = threads.clamp(1, ACTIVE as usize) - 1;
        let cores = thread::available_parallelism().map_or(1, |n| n.get());
        let shared = Arc::new(Shared {
            state: Line(AtomicU64::new(0)),
            next: Line(AtomicUsize::new(0)),
            job: AtomicPtr::new(std::ptr::null_mut()),
            chunks: AtomicUsize::new(0),
            parked: (0..workers).map(|_| Line(AtomicBool::new(false))).collect(),
            panic: Mutex::new(None),
            spins: if workers < cores { SPINS } else { 0 },
        });
        let spawn = |index| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("hob-worker-{}", index + 1));
            // A system that gives us fewer threads than asked for makes us slower, not wrong.
            builder.spawn(move || shared.work(index)).ok()
        };
        let workers = (0..workers).map_while(spawn).collect();
        Self { shared, workers, busy: AtomicBool::new(false) }
    }

    /// Threads that take part in a job.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job(0) .. job(chunks - 1)`, each once, on whichever thread is free; returns when all are done.
    ///
    /// Called from inside a job, or while another thread's job runs, it does all the work on the calling thread.
    ///
    /// # Panics
    /// With the first panic of a chunk; chunks not yet begun are dropped, and the pool stays usable.
    pub fn run(&self, chunks: usize, job: &(dyn Fn(usize) + Sync)) {
        if chunks <= 1 || self.workers.is_empty() || self.busy.swap(true, Ordering::Acquire) {
            return (0..chunks).for_each(job);
        }
        self.open(chunks, &job);
        self.shared.take_chunks(job, chunks);
        self.close();
        let panic = self.shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.busy.store(false, Ordering::Release);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Cuts `data` into consecutive parts of `part` elements (the last may be shorter) and runs `job(index, part)` on each.
    pub fn for_each_part<T: Send>(
        &self,
        data: &mut [T],
        part: usize,
        job: &(dyn Fn(usize, &mut [T]) + Sync),
    ) {
        assert!(part > 0, "a part has at least one element");
        let (len, parts) = (data.len(), data.len().div_ceil(part));
        let data = DisjointMut::new(data);
        self.run(parts, &|index| {
            let range = index * part..((index + 1) * part).min(len);
            // SAFETY: parts of different indices do not overlap, and `run` calls each index once.
            job(index, unsafe { data.slice(range) });
        });
    }

    fn open(&self, chunks: usize, job: &Job<'_>) {
        let shared = &*self.shared;
        shared.next.0.store(0, Ordering::Relaxed);
        shared.chunks.store(chunks, Ordering::Relaxed);
        shared.job.store(std::ptr::from_ref(job).cast::<Job<'static>>().cast_mut(), Ordering::Relaxed);
        let number = (shared.state.0.load(Ordering::Relaxed) & !(NUMBER - 1)).wrapping_add(NUMBER);
        // Sequentially consistent together with the worker's "set parked, look at the state": one of the two sees the other.
        shared.state.0.store(number | OPEN, Ordering::SeqCst);
        for (parked, worker) in shared.parked.iter().zip(&self.workers).take(chunks - 1) {
            if parked.0.load(Ordering::SeqCst) && parked.0.swap(false, Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
    }

    /// Lets no further worker in and waits for those inside.
    fn close(&self) {
        let state = &self.shared.state.0;
        let mut inside = state.fetch_and(!OPEN, Ordering::AcqRel) & ACTIVE;
        let mut polls = 0u32;
        while inside != 0 {
            polls += 1;
            if polls > self.shared.spins {
                // A worker lost its core in the middle of a chunk; spinning on might keep it from getting one back.
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
            inside = state.load(Ordering::Acquire) & ACTIVE;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.0.fetch_or(STOP, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches its job's panics, so there is nothing to pass on here.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn work(&self, index: usize) {
        let mut last = 0;
        while let Some(number) = self.enlist(index, last) {
            last = number;
            let chunks = self.chunks.load(Ordering::Relaxed);
            // SAFETY: `enlist` counted this worker as active in an open job, so `run` is still waiting in `close` and the
            // reference it stored (before the release store that opened the job) is alive until `fetch_sub` below.
            let job = unsafe { *self.job.load(Ordering::Relaxed) };
            self.take_chunks(job, chunks);
            self.state.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for a job other than `last` and joins it; its number, or `None` when the pool stops.
    fn enlist(&self, index: usize, last: u64) -> Option<u64> {
        let state = &self.state.0;
        let mut polls = 0;
        loop {
            let seen = state.load(Ordering::SeqCst);
            if seen & STOP != 0 {
                return None;
            }
            let number = seen & !(NUMBER - 1);
            if seen & OPEN != 0 && number != last {
                if state.compare_exchange(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    return Some(number);
                }
            } else if polls < self.spins {
                polls += 1;
                std::hint::spin_loop();
            } else {
                self.park(index, seen);
                polls = 0;
            }
        }
    }

    /// Sleeps unless the state has changed since `seen`.
    fn park(&self, index: usize, seen: u64) {
        let parked = &self.parked[index].0;
        parked.store(true, Ordering::SeqCst);
        let now = self.state.0.load(Ordering::SeqCst);
        // Other workers coming and going is no news.
        if now & !ACTIVE == seen & !ACTIVE {
            thread::park();
        }
        parked.store(false, Ordering::SeqCst);
    }

    fn take_chunks(&self, job: Job<'_>, chunks: usize) {
        let work = || {
            loop {
                let index = self.next.0.fetch_add(1, Ordering::Relaxed);
                if index >= chunks {
                    return;
                }
                job(index);
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.next.0.store(chunks, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }
}
