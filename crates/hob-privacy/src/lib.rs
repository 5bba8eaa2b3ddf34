//! What a text says about people: found, replaced by placeholders, and put back in answers.
//!
//! [`Detector`] finds names, addresses and numbers: by rules with check digits, by a small trained tagger for what has no form
//! of its own, and by a user's own list. [`Vault`] gives each value of a conversation a placeholder, and [`restore`] puts
//! the values back, in streams too ([`Restorer`]). [`clear`] makes of a request for another machine the one type that the gate
//! takes, [`Cleared`]. Nothing here reads files, clocks or the network.

mod checksum;
mod clear;
mod detect;
mod draft;
mod finding;
mod label;
mod restore;
mod rules;
mod score;
mod tagger;
mod vault;
mod words;

pub use clear::{Answer, Cleared, Line, Mode, Refusal, Rules, clear};
pub use detect::{Detector, NoTerms, Reach, Terms};
pub use draft::{Draft, has_marks};
pub use finding::{Finding, Sure};
pub use label::{Label, UnknownLabel};
pub use restore::{Restorer, restore, strangers};
pub use score::Score;
pub use tagger::{Example, LISTS, Lesson, NoTagger, Tagger};
pub use vault::Vault;
pub use words::is_common;
