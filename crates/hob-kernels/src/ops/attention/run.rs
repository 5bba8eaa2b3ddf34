//! Runs a plan's tasks on the pool. The island is for outputs: tasks write disjoint rows of the same buffers.
#![allow(unsafe_code, reason = "tasks write disjoint parts of shared buffers")]

use super::integers::AttendIntegers;
use super::lanes::{Attend, Merge, Partial, Rows, Scratch};
use super::pairs::AttendPairs;
use super::plan::{CHUNK_PAGES, Plan, Split, Task, chunks, partial_len};
use super::{AttentionJob, AttentionShape, Mask, Query};
use crate::kv::value_columns;
use crate::{Compute, Cpu, DisjointMut, KvType, simd};
use std::cell::Cell;
use std::ops::Range;

/// Elements of partials above which merging them goes to the pool too: about ten microseconds on one core.
const SPREAD_MERGE_MIN: usize = 1 << 16;

thread_local! {
    /// Taken while in use and put back, so that a step allocates nothing once its buffers have grown.
    static SCRATCH: Cell<Scratch> = Cell::default();
    static PLAN: Cell<(Plan, Vec<f32>)> = Cell::default();
}

struct Run<'a> {
    cpu: &'a Cpu,
    shape: &'a AttentionShape,
    mask: Mask,
    jobs: Vec<(Query<'a>, DisjointMut<'a, f32>)>,
    partials: DisjointMut<'a, f32>,
}

pub(super) fn run(cpu: &Cpu, shape: &AttentionShape, mask: Mask, jobs: &mut [AttentionJob<'_>]) {
    let (mut plan, mut partials) = PLAN.take();
    plan.build(shape, mask, jobs.iter().map(AttentionJob::query), cpu.pool.threads());
    partials.resize(plan.partial_len, 0.0);
    {
        let jobs = jobs.iter_mut().map(|job| (job.query(), DisjointMut::new(&mut *job.out))).collect();
        let run = Run { cpu, shape, mask, jobs, partials: DisjointMut::new(&mut partials) };
        if plan.spread {
            cpu.pool.run(plan.tasks.len(), &|i| run.task(&plan.tasks[i]));
        } else {
            plan.tasks.iter().for_each(|task| run.task(task));
        }
        if plan.partial_len >= SPREAD_MERGE_MIN {
            cpu.pool.run(plan.splits.len(), &|i| run.merge(&plan.splits[i]));
        } else {
            plan.splits.iter().for_each(|split| run.merge(split));
        }
    }
    PLAN.set((plan, partials));
}

/// What a job is computed in.
#[derive(Clone, Copy)]
enum Arithmetic {
    Floats,
    /// f32 and bf16.
    Pairs,
    /// f32 and 16-bit integers.
    Integers,
}

impl Run<'_> {
    fn rows(&self, job: usize, kv_head: usize, tokens: Range<usize>) -> Rows<'_> {
        Rows { shape: self.shape, mask: self.mask, query: self.jobs[job].0, kv_head, tokens }
    }

    /// Anything but f32 only where speed was asked for, and the job's cache is no more precise.
    fn arithmetic(&self, job: usize) -> Arithmetic {
        let ty = self.jobs[job].0.kv.pages.first().map(|page| page.shape().ty);
        if self.cpu.compute != Compute::Fast || ty == Some(KvType::F32) {
            return Arithmetic::Floats;
        }
        let whole_pairs = self.shape.head_dim.is_multiple_of(2);
        if ty == Some(KvType::Q8) && whole_pairs && simd::has_int16(self.cpu.isa) {
            return Arithmetic::Integers;
        }
        if self.cpu.bf16 { Arithmetic::Pairs } else { Arithmetic::Floats }
    }

    fn task(&self, task: &Task) {
        let rows = self.rows(task.job, task.kv_head, task.tokens.clone());
        let (count, columns) = (rows.count(), value_columns(self.shape.head_dim));
        let mut scratch = SCRATCH.take();
        scratch.whole.reset(count, columns);
        let arithmetic = self.arithmetic(task.job);
        for pages in chunks(task.pages.clone(), task.first) {
            scratch.chunk.reset(count, columns);
            // Where chunks are tasks, the other threads take those in between.
            let between = if task.partial.is_some() { self.cpu.pool.threads() - 1 } else { 0 };
            let after = pages.end + between * CHUNK_PAGES;
            let (cpu, rows, scratch) = (self.cpu, &rows, &mut scratch);
            match arithmetic {
                Arithmetic::Floats => simd::dispatch(cpu, Attend { rows, pages, after, scratch }),
                Arithmetic::Pairs => simd::dispatch_pairs(cpu, AttendPairs { rows, pages, after, scratch }),
                Arithmetic::Integers => {
                    simd::dispatch_int16(cpu, AttendIntegers { rows, pages, after, scratch })
                }
            }
            if task.partial.is_none() {
                let Scratch { whole, chunk: Partial { largest, total, sum }, .. } = scratch;
                simd::dispatch(self.cpu, Merge { whole, largest, total, sum, columns });
            }
        }
        match task.partial {
            None => self.write(task.job, &rows, &scratch.whole),
            Some(at) => {
                let range = at..at + partial_len(count, self.shape.head_dim);
                // SAFETY: the plan gives every task of a call a range of its own, and a task runs once.
                let to = unsafe { self.partials.slice(range) };
                let (largest, rest) = to.split_at_mut(count);
                let (total, sum) = rest.split_at_mut(count);
                largest.copy_from_slice(&scratch.chunk.largest);
                total.copy_from_slice(&scratch.chunk.total);
                sum.copy_from_slice(&scratch.chunk.sum);
            }
        }
        SCRATCH.set(scratch);
    }

    fn merge(&self, split: &Split) {
        let rows = self.rows(split.job, split.kv_head, split.tokens.clone());
        let (count, columns) = (rows.count(), value_columns(self.shape.head_dim));
        let len = partial_len(count, self.shape.head_dim);
        // SAFETY: the tasks that wrote here are done, and no other split has a part of this range.
        let partials = unsafe { self.partials.slice(split.partial..split.partial + split.chunks * len) };
        let mut scratch = SCRATCH.take();
        scratch.whole.reset(count, columns);
        for partial in partials.chunks_exact(len) {
            let (largest, rest) = partial.split_at(count);
            let (total, sum) = rest.split_at(count);
            let whole = &mut scratch.whole;
            simd::dispatch(self.cpu, Merge { whole, largest, total, sum, columns });
        }
        self.write(split.job, &rows, &scratch.whole);
        SCRATCH.set(scratch);
    }

    fn write(&self, job: usize, rows: &Rows<'_>, whole: &Partial) {
        let (head_dim, columns) = (self.shape.head_dim, value_columns(self.shape.head_dim));
        for (r, (sum, total)) in whole.sum.chunks_exact(columns).zip(&whole.total).enumerate() {
            let start = rows.start(r);
            // SAFETY: a row of the output is a token and a head, which belong to one tile only, and a tile is written once.
            let out = unsafe { self.jobs[job].1.slice(start..start + head_dim) };
            let factor = if *total == 0.0 { 0.0 } else { 1.0 / total };
            out.iter_mut().zip(sum).for_each(|(o, x)| *o = x * factor);
        }
    }
}
