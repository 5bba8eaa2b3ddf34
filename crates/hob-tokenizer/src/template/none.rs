//! Python's `None`, which is stricter than the template engine's `none`.
//!
//! The engine iterates over `none` as over an empty list; in Python that is an error, and some templates tell by it
//! whether they were given tools.

use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::{Object, ObjectRepr, Value, ValueKind};

/// A `None` that cannot be iterated.
#[derive(Debug)]
struct PythonNone;

impl Object for PythonNone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("None")
    }
}

/// `None` for a variable that may hold a list.
pub(super) fn python_none() -> Value {
    Value::from_object(PythonNone)
}

/// Whether a value is either kind of none.
pub(super) fn is_none(value: &Value) -> bool {
    value.is_none() || value.downcast_object_ref::<PythonNone>().is_some()
}

/// Replaces the tests that would tell the two kinds of none apart, or take `none` for a list.
pub(super) fn teach(env: &mut Environment<'_>) {
    env.add_test("none", |value: &Value| is_none(value));
    env.add_test("iterable", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
        )
    });
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
    });
}
