//! What is read from a schema, and what is refused where.

use serde_json::json;

use super::*;

fn refusal(value: Value) -> (String, String) {
    match schema(value) {
        Err(Error::Grammar { kind: "JSON schema", location, message }) => (location, message),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn unsupported_members_are_named_with_their_place() {
    let (place, message) =
        refusal(json!({"type": "object", "properties": {"a/b": {"not": {"pattern": "x"}}}}));
    assert_eq!(place, "#/properties/a~1b/not");
    assert!(message.starts_with("`not` cannot be enforced"), "{message}");
    let cases = [
        (json!({"if": {"items": {}}, "then": false}), "#/if"),
        (json!({"type": "array", "uniqueItems": "yes"}), "#/uniqueItems"),
        (json!({"type": "array", "contains": {}}), "#/contains"),
        (json!({"allOf": [{}, {"propertyNames": {}}]}), "#/allOf/1/propertyNames"),
        (json!({"items": [true, {"dependentRequired": []}]}), "#/items/1/dependentRequired"),
        (
            json!({"additionalProperties": {"unevaluatedItems": false}}),
            "#/additionalProperties/unevaluatedItems",
        ),
        (
            json!({"$ref": "#/$defs/x", "$defs": {"x": {"anyOf": [{"contains": {}}]}}}),
            "#/$defs/x/anyOf/0/contains",
        ),
        (json!({"type": "string", "format": "uri-template"}), "#/format"),
        (json!({"type": "string", "pattern": "(?=a)"}), "#/pattern"),
        (json!({"type": "string", "pattern": "a\\"}), "#/pattern"),
        (json!({"patternProperties": {"[": {}}}), "#/patternProperties/["),
        (json!({"$ref": "https://example.com/x.json"}), "#/$ref"),
        (json!({"properties": {"a": {"$ref": "#/$defs/missing"}}}), "#/properties/a/$ref"),
        (json!({"prefixItems": [{}], "additionalItems": false}), "#/additionalItems"),
        (json!({"properties": []}), "#/properties"),
        (json!({"anyOf": {}}), "#/anyOf"),
        (json!({"items": 3}), "#/items"),
        (json!([]), "#"),
        (json!(false), "#"),
    ];
    for (value, expected) in cases {
        assert_eq!(refusal(value.clone()).0, expected, "{value}");
    }
}

#[test]
fn members_that_mean_nothing_are_no_obstacle() {
    // Property names are not keywords, unused definitions are not read, and unknown formats are annotations.
    let c = schema(json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"not": {"type": "integer", "format": "int32"}, "if": {"enum": [{"not": 1}]}},
        "required": ["not"], "additionalProperties": false, "uniqueItems": false,
        "$defs": {"unused": {"contains": {}}}, "default": {"contains": 1}, "$dynamicAnchor": "x"
    }))
    .unwrap();
    assert!(accepts(&c, br#"{"not": 3, "if": {"not": 1}}"#));
    assert!(!accepts(&c, br#"{"not": "3"}"#));
}

#[test]
fn counts_may_be_written_as_fractions_and_halves_of_conditions_ignored() {
    let c =
        schema(json!({"type": "string", "maxLength": 2.0, "then": false, "else": false, "minContains": 3}))
            .unwrap();
    assert!(accepts(&c, b"\"ab\"") && !accepts(&c, b"\"abc\""));
    assert!(schema(json!({"type": "string", "maxLength": 2.5})).is_err());
}

#[test]
fn a_schema_cannot_loosen_its_own_enforcement() {
    let schema_with = |guidance: Value| json!({"x-guidance": guidance, "type": "string", "format": "int32", "maxLength": 3});
    for guidance in [json!({"lenient": true}), json!({"whitespace_pattern": "x*"}), json!("nonsense")] {
        let c = schema(schema_with(guidance)).unwrap();
        assert!(accepts(&c, b"\"abc\"") && !accepts(&c, b"\"abcd\"") && !accepts(&c, b"xx\"abc\""));
    }
    assert!(schema(json!({"x-guidance": {"lenient": true}, "contains": {}})).is_err());
    assert!(
        schema(json!({"x-guidance": {"coerce_one_of": true}, "oneOf": [{"minimum": 1}, {"maximum": 9}]}))
            .is_err()
    );
}

#[test]
fn old_drafts_do_not_hide_assertions() {
    // Draft 4 had no `const`; a schema that says both is still held to it.
    let c = schema(json!({"$schema": "http://json-schema.org/draft-04/schema#", "const": 7})).unwrap();
    assert!(accepts(&c, b"7") && !accepts(&c, b"8"));
    let c = schema(json!({"$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"type": "null"}], "additionalItems": false}))
    .unwrap();
    assert!(accepts(&c, b"[null]") && !accepts(&c, b"[1]") && !accepts(&c, b"[null,1]"));
}

#[test]
fn one_of_needs_branches_that_differ() {
    let overlapping = json!({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]});
    let (place, message) = refusal(json!({"properties": {"a": overlapping}}));
    assert!(place == "#/properties/a/oneOf" && message.contains("one_of_as_any_of"), "{place}: {message}");
    let options = JsonOptions { one_of_as_any_of: true, ..JsonOptions::default() };
    assert!(compile(&Grammar::JsonSchema { schema: overlapping, options }).is_ok());
    let c = schema(json!({"oneOf": [{"type": "string"}, {"type": "null"}]})).unwrap();
    assert!(accepts(&c, b"null") && accepts(&c, b"\"a\"") && !accepts(&c, b"1"));
}

#[test]
fn references_of_every_kind_lead_to_their_schema() {
    let targets = [
        (json!({"$ref": "#/$defs/a~1b"}), json!({"a/b": {"const": 1}})),
        (json!({"$ref": "#/$defs/a%25b"}), json!({"a%b": {"const": 1}})),
        (json!({"$ref": "#/$defs/t~0t"}), json!({"t~t": {"const": 1}})),
        (json!({"$ref": "#named"}), json!({"x": {"$anchor": "named", "const": 1}})),
        (json!({"$ref": "#old"}), json!({"x": {"$id": "#old", "const": 1}})),
        (json!({"$ref": "https://x.example/y"}), json!({"x": {"$id": "https://x.example/y", "const": 1}})),
        (json!({"$ref": "#/$defs/x"}), json!({"x": {"$ref": "#/$defs/q~1r"}, "q/r": {"const": 1}})),
        (
            json!({"$ref": "#/$defs/x"}),
            json!({"x": {"$id": "doc", "$ref": "#/$defs/y", "$defs": {"y": {"const": 1}}},
            "y": {"const": 2}}),
        ),
    ];
    for (reference, defs) in targets {
        let c = schema(json!({"properties": {"p": reference}, "required": ["p"], "$defs": defs})).unwrap();
        assert!(accepts(&c, br#"{"p":1}"#), "{reference}");
        assert!(!accepts(&c, br#"{"p":2}"#), "{reference}");
    }
    let c = schema(
        json!({"$id": "https://x.example/tree", "type": "array", "items": {"$ref": "https://x.example/tree#"}}),
    );
    assert!(accepts(&c.unwrap(), b"[[],[[]]]"));
    let c = schema(json!({"type": "array", "items": {"$ref": "#"}, "maxItems": 2})).unwrap();
    assert!(accepts(&c, b"[[],[[]]]") && !accepts(&c, b"[1]"));
}

#[test]
fn objects_are_open_unless_closed_and_keep_their_order() {
    let open = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
    let c = schema(open.clone()).unwrap();
    assert!(accepts(&c, br#"{"a":1,"b":2,"c":"anything"}"#) && accepts(&c, br#"{"b":2}"#));
    assert!(!accepts(&c, br#"{"b":2,"a":1}"#), "declared properties come in order");
    let mut closed = open;
    closed["additionalProperties"] = json!(false);
    assert!(!accepts(&schema(closed).unwrap(), br#"{"c":1}"#));
}

#[test]
fn text_that_is_no_json_is_refused_with_its_place() {
    let error = Grammar::json_schema_text("{\n \"type\": nope}").unwrap_err();
    assert!(matches!(error, Error::Grammar { ref location, .. } if location == "2:11"), "{error}");
}
