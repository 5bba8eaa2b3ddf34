//! Key-value metadata with getters that either give the type asked for or an error that names the key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::Error;
use crate::array::{ArrayView, Strings};
use crate::error::shown;
use crate::value::Value;

/// The metadata of a GGUF file, by key.
///
/// Typed getters return `Ok(None)` for an absent key and [`Error::Key`] for a value that cannot be what was asked for.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    file: String,
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// Empty metadata; `file` is named in errors.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), values: BTreeMap::new() }
    }

    /// Sets `key`, replacing an older value.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key)
    }

    /// Adds a key read from a file, where it may occur once only.
    pub(crate) fn insert_new(&mut self, key: String, value: Value) -> Result<(), Error> {
        match self.values.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let place = format!("metadata key {}", shown(entry.key()));
                Err(Error::malformed(&self.file, &place, "each key once", "it twice"))
            }
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys and values, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A non-negative integer of any width.
    pub fn usize(&self, key: &str) -> Result<Option<usize>, Error> {
        self.typed(key, "a non-negative integer", |v| usize::try_from(v.as_integer()?).ok())
    }

    /// A float (f64 rounded to f32).
    pub fn f32(&self, key: &str) -> Result<Option<f32>, Error> {
        self.typed(key, "a float", Value::as_f32)
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(key, "a bool", |v| if let Value::Bool(b) = v { Some(*b) } else { None })
    }

    /// A text.
    pub fn str(&self, key: &str) -> Result<Option<&str>, Error> {
        self.typed(key, "a string", Value::as_str)
    }

    /// An array of any element type.
    pub fn array(&self, key: &str) -> Result<Option<&ArrayView>, Error> {
        self.typed(key, "an array", Value::as_array)
    }

    /// An array of texts.
    pub fn strings(&self, key: &str) -> Result<Option<Strings<'_>>, Error> {
        self.typed(key, "an array of strings", |v| v.as_array()?.strings())
    }

    /// At most `len_max` non-negative integers; a single integer counts as an array of one.
    pub fn usizes(&self, key: &str, len_max: usize) -> Result<Option<Vec<usize>>, Error> {
        let expected = format!("at most {len_max} non-negative integers");
        self.typed(key, &expected, |v| {
            let Some(array) = short_array(v, len_max)? else {
                return Some(vec![usize::try_from(v.as_integer()?).ok()?]);
            };
            array.integers()?.map(|n| usize::try_from(n).ok()).collect()
        })
    }

    /// At most `len_max` floats; a single float counts as an array of one.
    pub fn f32s(&self, key: &str, len_max: usize) -> Result<Option<Vec<f32>>, Error> {
        let expected = format!("at most {len_max} floats");
        self.typed(key, &expected, |v| {
            let Some(array) = short_array(v, len_max)? else { return Some(vec![v.as_f32()?]) };
            Some(array.f32s()?.collect())
        })
    }

    /// At most `len_max` truth values; a single one counts as an array of one.
    pub fn bools(&self, key: &str, len_max: usize) -> Result<Option<Vec<bool>>, Error> {
        let expected = format!("at most {len_max} bools");
        self.typed(key, &expected, |v| match (short_array(v, len_max)?, v) {
            (Some(array), _) => Some(array.bools()?.collect()),
            (None, Value::Bool(b)) => Some(vec![*b]),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        convert(value).map(Some).ok_or_else(|| Error::Key {
            file: self.file.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: value.to_string(),
        })
    }
}

/// `Some(Some(array))` within the limit, `Some(None)` when the value is no array, `None` when the array is too long.
fn short_array(value: &Value, len_max: usize) -> Option<Option<&ArrayView>> {
    match value.as_array() {
        Some(array) if array.len() > len_max => None,
        found => Some(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Metadata {
        let mut m = Metadata::new("m.gguf");
        m.set("n", 32u32);
        m.set("negative", -1i64);
        m.set("big", u64::MAX);
        m.set("eps", 1e-5f32);
        m.set("on", true);
        m.set("name", "tiny");
        m.set("counts", ArrayView::from([1i32, 2, 3].as_slice()));
        m.set("tokens", ArrayView::from_iter(["a", "b"]));
        m.set("flags", ArrayView::from([true, false].as_slice()));
        m
    }

    #[test]
    fn getters_give_the_type_asked_for() {
        let m = sample();
        assert_eq!(m.usize("n").unwrap(), Some(32));
        assert_eq!(m.usize("absent").unwrap(), None);
        assert_eq!(m.f32("eps").unwrap(), Some(1e-5));
        assert_eq!(m.bool("on").unwrap(), Some(true));
        assert_eq!(m.str("name").unwrap(), Some("tiny"));
        assert_eq!(m.usizes("counts", 3).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(m.usizes("n", 1).unwrap(), Some(vec![32]));
        assert_eq!(m.bools("flags", 2).unwrap(), Some(vec![true, false]));
        assert_eq!(m.f32s("eps", 1).unwrap(), Some(vec![1e-5]));
        assert_eq!(m.strings("tokens").unwrap().unwrap().count(), 2);
    }

    #[test]
    fn wrong_types_name_key_and_finding() {
        let m = sample();
        for (error, found) in [
            (m.usize("negative").unwrap_err(), "found i64 -1"),
            (m.usize("name").unwrap_err(), "found string \"tiny\""),
            (m.usizes("counts", 2).unwrap_err(), "found array of 3 x i32"),
            (m.usizes("tokens", 9).unwrap_err(), "found array of 2 x string"),
            (m.f32("n").unwrap_err(), "found u32 32"),
            (m.strings("counts").unwrap_err(), "expected an array of strings"),
            (m.bools("n", 4).unwrap_err(), "metadata key n"),
        ] {
            assert!(error.to_string().contains(found), "{error}");
        }
        if usize::BITS == 64 {
            assert_eq!(m.usize("big").unwrap(), Some(usize::MAX));
        }
    }
}
