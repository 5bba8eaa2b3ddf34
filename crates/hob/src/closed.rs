//! Objects that name their properties get no others.
//!
//! A JSON schema lets an object have any further members unless it says otherwise, and small models use that: they write
//! members of their own until their limit cuts them off. What fits the closed schema fits the open one too, so nothing that
//! was promised is lost.

use serde_json::{Map, Value};

/// Keywords beside which an object can be closed without asking what it says elsewhere. A schema with any other one may get
/// its properties from there (`allOf`, `$ref`, `patternProperties` ...).
const PLAIN: [&str; 13] = [
    "type",
    "properties",
    "required",
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "deprecated",
    "$comment",
];

/// The same for arrays.
const ARRAY: [&str; 9] =
    ["type", "items", "minItems", "maxItems", "uniqueItems", "title", "description", "default", "examples"];

/// Levels of nesting that are looked at.
const DEPTH_MAX: usize = 32;

/// The schema with its objects closed, where that leaves something to write. An object without any property is closed only
/// at the top and only if `no_members` says that it means one without members.
pub fn close_objects(schema: &Value, no_members: bool) -> Value {
    let mut schema = schema.clone();
    if refers_to_parts(&schema, DEPTH_MAX) {
        return schema;
    }
    close(&mut schema, no_members, DEPTH_MAX);
    schema
}

fn close(schema: &mut Value, no_members: bool, depth: usize) {
    let Some(members) = schema.as_object_mut().filter(|_| depth > 0) else { return };
    if members.get("type").is_some_and(|kind| kind == "array") {
        let is_plain = members.keys().all(|key| ARRAY.contains(&key.as_str()));
        if let Some(items) = members.get_mut("items").filter(|items| is_plain && items.is_object()) {
            close(items, false, depth - 1);
        }
        return;
    }
    if !is_plain(members, no_members) {
        return;
    }
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| close(property, false, depth - 1));
    }
    members.insert("additionalProperties".into(), false.into());
}

/// Whether everything about an object stands right here.
fn is_plain(members: &Map<String, Value>, no_members: bool) -> bool {
    let Some(properties) = members.get("properties").and_then(Value::as_object) else { return false };
    let required = members.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    members.get("type").is_none_or(|kind| kind == "object")
        && members.keys().all(|key| PLAIN.contains(&key.as_str()))
        && (no_members || !properties.is_empty())
        && required.iter().all(|name| name.as_str().is_some_and(|name| properties.contains_key(name)))
}

/// Whether a reference leads to something else than a definition: that part may be joined with others.
fn refers_to_parts(schema: &Value, depth: usize) -> bool {
    match schema {
        _ if depth == 0 => true,
        Value::Object(members) => members.iter().any(|(key, value)| match value {
            Value::String(to) if key == "$ref" => {
                !to.starts_with("#/$defs/") && !to.starts_with("#/definitions/")
            }
            value => refers_to_parts(value, depth - 1),
        }),
        Value::Array(items) => items.iter().any(|item| refers_to_parts(item, depth - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_objects_are_closed_inside_and_out() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "object", "properties": {"x": {"type": "integer"}}},
            "b": {"type": "array", "items": {"properties": {"y": {}}}},
            "c": {"type": "object"},
        }});
        let closed = close_objects(&schema, false);
        assert_eq!(closed["additionalProperties"], false);
        assert_eq!(closed["properties"]["a"]["additionalProperties"], false);
        assert_eq!(closed["properties"]["b"]["items"]["additionalProperties"], false);
        assert_eq!(closed["properties"]["c"], json!({"type": "object"}));
    }

    #[test]
    fn what_says_more_stays_as_it_is() {
        let open = [
            json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
            json!({"properties": {"a": {}}, "required": ["b"]}),
            json!({"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}),
            json!({"properties": {"a": {}}, "minProperties": 2}),
            json!({"properties": {"a": {"$ref": "#/properties/b"}, "b": {}}}),
            json!({"type": "object", "properties": {}}),
            json!({"type": ["object", "null"], "properties": {"a": {}}}),
            json!(true),
        ];
        for schema in open {
            assert_eq!(close_objects(&schema, false), schema);
        }
        let none = close_objects(&json!({"type": "object", "properties": {}}), true);
        assert_eq!(none["additionalProperties"], false);
    }
}
