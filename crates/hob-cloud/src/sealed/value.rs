//! What stands in a cell, and what kind it is of.

use super::{Date, Number};
use std::fmt;

/// The kind of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    String,
    /// A number with its unit.
    Number,
    /// A day.
    Date,
    /// Yes or no.
    Boolean,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::String, Self::Number, Self::Date, Self::Boolean];

    /// What plans call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Date => "date",
            Self::Boolean => "boolean",
        }
    }

    /// Whether values of it have an order.
    pub(super) fn has_order(self) -> bool {
        matches!(self, Self::Number | Self::Date)
    }

    /// Reads a value of this kind, all of `text`.
    pub fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::String => {
                Some(Value::String(one_line(text))).filter(|value| *value != Value::String(String::new()))
            }
            Self::Number => Number::parse(text).map(Value::Number),
            Self::Date => Date::parse(text).map(Value::Date),
            Self::Boolean => match text.trim() {
                "true" => Some(Value::Boolean(true)),
                "false" => Some(Value::Boolean(false)),
                _ => None,
            },
        }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Words, with single blanks between.
    String(String),
    /// A number with its unit.
    Number(Number),
    /// A day.
    Date(Date),
    /// Yes or no.
    Boolean(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Boolean(is) => f.write_str(if *is { "yes" } else { "no" }),
        }
    }
}

/// A text with single blanks between its words.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
