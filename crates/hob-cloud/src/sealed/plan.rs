//! The language of plans: what there is to say, and how much of it.
//!
//! A plan is a list of steps, each of which takes what one earlier step gave; there are no loops, no names from outside, and no
//! step that does anything but compute. `check.rs` makes one of what a target wrote; every reference in it is then the
//! number of an earlier step of the right kind.

use super::{Kind, Value};

/// Bytes of a plan, at most.
pub(super) const PLAN_BYTES_MAX: usize = 16 << 10;
/// Steps of a plan, at most, its end included.
pub(super) const STEPS_MAX: usize = 24;
/// Extractions of a plan, at most: each reads every chunk that it gets.
pub(super) const EXTRACTS_MAX: usize = 4;
/// Fields of an extraction, at most.
pub(super) const FIELDS_MAX: usize = 8;
/// Numbers or words in a list of a step, at most.
pub(super) const LIST_MAX: usize = 64;
/// Characters of a text that a target wrote, at most, and of the same with what was hidden put back.
pub(super) const WORDS_CHARS_MAX: usize = 2000;
/// Characters of a name.
pub(super) const NAME_CHARS_MAX: usize = 32;
/// Rows that are taken from a chunk, at most.
pub(super) const ROWS_PER_CHUNK_MAX: usize = 16;
/// Values of a list that an answer shows, at most.
pub(super) const SHOWN_MAX: usize = 200;
/// Characters of an answer, at most.
pub(super) const ANSWER_CHARS_MAX: usize = 20_000;

/// A plan that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

impl Plan {
    /// Its steps but the last.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How it answers.
    pub fn end(&self) -> &End {
        &self.end
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What later steps call it.
    pub name: String,
    /// What it does.
    pub what: What,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Takes chunks.
    Select {
        /// Below these headings, counted from 0; empty: all.
        headings: Vec<usize>,
        /// With one of these words, in small letters; empty: all.
        words: Vec<String>,
    },
    /// Makes a table of chunks.
    Extract {
        /// Which step's chunks.
        from: usize,
        /// Whether a chunk can have several rows.
        is_many: bool,
        /// What is looked for.
        fields: Vec<Field>,
    },
    /// Takes rows.
    Filter {
        /// Which step's rows.
        from: usize,
        /// Which of their fields decides.
        field: usize,
        /// How.
        test: Test,
        /// Beside what; none for [`Test::Known`].
        value: Option<Value>,
    },
    /// Makes one result of rows.
    Reduce {
        /// Which step's rows.
        from: usize,
        /// How.
        how: How,
        /// Of which field; none where rows are counted.
        field: Option<usize>,
    },
}

/// A field of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What steps call it.
    pub name: String,
    /// What kind its values are of.
    pub kind: Kind,
    /// What is asked of each chunk.
    pub question: String,
}

/// How a row is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The same.
    Equals,
    /// Another.
    Differs,
    /// Words that stand in it.
    Contains,
    /// Less, or earlier.
    Less,
    /// More, or later.
    More,
    /// It was found at all.
    Known,
}

impl Test {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("equals", Self::Equals),
        ("differs", Self::Differs),
        ("contains", Self::Contains),
        ("less", Self::Less),
        ("more", Self::More),
        ("known", Self::Known),
    ];

    /// Whether values of this kind can be judged so.
    pub(super) fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Contains => kind == Kind::String,
            Self::Less | Self::More => kind.has_order(),
            Self::Equals | Self::Differs | Self::Known => true,
        }
    }
}

/// How rows become one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// How many.
    Count,
    /// All together.
    Sum,
    /// The least, or earliest.
    Min,
    /// The most, or latest.
    Max,
    /// Divided evenly.
    Mean,
    /// Each different one.
    List,
    /// The first in the text.
    First,
}

impl How {
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("count", Self::Count),
        ("sum", Self::Sum),
        ("min", Self::Min),
        ("max", Self::Max),
        ("mean", Self::Mean),
        ("list", Self::List),
        ("first", Self::First),
    ];

    /// Whether values of this kind can be taken together so.
    pub(super) fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Sum | Self::Mean => kind == Kind::Number,
            Self::Min | Self::Max => kind.has_order(),
            Self::Count | Self::List | Self::First => true,
        }
    }
}

/// How a plan answers.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With a text.
    Answer(Vec<Piece>),
    /// With a sentence of the local model.
    Compose {
        /// What it is asked for.
        task: String,
        /// The results that it gets.
        from: Vec<usize>,
    },
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As the target wrote it.
    Text(String),
    /// The result of a step.
    Result(usize),
}

impl Piece {
    /// The step whose result it is.
    pub(super) fn result(&self) -> Option<usize> {
        match self {
            Self::Result(step) => Some(*step),
            Self::Text(_) => None,
        }
    }
}
