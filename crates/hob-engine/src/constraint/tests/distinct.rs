//! What no grammar says: items that differ, branches that exclude each other, conditions and opposites.

use serde_json::json;

use super::*;

/// Whether no array in the value has two equal items.
fn has_distinct_items(value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            let differ = |i: usize| items[..i].iter().all(|other| *other != items[i]);
            (0..items.len()).all(differ) && items.iter().all(has_distinct_items)
        }
        Value::Object(members) => members.values().all(has_distinct_items),
        _ => true,
    }
}

fn unique(items: Value) -> Value {
    json!({"type": "array", "items": items, "uniqueItems": true, "maxItems": 6})
}

#[test]
fn random_texts_repeat_no_item_and_find_an_end() {
    let schemas = [
        unique(json!({"type": "string"})),
        // So short that many beginnings lead nowhere.
        unique(json!({"type": "string", "maxLength": 1})),
        unique(json!({"type": "integer"})),
        unique(json!({"type": "number", "minimum": -20, "maximum": 20})),
        // Beginnings that several share, of which some may be used up.
        unique(json!({"enum": ["silent", "silentWithProgress", "si", "interactive", 1, 10, 100, true]})),
        unique(json!({"$ref": "#/$defs/either", "x": {}})),
        unique(json!({"type": ["boolean", "null", "integer"]})),
        unique(
            json!({"type": "object", "properties": {"name": {"type": "string"}, "on": {"type": "boolean"}},
            "required": ["name", "on"], "additionalProperties": false}),
        ),
        unique(json!({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2})),
        json!({"type": "object", "properties": {"tags": unique(json!({"type": "string"})),
            "more": {"anyOf": [{"type": "null"}, {"$ref": "#/properties/tags"}]}}, "required": ["tags", "more"],
            "additionalProperties": false}),
        json!({"type": "object", "additionalProperties": unique(json!({"enum": ["a", "b"]})), "maxProperties": 2}),
        json!({"type": "array", "items": unique(json!({"type": "boolean"})), "minItems": 1, "maxItems": 3}),
    ];
    for mut value in schemas {
        value["$defs"] = json!({"either": {"anyOf": [{"const": "ab"}, {"enum": ["abc", "a"]}]}});
        for whitespace in [JsonWhitespace::Compact, JsonWhitespace::Flexible] {
            let options = JsonOptions { whitespace, ..JsonOptions::default() };
            let c = compile(&Grammar::JsonSchema { schema: value.clone(), options }).unwrap();
            for seed in 0..60 {
                let text = walk(&c, seed, 40);
                let read: Value = serde_json::from_slice(&text).unwrap();
                let only_inner = value["items"]["uniqueItems"] == true;
                let holds = match &read {
                    Value::Array(items) if only_inner => items.iter().all(has_distinct_items),
                    all => has_distinct_items(all),
                };
                assert!(holds, "{value}: {}", String::from_utf8_lossy(&text));
            }
        }
    }
}

#[test]
fn equal_items_are_told_by_value() {
    let c = schema(unique(json!({}))).unwrap();
    let fitting = [
        r#"["a","b","ab"]"#,
        r#"[1,"1",[1],{"a":1},null,true]"#,
        r#"[{"a":1,"b":2},{"a":1},{"a":1,"b":3}]"#,
        r#"[[0,1],[1,0],[]]"#,
        "[]",
    ];
    fitting.iter().for_each(|text| assert!(accepts(&c, text.as_bytes()), "{text}"));
    let repeating = [
        r#"["a","b","a"]"#,
        r#"["a", "\u0061"]"#,
        "[1,2,1.0]",
        "[10 ,1e1 ]",
        "[true,true]",
        "[null , null]",
        r#"[{"a":1,"b":[2]},{"b":[2],"a":1}]"#,
        r#"[[1],[ 1 ]]"#,
        "[{},{}]",
    ];
    repeating.iter().for_each(|text| assert!(!accepts(&c, text.as_bytes()), "{text}"));
}

