//! Speed of decoding several sequences at once.
//!
//! Steps go through [`Model::forward`] with one token of each sequence, as the engine's scheduler runs answers; choosing is
//! the likeliest token, on the clock as in the decoding of one sequence.

use std::time::Instant;

use hob_kernels::Cpu;
use hob_model::{Model, SequenceKv, Step, Wanted};
use serde::Serialize;

use super::{Speed, Subject, feed, likeliest, prompt, repeated};
use crate::Error;

/// What to decode together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Together {
    /// Sequences.
    pub sequences: usize,
    /// Positions that each has stored at the start.
    pub depth: usize,
    /// Tokens decoded of each.
    pub tokens: usize,
}

/// Speed of decoding several sequences at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TogetherSpeed {
    /// What was decoded.
    #[serde(flatten)]
    pub what: Together,
    /// Tokens a second of all sequences in sum.
    pub tokens_s: Speed,
}

pub(super) fn measure(on: &Subject<'_>, what: Together) -> Result<TogetherSpeed, Error> {
    let (count, depth) = (what.sequences.max(1), what.depth.max(1));
    let filled = (0..count)
        .map(|i| {
            // Sequences of their own: shared pages would stay in the cache of the machine.
            let mut kv = on.empty(depth + what.tokens);
            let ids: Vec<u32> = prompt(on.model, depth + i).split_off(i);
            feed(on.model, on.cpu, &ids, &mut kv).map(|first| (kv, first))
        })
        .collect::<Result<Vec<(SequenceKv, u32)>, Error>>()?;
    let rates = repeated(on.bench, || {
        let mut sequences = filled.clone();
        let start = Instant::now();
        for _ in 0..what.tokens {
            step(on.model, on.cpu, &mut sequences)?;
        }
        Ok((count * what.tokens) as f64 / start.elapsed().as_secs_f64())
    })?;
    Ok(TogetherSpeed { what, tokens_s: Speed::of(rates) })
}

/// One token of each sequence.
fn step(model: &Model, cpu: &Cpu, sequences: &mut [(SequenceKv, u32)]) -> Result<(), Error> {
    for sequences in sequences.chunks_mut(cpu.alike_tokens_max()) {
        let mut steps: Vec<Step<'_>> = sequences
            .iter_mut()
            .map(|(kv, next)| Step { tokens: std::slice::from_ref(next), kv, wanted: Wanted::Last })
            .collect();
        let hidden = model.forward(cpu, &mut steps, None)?;
        let logits = model.logits(cpu, &hidden);
        for ((_, next), logits) in sequences.iter_mut().zip(logits.chunks_exact(model.spec().vocab)) {
            *next = likeliest(cpu, logits);
        }
    }
    Ok(())
}
