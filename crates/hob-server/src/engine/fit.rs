//! How much of a model fits: how long its contexts may be and how many run at a time, within the memory it may have.

use hob::{ChatOptions, LanguageModel};

/// Shortest context that is tried before a model is refused.
const CONTEXT_MIN: usize = 1024;

/// How a model is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Positions of a context.
    pub context: usize,
    /// Answers that run at a time.
    pub parallel: usize,
    /// Bytes that this takes when all of them are full.
    pub bytes: u64,
}

/// What is wanted of a model.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Positions of a context, if they are prescribed.
    pub context: Option<usize>,
    /// Answers that run at a time.
    pub parallel: usize,
    /// Bytes that remembered prompts may take.
    pub prefix_bytes: u64,
}

/// Bytes of a model that holds `parallel` full contexts.
pub fn bytes(model: &LanguageModel, context: usize, parallel: usize, prefix_bytes: u64) -> u64 {
    let estimate = model.memory_estimate(context);
    let contexts = estimate.kv.saturating_mul(parallel as u64);
    (estimate.weights + estimate.working).saturating_add(contexts).saturating_add(prefix_bytes)
}

/// The most of what is wanted that fits into `room` bytes: first fewer answers run at a time, then contexts get shorter,
/// unless their length is prescribed. `Err` is what the least of it would take.
pub fn fit(model: &LanguageModel, wanted: Wanted, room: u64) -> Result<Fit, u64> {
    let trained = model.engine().model().spec().context;
    let context = wanted.context.unwrap_or(trained.min(ChatOptions::DEFAULT_CONTEXT)).max(2);
    let need = |context, parallel| bytes(model, context, parallel, wanted.prefix_bytes);
    choose(context, wanted.parallel.max(1), wanted.context.is_some(), need, room)
}

fn choose(
    context: usize,
    parallel: usize,
    is_prescribed: bool,
    need: impl Fn(usize, usize) -> u64,
    room: u64,
) -> Result<Fit, u64> {
    let found = |context, parallel| Fit { context, parallel, bytes: need(context, parallel) };
    if let Some(parallel) = (1..=parallel).rev().find(|parallel| need(context, *parallel) <= room) {
        return Ok(found(context, parallel));
    }
    let mut shorter = context;
    while !is_prescribed && shorter > CONTEXT_MIN {
        shorter = (shorter - shorter / 8).max(CONTEXT_MIN);
        if need(shorter, 1) <= room {
            return Ok(found(shorter, 1));
        }
    }
    Err(need(shorter, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_answers_before_shorter_contexts() {
        let need = |context: usize, parallel: usize| 1000 + (context * parallel) as u64;
        let fit = |room, is_prescribed| choose(8192, 4, is_prescribed, need, room);
        assert_eq!(fit(1 << 20, false).map(|f| (f.context, f.parallel)), Ok((8192, 4)));
        assert_eq!(fit(20_000, false).map(|f| (f.context, f.parallel)), Ok((8192, 2)));
        let short = fit(5000, false).unwrap_or_else(|need| panic!("{need}"));
        assert!(short.parallel == 1 && short.context <= 4000 && short.bytes <= 5000, "{short:?}");
        assert_eq!(fit(5000, true), Err(9192));
        assert_eq!(fit(10, false), Err(2024));
    }
}
