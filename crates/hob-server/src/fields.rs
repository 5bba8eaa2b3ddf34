//! The fields of a request: each is read by name and judged by type and range; others are left alone, as clients send more
//! than a server knows. Null is as good as absent.

use crate::problem::Problem;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// A JSON object at some place in a request.
#[derive(Clone, Copy)]
pub struct Fields<'v> {
    members: &'v Map<String, Value>,
    place: &'v str,
}

impl<'v> Fields<'v> {
    /// The members of `value`, which stands at `place`; empty for the body itself.
    ///
    /// # Errors
    /// It is no object.
    pub fn of(value: &'v Value, place: &'v str) -> Result<Self, Problem> {
        match value {
            Value::Object(members) => Ok(Self { members, place }),
            other if place.is_empty() => Err(Problem::new(
                crate::problem::Kind::Invalid,
                format!("expected a JSON object as the body, found {}", kind(other)),
            )),
            other => {
                Err(Problem::invalid(place, format!("{place}: expected an object, found {}", kind(other))))
            }
        }
    }

    /// All members.
    pub fn members(&self) -> &'v Map<String, Value> {
        self.members
    }

    /// Where a field stands.
    pub fn place(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// The value of a field, unless it is null.
    pub fn get(&self, key: &str) -> Option<&'v Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    /// A field that is not as it should be.
    pub fn wrong(&self, key: &str, expected: &str) -> Problem {
        let place = self.place(key);
        let found = self.members.get(key).map_or_else(|| "nothing".to_owned(), brief);
        Problem::invalid(place.clone(), format!("{place}: expected {expected}, found {found}"))
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&'v str>, Problem> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a string")),
        }
    }

    /// A text that has to be there.
    pub fn need_text(&self, key: &str) -> Result<&'v str, Problem> {
        self.text(key)?.ok_or_else(|| self.wrong(key, "a string"))
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Problem> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A number within a range.
    pub fn number(&self, key: &str, range: RangeInclusive<f64>) -> Result<Option<f32>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if range.contains(&number) => Ok(Some(number as f32)),
            _ => Err(self.wrong(key, &format!("a number from {} to {}", range.start(), range.end()))),
        }
    }

    /// A whole number within a range; `2.0` is one.
    pub fn whole(&self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
        match value.as_i64().or_else(|| value.as_f64().and_then(whole)) {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(key, &format!("a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// A list of at most `max` items.
    pub fn list(&self, key: &str, max: usize) -> Result<Option<&'v [Value]>, Problem> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() <= max => Ok(Some(items)),
            Some(Value::Array(items)) => Err(Problem::invalid(
                self.place(key),
                format!("{}: expected at most {max} items, found {}", self.place(key), items.len()),
            )),
            Some(_) => Err(self.wrong(key, "a list")),
        }
    }

    /// An object inside.
    pub fn object(&self, key: &'v str) -> Result<Option<Fields<'v>>, Problem> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Fields { members, place: key })),
            Some(_) => Err(self.wrong(key, "an object")),
        }
    }
}

/// What a value is.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Numbers and booleans as they are; of everything else only what it is, since it may be long, or nobody's business.
fn brief(value: &Value) -> String {
    match value {
        Value::Number(_) | Value::Bool(_) => value.to_string().chars().take(40).collect(),
        other => kind(other).to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_and_ranges_are_told_with_the_field() {
        let body = json!({"a": "x", "n": 3, "f": 2.0, "h": 0.5, "z": null, "in": {"b": 1}});
        let fields = Fields::of(&body, "").unwrap();
        assert_eq!(fields.text("a"), Ok(Some("x")));
        assert_eq!((fields.text("z"), fields.text("none")), (Ok(None), Ok(None)));
        assert_eq!((fields.whole("f", 0..=9), fields.whole("n", 0..=3)), (Ok(Some(2)), Ok(Some(3))));
        let problem = fields.whole("n", 0..=2).unwrap_err();
        assert_eq!(problem.message, "n: expected a whole number from 0 to 2, found 3");
        assert!(fields.whole("h", 0..=9).is_err() && fields.number("a", 0.0..=1.0).is_err());
        let inner = fields.object("in").unwrap().unwrap();
        assert_eq!(inner.text("b").unwrap_err().param.as_deref(), Some("in.b"));
        assert!(Fields::of(&json!([]), "").is_err());
    }
}
