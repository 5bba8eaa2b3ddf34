//! Row-wise operations over the pool.

use crate::Cpu;

/// Elements below which an operation stays on the calling thread: one core does this many in 2 to 10 microseconds, no more
/// than waking the others and waiting for them may cost. A decode step therefore pays no barrier outside of products and attention.
const SPREAD_MIN: usize = 1 << 15;

/// Elements of a part: small enough to stay in the first-level cache, large enough that claiming it costs nothing.
const PART: usize = 1 << 12;

impl Cpu {
    /// Runs `job(first_row, rows)` over consecutive parts of `data`, which is whole rows of `row` elements.
    ///
    /// Where the parts end depends on the sizes only, so results do not depend on the number of threads.
    pub(crate) fn spread(&self, data: &mut [f32], row: usize, job: &(dyn Fn(usize, &mut [f32]) + Sync)) {
        if data.len() < SPREAD_MIN || self.pool.threads() == 1 {
            return job(0, data);
        }
        let rows = (PART / row).max(1);
        self.pool.for_each_part(data, rows * row, &|index, part| job(index * rows, part));
    }
}
