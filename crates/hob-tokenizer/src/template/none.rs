//! Python's `None`, which is stricter than the template engine's `none`.
//!
//! The engine iterates over `none` as over an empty list; in Python that is an error, and some templates tell by it
//! whether they were given tools.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, State, filters};

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
    teach_filters(env);
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

/// Python's filters over lists pass over whatever is false.
fn teach_filters(env: &mut Environment<'_>) {
    env.add_filter("hob_map", filters::map);
    env.add_filter("hob_select", filters::select);
    env.add_filter("hob_selectattr", filters::selectattr);
    env.add_filter("hob_reject", filters::reject);
    env.add_filter("hob_rejectattr", filters::rejectattr);
    for (name, original) in [
        ("map", "hob_map"),
        ("select", "hob_select"),
        ("selectattr", "hob_selectattr"),
        ("reject", "hob_reject"),
        ("rejectattr", "hob_rejectattr"),
    ] {
        env.add_filter(name, move |state: &mut State<'_, '_>, value: Value, rest: Rest<ValueOrKwargs>| {
            if is_none(&value) {
                return Ok(Value::from(Vec::<Value>::new()));
            }
            let arguments: Vec<Value> = std::iter::once(value).chain(rest.into_values()).collect();
            state.apply_filter(original, &arguments)
        });
    }
}