#[test]
fn only_arrays_that_are_asked_to_differ_are_held_to_it() {
    let c = schema(json!({"type": "object", "properties": {"ids": unique(json!({"type": "integer"})),
        "scores": {"type": "array", "items": {"type": "integer"}}}}))
    .unwrap();
    assert!(
        accepts(&c, br#"{"ids":[1,2],"scores":[1,1]}"#) && !accepts(&c, br#"{"ids":[1,1],"scores":[1]}"#)
    );
}

#[test]
fn more_items_than_there_are_cannot_be_asked_for() {
    let mut value = unique(json!({"enum": ["a", "b"]}));
    assert!(accepts(&schema(value.clone()).unwrap(), br#"["b","a"]"#));
    value["minItems"] = json!(3);
    assert!(schema(value).is_err());
}

#[test]
fn masks_guesses_and_what_is_taken_back_agree_about_repeated_items() {
    let mut c = schema(unique(json!({"type": "string"}))).unwrap();
    let ids = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
    assert_eq!(c.fitting(&ids(r#"["ab","ab"]"#)), r#"["ab","ab"#.len());
    ids(r#"["ab","ab"#).iter().for_each(|id| c.accept(*id).unwrap());
    let quote = u32::from(b'"');
    assert!(!c.mask().unwrap().is_allowed(quote) && c.mask().unwrap().is_allowed(u32::from(b'c')));
    assert!(matches!(c.accept(quote), Err(Error::TokenNotAllowed { id: 34, position: 9 })));
    c.rollback(1).unwrap();
    assert!(c.mask().unwrap().is_allowed(quote), "\"a\" is another item");
    c.rollback(4).unwrap();
    ids("\"]").iter().for_each(|id| c.accept(*id).unwrap());
    c.accept(EOS).unwrap();
}

#[test]
fn branches_with_properties_of_their_own_exclude_each_other() {
    let c = schema(
        json!({"type": "object", "properties": {"radius": {"type": "integer"}, "width": {"type": "integer"},
        "height": {"type": "integer"}}, "additionalProperties": false,
        "oneOf": [{"required": ["radius"]}, {"required": ["width", "height"]}]}),
    )
    .unwrap();
    assert!(accepts(&c, br#"{"radius":1}"#) && accepts(&c, br#"{"width":1,"height":2}"#));
    for text in ["{}", r#"{"width":1}"#, r#"{"radius":1,"width":1,"height":2}"#] {
        assert!(!accepts(&c, text.as_bytes()), "{text}");
    }
}

#[test]
fn branches_that_no_value_shares_are_alternatives() {
    let cases = [
        (
            json!({"oneOf": [{"enum": ["red", "blue"]}, {"pattern": "^#[0-9a-f]{3}$", "type": "string"}]}),
            vec!["\"red\"", "\"#0af\""],
            vec!["\"green\""],
        ),
        (
            json!({"type": "integer", "oneOf": [{"minimum": -1, "maximum": -1}, {"minimum": 50, "maximum": 100}]}),
            vec!["-1", "77"],
            vec!["0"],
        ),
        // Null fits both, which the standard refuses.
        (
            json!({"oneOf": [{"minLength": 2, "maxLength": 3, "type": ["string", "null"]}, {"type": "null"}]}),
            vec!["\"ab\""],
            vec!["null"],
        ),
        (
            json!({"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}], "$defs": {
            "a": {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            "b": {"type": "object", "properties": {"kind": {"enum": ["b", "c"]}}, "required": ["kind"]}}}),
            vec![r#"{"kind":"a"}"#, r#"{"kind":"c"}"#],
            vec![r#"{"kind":"d"}"#, "{}"],
        ),
        // Without a type every string fits both, which leaves objects.
        (
            json!({"oneOf": [{"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}),
            vec![r#"{"kind":"a"}"#, r#"{"kind":"b"}"#],
            vec!["1", "\"a\"", "null", "[]", "{}"],
        ),
        // A reference into a branch that moves.
        (
            json!({"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
            {"type": "object", "required": ["b"], "properties": {"b": {"$ref": "#/oneOf/0"}}}]}),
            vec![r#"{"a":1}"#, r#"{"b":{"a":1}}"#],
            vec![r#"{"a":1,"b":{"a":1}}"#, r#"{"b":{}}"#],
        ),
        (
            json!({"anyOf": [{"type": "object"}], "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            vec![r#"{"a":1}"#],
            vec![r#"{"a":1,"b":1}"#, "1"],
        ),
    ];
    for (value, fitting, others) in cases {
        let c = schema(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}"));
        fitting.iter().for_each(|text| assert!(accepts(&c, text.as_bytes()), "{value}: {text}"));
        others.iter().for_each(|text| assert!(!accepts(&c, text.as_bytes()), "{value}: {text}"));
    }
}

#[test]
fn branches_that_cannot_be_told_apart_are_refused() {
    for value in [
        json!({"oneOf": [{"type": "string", "minLength": 1}, {"type": "string", "pattern": "a"}]}),
        json!({"oneOf": [{"required": ["a"]}, {"required": ["a", "b"]}]}),
        json!({"oneOf": [{}, {}]}),
    ] {
        assert!(schema(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn conditions_and_opposites_hold() {
    let kind = |kind: &str| json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
    let cases = [
        (
            json!({"type": "object", "properties": {"kind": {"type": "string"}, "size": {"type": "integer"}},
            "required": ["kind"], "additionalProperties": false, "if": kind("box"), "then": {"required": ["size"]}}),
            vec![
                r#"{"kind":"box","size":1}"#,
                r#"{"kind":"bo"}"#,
                r#"{"kind":"boxes"}"#,
                r#"{"kind":""}"#,
                r#"{"kind":"a","size":1}"#,
            ],
            vec![r#"{"kind":"box"}"#, "{}"],
        ),
        (
            json!({"type": "object", "properties": {"kind": {"enum": ["box", "ball", 3]}, "size": {"type": "integer"}},
            "allOf": [{"if": kind("box"), "then": {"required": ["size"]}, "else": {"properties": {"size": false}}}]}),
            vec![r#"{"kind":"box","size":1}"#, r#"{"kind":"ball"}"#, r#"{"kind":3}"#, "{}"],
            vec![r#"{"kind":"box"}"#, r#"{"kind":"ball","size":1}"#],
        ),
        (
            json!({"type": ["integer", "string"], "not": {"enum": [0, 5, "x", "xy"]}}),
            vec!["1", "-3", "7", "\"\"", "\"y\"", "\"xyz\"", "\"xx\""],
            vec!["0", "5", "\"x\"", "\"xy\"", "null"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "additionalProperties": false, "not": {"required": ["a", "b"]}}),
            vec!["{}", r#"{"a":1}"#, r#"{"b":1}"#],
            vec![r#"{"a":1,"b":1}"#],
        ),
        (
            json!({"type": "object", "properties": {"card": {"type": "string"}, "address": {"type": "string"}},
            "additionalProperties": false, "dependentRequired": {"card": ["address"]}}),
            vec!["{}", r#"{"address":"x"}"#, r#"{"card":"1","address":"x"}"#],
            vec![r#"{"card":"1"}"#],
        ),
        (
            json!({"type": "object", "properties": {"card": {"type": "string"}},
            "dependencies": {"card": {"properties": {"card": {"maxLength": 2}}}}}),
            vec!["{}", r#"{"card":"12"}"#],
            vec![r#"{"card":"123"}"#],
        ),
    ];
    for (value, fitting, others) in cases {
        let c = schema(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}"));
        fitting.iter().for_each(|text| assert!(accepts(&c, text.as_bytes()), "{value}: {text}"));
        others.iter().for_each(|text| assert!(!accepts(&c, text.as_bytes()), "{value}: {text}"));
    }
}
