//! How attention is cut into tasks.
//!
//! The arithmetic is fixed by the positions alone: scores are summed over chunks of [`CHUNK`] positions that begin at
//! multiples of it, and the chunks of a row are merged in order. A task is either a tile with all its chunks or, where there
//! are too few tiles to keep the threads busy (decode), one chunk of a tile, merged after all are done. Both give the same
//! bits, so neither the number of threads nor what else is in the batch shows in a result.

use super::lanes::Rows;
use super::{AttentionShape, Mask, Query};
use crate::PAGE_POSITIONS;
use crate::kv::value_columns;
use std::ops::Range;

/// Positions summed before a merge: 256 keys and values of a 64-wide f16 head are 64 KiB, two to three microseconds of reading.
const CHUNK: usize = 256;

/// Pages of a whole chunk.
pub(super) const CHUNK_PAGES: usize = CHUNK / PAGE_POSITIONS;

/// Query rows of a tile. Decoding a page costs about as much as two rows' products; scores and sums still fit the second-level cache.
const TILE_ROWS: usize = 64;

/// Multiply-adds that one core does in about five microseconds, below which waking other threads does not pay.
const SPREAD_MIN: usize = 1 << 18;

/// Tasks per thread above which whole tiles balance well enough.
const TASKS_PER_THREAD: usize = 4;

/// Some rows of a job, over some of the pages they see.
pub(super) struct Task {
    pub job: usize,
    pub kv_head: usize,
    pub tokens: Range<usize>,
    /// Pages of the job's view.
    pub pages: Range<usize>,
    /// Position of the view's first slot.
    pub first: usize,
    /// Where its partial goes, when it is one of several of its tile.
    pub partial: Option<usize>,
}

/// A tile whose chunks are separate tasks: `chunks` partials of `rows` rows, from `partial` on.
pub(super) struct Split {
    pub job: usize,
    pub kv_head: usize,
    pub tokens: Range<usize>,
    pub partial: usize,
    pub chunks: usize,
}

/// The tasks of one call; its buffers are reused from call to call.
#[derive(Default)]
pub(super) struct Plan {
    pub tasks: Vec<Task>,
    pub splits: Vec<Split>,
    /// Elements that the partials take.
    pub partial_len: usize,
    /// Whether the work is worth more than the calling thread.
    pub spread: bool,
}

/// Elements of the partial of `rows` rows: largest, total, sums.
pub(super) fn partial_len(rows: usize, head_dim: usize) -> usize {
    rows * (2 + value_columns(head_dim))
}

impl Plan {
    pub fn build<'a>(
        &mut self,
        shape: &AttentionShape,
        mask: Mask,
        jobs: impl Iterator<Item = Query<'a>>,
        threads: usize,
    ) {
        self.tasks.clear();
        self.splits.clear();
        self.partial_len = 0;
        let mut work = 0;
        for (job, query) in jobs.enumerate() {
            for tokens in tiles(shape, query) {
                let rows = Rows { shape, mask, query, kv_head: 0, tokens: tokens.clone() };
                work += shape.kv_heads * rows.count() * rows.seen_by_any().len() * 2 * shape.head_dim;
                let pages = pages(&rows);
                self.tasks.extend((0..shape.kv_heads).map(|kv_head| {
                    let (tokens, pages) = (tokens.clone(), pages.clone());
                    Task { job, kv_head, tokens, pages, first: query.kv.first, partial: None }
                }));
            }
        }
        self.spread = threads > 1 && work >= SPREAD_MIN;
        if self.spread && self.tasks.len() < TASKS_PER_THREAD * threads {
            self.split(shape);
        }
    }

    /// Replaces tiles of several chunks by their chunks.
    fn split(&mut self, shape: &AttentionShape) {
        let group = shape.heads / shape.kv_heads;
        for index in 0..self.tasks.len() {
            let Task { job, kv_head, first: position, ref tokens, ref pages, .. } = self.tasks[index];
            let (tokens, pages) = (tokens.clone(), pages.clone());
            let len = partial_len(tokens.len() * group, shape.head_dim);
            let mut runs = chunks(pages, position);
            let (Some(first), Some(second)) = (runs.next(), runs.next()) else { continue };
            let partial = self.partial_len;
            self.tasks[index].pages = first;
            self.tasks[index].partial = Some(partial);
            for pages in std::iter::once(second).chain(runs) {
                self.partial_len += len;
                let partial = Some(self.partial_len);
                self.tasks.push(Task {
                    job,
                    kv_head,
                    tokens: tokens.clone(),
                    pages,
                    first: position,
                    partial,
                });
            }
            self.partial_len += len;
            let chunks = (self.partial_len - partial) / len;
            self.splits.push(Split { job, kv_head, tokens, partial, chunks });
        }
    }
}

/// The token ranges of a job's tiles, last first: they see the most, and what takes longest should not begin last.
fn tiles(shape: &AttentionShape, query: Query<'_>) -> impl Iterator<Item = Range<usize>> {
    let tokens = query.q.len() / (shape.heads * shape.head_dim);
    let tile = (TILE_ROWS * shape.kv_heads / shape.heads).max(1);
    (0..tokens.div_ceil(tile)).rev().map(move |i| i * tile..((i + 1) * tile).min(tokens))
}

/// The pages of the view that any of `rows` sees.
fn pages(rows: &Rows<'_>) -> Range<usize> {
    let seen = rows.seen_by_any();
    if seen.is_empty() {
        return 0..0;
    }
    (seen.start - rows.query.kv.first) / PAGE_POSITIONS
        ..(seen.end - rows.query.kv.first).div_ceil(PAGE_POSITIONS)
}

/// `pages`, cut where a multiple of [`CHUNK`] positions lies between two of them; page 0 begins at position `first`.
pub(super) fn chunks(pages: Range<usize>, first: usize) -> impl Iterator<Item = Range<usize>> {
    let ahead = first / PAGE_POSITIONS;
    let mut next = pages.start;
    std::iter::from_fn(move || {
        let start = next;
        next = pages.end.min(((ahead + start) / CHUNK_PAGES + 1) * CHUNK_PAGES - ahead);
        (start < pages.end).then_some(start..next)
    })
}
