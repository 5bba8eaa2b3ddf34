//! The form of plans, for interfaces that hold a model to it.
//!
//! Every member is required and nothing is optional: some interfaces take no other schemas. Limits are not in it, as not all
//! of them know those; `check.rs` has them.

use super::Kind;
use super::plan::{How, Test};
use serde_json::{Map, Value, json};

/// The JSON schema of a plan.
pub(super) fn schema() -> Value {
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let one_of = |words: Vec<&str>| json!({"type": "string", "enum": words});
    let text = || json!({"type": "string"});
    let maybe = || json!({"type": ["string", "null"]});
    let words = |all: &[&'static str]| one_of(all.to_vec());
    let kinds = one_of(Kind::ALL.map(Kind::name).to_vec());
    let tests = one_of(Test::ALL.map(|(word, _)| word).to_vec());
    let hows = one_of(How::ALL.map(|(word, _)| word).to_vec());
    let field = object(&[("name", text()), ("type", kinds), ("question", text())]);
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    let steps = [
        object(&[("op", words(&["select"])), ("name", text()), ("headings", numbers), ("words", texts())]),
        object(&[
            ("op", words(&["extract"])),
            ("name", text()),
            ("from", text()),
            ("many", json!({"type": "boolean"})),
            ("fields", json!({"type": "array", "items": field})),
        ]),
        object(&[
            ("op", words(&["filter"])),
            ("name", text()),
            ("from", text()),
            ("field", text()),
            ("test", tests),
            ("value", maybe()),
        ]),
        object(&[
            ("op", words(&["reduce"])),
            ("name", text()),
            ("from", text()),
            ("how", hows),
            ("field", maybe()),
        ]),
        object(&[("op", words(&["answer"])), ("text", text())]),
        object(&[("op", words(&["compose"])), ("task", text()), ("from", texts())]),
    ];
    object(&[("steps", json!({"type": "array", "items": {"anyOf": steps}}))])
}

/// An object of these members and no others.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}
