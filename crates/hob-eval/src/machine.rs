//! What this machine can do at best: how fast memory can be read, and how fast registers can be multiplied.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hob_kernels::probe::{Probe, ProbeKind};
use serde::Serialize;

/// Memory read in each pass: far beyond any last-level cache we know of on machines for small models.
const READ_BYTES: usize = 512 << 20;
/// Passes over it. Bandwidth of shared machines has good and bad states that last seconds.
const READ_PASSES: usize = 7;
/// Length of one timed run of a dot loop, and how many there are.
const DOT_RUN: Duration = Duration::from_millis(40);
const DOT_RUNS: usize = 9;

/// Median and best of several runs, in units of 1e9 per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// The middle run.
    pub median: f64,
    /// The best run.
    pub best: f64,
}

impl Speed {
    pub(crate) fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_unstable_by(f64::total_cmp);
        let middle = runs.len() / 2;
        let median =
            if runs.len().is_multiple_of(2) { (runs[middle - 1] + runs[middle]) / 2.0 } else { runs[middle] };
        Self { median, best: runs.last().copied().unwrap_or_default() }
    }
}

/// The rate of one multiply-accumulate instruction, all threads together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// The instruction.
    pub instruction: &'static str,
    /// Billions of multiply-accumulates a second.
    pub gmacs: Speed,
}

/// The limits of this machine with a number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Threads that worked at once.
    pub threads: usize,
    /// Gigabytes (1e9) a second that a plain loop reads.
    pub read_gb_s: Speed,
    /// The fastest 8-bit dot instruction; `None` on architectures without a loop for it.
    pub int8: Option<Peak>,
    /// The fastest bf16 dot instruction; `None` where there is none.
    pub bf16: Option<Peak>,
    /// The fastest f32 multiply-add.
    pub f32: Option<Peak>,
}

impl Limits {
    /// Measures with `threads` threads; takes about three seconds and half a gigabyte.
    pub fn measure(threads: usize) -> Self {
        let threads = threads.max(1);
        Self {
            threads,
            read_gb_s: read_speed(threads, READ_BYTES, READ_PASSES),
            int8: peak(ProbeKind::Int8, threads),
            bf16: peak(ProbeKind::Bf16, threads),
            f32: peak(ProbeKind::F32, threads),
        }
    }
}

/// Runs `work` on `threads` threads that start together, `runs` times; the seconds of each run, to the last one's end.
fn timed(threads: usize, runs: usize, work: &(dyn Fn(usize) + Sync)) -> Vec<f64> {
    let barrier = Barrier::new(threads);
    let laps = |thread: usize| -> Vec<f64> {
        let mut laps = Vec::new();
        for _ in 0..runs {
            barrier.wait();
            let start = Instant::now();
            work(thread);
            barrier.wait();
            laps.push(start.elapsed().as_secs_f64());
        }
        laps
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|t| scope.spawn(move || laps(t))).collect();
        let seconds = laps(0);
        for other in others {
            other.join().expect("measuring loops do not panic");
        }
        seconds
    })
}

/// Gigabytes (1e9) a second that `threads` threads together read from `bytes` of memory, in `passes` passes. Every thread
/// reads a part of its own, as matrix rows are split in decoding.
pub fn read_speed(threads: usize, bytes: usize, passes: usize) -> Speed {
    let threads = threads.max(1);
    // Not zeros: the system may back untouched zeros with one page.
    let words = vec![0x0101_0101_0101_0101u64; bytes / 8];
    let part = words.len() / threads;
    let seconds = timed(threads, passes + 1, &|t| {
        black_box(sum(&words[t * part..(t + 1) * part]));
    });
    // The first pass meets cold page tables.
    Speed::of(seconds[1..].iter().map(|s| (8 * part * threads) as f64 / s / 1e9).collect())
}

/// A sum with enough independent lanes that memory, not addition, is the limit.
fn sum(words: &[u64]) -> u64 {
    let mut lanes = [0u64; 32];
    for chunk in words.as_chunks::<32>().0 {
        for (lane, word) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*word);
        }
    }
    lanes.iter().fold(0, |a, b| a.wrapping_add(*b))
}

fn peak(kind: ProbeKind, threads: usize) -> Option<Peak> {
    let measured = Probe::available().into_iter().filter(|p| p.kind == kind).map(|probe| {
        let iterations = calibrate(&probe);
        let seconds = timed(threads, DOT_RUNS, &|_| probe.run(iterations));
        let macs = probe.macs(iterations) as f64 * threads as f64;
        Peak {
            instruction: probe.instruction,
            gmacs: Speed::of(seconds.iter().map(|s| macs / s / 1e9).collect()),
        }
    });
    measured.max_by(|a, b| a.gmacs.best.total_cmp(&b.gmacs.best))
}

/// Iterations that take about [`DOT_RUN`].
fn calibrate(probe: &Probe) -> u64 {
    let mut iterations = 1000;
    loop {
        let start = Instant::now();
        probe.run(iterations);
        let taken = start.elapsed();
        if taken >= DOT_RUN / 4 || iterations > 1 << 40 {
            let scale = DOT_RUN.as_secs_f64() / taken.as_secs_f64();
            return (iterations as f64 * scale) as u64 + 1;
        }
        iterations *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_ordered() {
        assert_eq!(Speed::of(vec![3.0, 1.0, 2.0]), Speed { median: 2.0, best: 3.0 });
        assert_eq!(Speed::of(vec![1.0, 2.0]), Speed { median: 1.5, best: 2.0 });
    }

    #[test]
    fn every_thread_works_in_every_run() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let calls = AtomicUsize::new(0);
        let seconds = timed(3, 4, &|_| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((seconds.len(), calls.into_inner()), (4, 12));
    }

    #[test]
    fn the_sum_is_the_sum() {
        let words: Vec<u64> = (0..64).collect();
        assert_eq!(sum(&words), 63 * 32);
    }
}
