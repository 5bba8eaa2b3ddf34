//! What goes into the carrying out of a plan, and what comes of it.

use super::Field;
use std::ops::Range;

/// What reads chunks: a model, or a stand-in for one. Nothing that it says of the text is believed without a quote.
pub trait Reader {
    /// Why it cannot go on.
    type Error;

    /// Rows of what `fields` ask for in a chunk, `rows_max` at most, each with a candidate for each field in their order.
    ///
    /// # Errors
    /// It cannot go on; the plan ends with that.
    fn read(
        &mut self,
        chunk: &str,
        fields: &[Field],
        rows_max: usize,
    ) -> Result<Vec<Vec<Candidate>>, Self::Error>;

    /// A sentence or two for a task, from results.
    ///
    /// # Errors
    /// It cannot go on.
    fn compose(&mut self, task: &str, results: &str) -> Result<String, Self::Error>;
}

/// What a reader says of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Whether the chunk says it at all.
    pub is_found: bool,
    /// The words of the chunk that say it.
    pub quote: String,
    /// The value, as it stands in the quote; `true` or `false` for a boolean.
    pub value: String,
}

/// How often something that a reader said was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The quote stands not in the chunk.
    pub quotes: usize,
    /// The value stands not in the quote.
    pub values: usize,
    /// The value is not of the field's kind.
    pub kinds: usize,
    /// Rows beyond how often their quote stands in the chunk.
    pub repeats: usize,
}

impl Dropped {
    /// All together.
    pub fn all(self) -> usize {
        self.quotes + self.values + self.kinds + self.repeats
    }
}

/// Where something stands that an answer rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation {
    /// The step that extracted it.
    pub step: String,
    /// The field.
    pub field: String,
    /// The value as it was understood.
    pub value: String,
    /// The chunk, from 1.
    pub chunk: usize,
    /// The line where the quote begins, from 1.
    pub line: usize,
    /// Where the quote stands in the text, in bytes.
    pub range: Range<usize>,
    /// The quote: this very part of the text.
    pub quote: String,
}

/// Who wrote an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The plan.
    Plan,
    /// The local model, of the results.
    Reader,
    /// Nobody: the results as they are, since the local model spoke of numbers that are in none of them.
    Results,
}

/// What a step's result was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The step.
    pub step: String,
    /// Its result.
    pub text: String,
}

/// What a plan came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Solved {
    /// The answer.
    pub answer: String,
    /// Who wrote it.
    pub told: Told,
    /// What it rests on.
    pub citations: Vec<Citation>,
    /// Citations that were too many.
    pub more: usize,
    /// The results of all steps that have one.
    pub results: Vec<Heard>,
    /// What was not taken.
    pub dropped: Dropped,
    /// Chunks that were read, each extraction counted.
    pub reads: usize,
    /// Rows that were extracted.
    pub rows: usize,
}
