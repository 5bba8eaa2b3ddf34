//! Grammar-constrained output: which tokens may come next.
//!
//! A [`ConstraintFactory`] is made once per tokenizer and builds its trie of token bytes when the first grammar is
//! compiled. [`ConstraintFactory::compile`] turns a [`Grammar`] into a [`Constraint`], which the step loop asks for a
//! [`TokenMask`](crate::sampling::TokenMask) before each choice and tells each choice after. The parsing itself is the
//! llguidance crate's; what this module adds is that nothing is silently unconstrained and nothing is unbounded.
//!
//! JSON schemas, as llguidance reads them and as checked here (`schema.rs`):
//! - Without `additionalProperties` further properties of any name and value are allowed, as the standard says; write
//!   `false` to close an object. Declared properties come in the order in which the schema lists them (required ones
//!   that `properties` doesn't list after those), further ones last. A further name may repeat.
//! - White space between JSON tokens follows [`JsonWhitespace`]. There is none before the first and after the last.
//! - `format` is enforced for date-time, time, date, duration, email, hostname, ipv4, ipv6, uuid and uri, and rejected
//!   for the standard's other formats. Names the standard doesn't know (`int32`) are annotations, as it says.
//! - What no grammar says is put in other words where those mean the same or less: `oneOf` as alternatives that exclude each
//!   other (`apart.rs`), `if`, `not` and dependencies by their opposites (`opposite.rs`). Items of `uniqueItems` are kept apart
//!   while they are written (`distinct.rs`), in a schema for the whole text.
//! - Rejected, because not enforced: `contains`, `propertyNames`, `unevaluated...`, dynamic and remote references, `oneOf`
//!   whose branches cannot be told apart (unless [`JsonOptions::one_of_as_any_of`]), opposites of patterns and items,
//!   `uniqueItems` in the schemas of a Lark grammar.
//!
//! A regex must match the whole output; it has Rust's syntax, without look-around and back-references. A Lark grammar has
//! llguidance's dialect; `temperature` attributes are not acted upon. For GBNF see `gbnf.rs`.
//!
//! Read `grammar.rs` for the inputs, then `factory.rs`.

mod apart;
mod distinct;
mod factory;
mod gbnf;
mod gbnf_parse;
mod grammar;
mod lark;
mod opposite;
mod places;
mod refs;
mod schema;
mod session;
#[cfg(test)]
mod tests;

pub use factory::{ConstraintFactory, VocabToken};
pub use grammar::{Grammar, JsonOptions, JsonWhitespace, Limits};
pub use session::Constraint;

use crate::Error;

fn rejected(kind: &'static str, location: impl Into<String>, message: impl Into<String>) -> Error {
    Error::Grammar { kind, location: location.into(), message: message.into() }
}

fn over_budget(kind: &'static str, location: impl Into<String>, resource: &'static str, limit: u64) -> Error {
    Error::GrammarBudget { kind, location: location.into(), resource, limit }
}

/// `line:column` of a byte offset, both from 1; columns count characters.
fn line_column(text: &str, offset: usize) -> String {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{line}:{column}")
}
