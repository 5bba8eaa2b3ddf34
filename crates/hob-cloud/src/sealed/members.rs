//! Members of an object that a stranger wrote, taken one by one, so that whatever is wrong is told with its place.

use super::plan::{NAME_CHARS_MAX, WORDS_CHARS_MAX};
use serde_json::{Map, Value};
use std::fmt;

/// Characters of a text that is repeated to whoever wrote it.
const FOUND_CHARS_MAX: usize = 60;

/// What is wrong with a plan, and where. It says nothing but what the target wrote itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// A JSON pointer.
    pub place: String,
    /// What should stand there.
    pub expected: String,
    /// What does.
    pub found: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "the plan" } else { &self.place };
        write!(f, "{place}: expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Wrong {}

/// Something at `place` that should be something else.
pub(super) fn wrong(place: &str, expected: impl Into<String>, found: impl Into<String>) -> Wrong {
    Wrong { place: place.to_owned(), expected: expected.into(), found: found.into() }
}

/// What a value is, in a few words.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".into(),
    }
}

/// The beginning of a text, in quotes.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(FOUND_CHARS_MAX).collect();
    format!("{short:?}")
}

/// Members that are not taken yet.
pub(super) struct Members {
    place: String,
    rest: Map<String, Value>,
}

impl Members {
    pub fn of(value: &Value, place: &str) -> Result<Self, Wrong> {
        let rest = value.as_object().ok_or_else(|| wrong(place, "an object", kind(value)))?.clone();
        Ok(Self { place: place.to_owned(), rest })
    }

    /// The pointer of a member.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{}", self.place, name.replace('~', "~0").replace('/', "~1"))
    }

    pub fn take(&mut self, name: &str) -> Result<Value, Wrong> {
        self.rest.remove(name).ok_or_else(|| wrong(&self.at(name), "this member", "nothing"))
    }

    /// A text of a length that there can be.
    pub fn text(&mut self, name: &str) -> Result<String, Wrong> {
        text(&self.take(name)?, &self.at(name))
    }

    /// A text, or nothing where it is `null`, empty or left out.
    pub fn text_if_any(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.rest.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Ok(Some(text(&value, &self.at(name))?).filter(|text| !text.is_empty())),
        }
    }

    /// A name: small letters, digits and strokes.
    pub fn name(&mut self, name: &str) -> Result<String, Wrong> {
        let text = self.text(name)?;
        let is_name = text.len() <= NAME_CHARS_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let expected = || format!("a name of up to {NAME_CHARS_MAX} small letters, digits and _");
        if is_name { Ok(text) } else { Err(wrong(&self.at(name), expected(), quoted(&text))) }
    }

    pub fn flag(&mut self, name: &str) -> Result<bool, Wrong> {
        let value = self.take(name)?;
        value.as_bool().ok_or_else(|| wrong(&self.at(name), "true or false", kind(&value)))
    }

    /// A list of some length.
    pub fn list(&mut self, name: &str, most: usize) -> Result<Vec<Value>, Wrong> {
        match self.take(name)? {
            Value::Array(list) if list.len() <= most => Ok(list),
            other => Err(wrong(&self.at(name), format!("a list of up to {most}"), kind(&other))),
        }
    }

    /// One of the words of a table.
    pub fn one_of<T: Copy>(&mut self, name: &str, all: &[(&'static str, T)]) -> Result<T, Wrong> {
        let text = self.text(name)?;
        let found = all.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        let words = || all.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| wrong(&self.at(name), format!("one of {}", words()), quoted(&text)))
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Wrong> {
        match self.rest.keys().next() {
            None => Ok(()),
            // The name may be of any length.
            Some(name) => Err(wrong(&self.place, "no other members", quoted(name))),
        }
    }
}

/// A text of a length that there can be.
pub(super) fn text(value: &Value, place: &str) -> Result<String, Wrong> {
    let text = value.as_str().ok_or_else(|| wrong(place, "a string", kind(value)))?;
    let count = text.chars().count();
    if count > WORDS_CHARS_MAX {
        let expected = format!("at most {WORDS_CHARS_MAX} characters");
        return Err(wrong(place, expected, count.to_string()));
    }
    Ok(text.to_owned())
}
