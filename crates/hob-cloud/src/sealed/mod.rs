//! Sealed plans: a bigger model elsewhere says how a question about a document is answered, without seeing the document; this
//! machine does it.
//!
//! What leaves is a [`card`](Card): how long the text is, its headings, rounded counts. What comes back is a small program of a
//! language that can only select, extract, filter, reduce and answer ([`Plan`]). It is checked as a whole before anything runs
//! ([`check`]), and only [`run`] carries it out: no step can loop, name a file, or ask anybody. Cells of the tables that it
//! extracts come from a [`Reader`], which is not believed: a value without a quote that stands in the text is dropped.
//!
//! Nothing here knows a model of this machine. Read `plan.rs` first, then `check.rs`, `run.rs` and `ask.rs`.

mod ask;
mod card;
mod check;
mod cite;
mod date;
mod decimal;
mod document;
mod members;
mod number;
mod plan;
mod reduce;
mod run;
mod schema;
mod solved;
mod value;

pub use ask::{Obtained, Sent, obtain, question, wish};
pub use card::Card;
pub use check::{Bounds, check, parse};
pub use date::Date;
pub use decimal::Decimal;
pub use document::{Chunk, Document, Heading, TooLarge};
pub use members::Wrong;
pub use number::Number;
pub use plan::{End, Field, How, Piece, Plan, Step, Test, What};
pub use run::run;
pub use solved::{Candidate, Citation, Dropped, Heard, Reader, Solved, Told};
pub use value::{Kind, Value};
