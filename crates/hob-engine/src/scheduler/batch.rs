//! The pass that answers share: a row of tokens from each, weights read once.

use super::running::Running;
use crate::Engine;
use hob_model::{Step, StepError};

/// New tokens of a job: the one drawn last, and a guess behind it if it runs alone.
pub(super) struct Row<'a> {
    /// At least one.
    pub tokens: Vec<u32>,
    /// Whose they are.
    pub job: &'a mut Running,
}

/// Computes all rows and hands every job its scores, or what is wrong with its row. Passes are kept to so many tokens that
/// each has the result it would have alone.
pub(super) fn compute(engine: &Engine, mut rows: Vec<Row<'_>>) {
    let max = engine.cpu().alike_tokens_max();
    let mut rest = &mut rows[..];
    while !rest.is_empty() {
        let mut tokens = 0;
        let fitting = rest.iter().take_while(|row| {
            tokens += row.tokens.len();
            tokens <= max
        });
        let count = fitting.count().max(1);
        let (now, later) = rest.split_at_mut(count);
        pass(engine, now);
        rest = later;
    }
}

fn pass(engine: &Engine, rows: &mut [Row<'_>]) {
    let began = engine.now();
    match scores(engine, rows) {
        Ok(scores) => {
            if let [row] = &*rows {
                engine.learn_step(row.tokens.len(), began);
            }
            let vocab = engine.model().spec().vocab;
            let mut rest = &scores[..];
            for row in rows {
                let (own, others) = rest.split_at(row.tokens.len() * vocab);
                row.job.take_row(&row.tokens, Ok(own.to_vec()));
                rest = others;
            }
        }
        // A refused row is refused before anything is stored; one by one, the others are not harmed by it.
        Err(_) if rows.len() > 1 => rows.chunks_mut(1).for_each(|row| pass(engine, row)),
        Err(error) => {
            for row in rows {
                row.job.take_row(&row.tokens, Err(error.clone().into()));
            }
        }
    }
}

/// Scores after every token of every row, `[tokens, V]`.
fn scores(engine: &Engine, rows: &mut [Row<'_>]) -> std::result::Result<Vec<f32>, StepError> {
    let (model, cpu) = (engine.model(), engine.cpu());
    let mut steps: Vec<Step<'_>> = rows.iter_mut().map(|row| row.job.session().step(&row.tokens)).collect();
    let hidden = model.forward(cpu, &mut steps, None)?;
    Ok(model.logits(cpu, &hidden))
}
