//! Random texts under the mask, judged by independent readers.

use serde_json::json;

use super::*;

fn objects() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 6},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "tags": {"type": "array", "items": {"enum": ["x", "y", 3, null]}, "minItems": 1, "maxItems": 3},
            "next": {"$ref": "#/$defs/next"}
        },
        "required": ["name", "tags"],
        "additionalProperties": false,
        "$defs": {"next": {"anyOf": [{"type": "null"}, {"type": "object", "properties":
            {"at": {"type": "string", "format": "date"}}, "required": ["at"], "additionalProperties": false}]}}
    })
}

fn check_objects(value: &Value) {
    let object = value.as_object().unwrap();
    let known = ["name", "age", "tags", "next"];
    assert!(object.keys().all(|k| known.contains(&k.as_str())));
    assert!((1..=6).contains(&object["name"].as_str().unwrap().chars().count()));
    let tags = object["tags"].as_array().unwrap();
    assert!((1..=3).contains(&tags.len()));
    assert!(tags.iter().all(|t| [json!("x"), json!("y"), json!(3), json!(null)].contains(t)));
    if let Some(age) = object.get("age") {
        assert!((0..=150).contains(&age.as_i64().unwrap()));
    }
    if let Some(Value::Object(next)) = object.get("next") {
        let date = regex::Regex::new(r"^\d{4}-\d\d-\d\d$").unwrap();
        assert!(next.len() == 1 && date.is_match(next["at"].as_str().unwrap()));
    }
}

#[test]
fn walks_under_a_schema_fit_it() {
    let c = schema(objects()).unwrap();
    for seed in 0..150 {
        let text = walk(&c, seed, 60);
        let value: Value = serde_json::from_slice(&text).unwrap();
        check_objects(&value);
    }
}

#[test]
fn compact_json_has_no_white_space() {
    let options = JsonOptions { whitespace: JsonWhitespace::Compact, ..JsonOptions::default() };
    let c = compile(&Grammar::JsonSchema { schema: objects(), options }).unwrap();
    for seed in 0..60 {
        let text = walk(&c, seed, 60);
        let value: Value = serde_json::from_slice(&text).unwrap();
        check_objects(&value);
        // Strings may hold blanks, so lengths are compared with the value written without any.
        let strings = value["name"].as_str().unwrap();
        if !strings.contains(|c: char| c.is_whitespace() || c == '/' || c.is_control()) {
            assert!(!text.iter().any(u8::is_ascii_whitespace), "{}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn a_space_is_all_the_white_space_that_is_asked_for() {
    let options = JsonOptions { whitespace: JsonWhitespace::Space, ..JsonOptions::default() };
    let c = compile(&Grammar::JsonSchema { schema: objects(), options: options.clone() }).unwrap();
    for seed in 0..60 {
        check_objects(&serde_json::from_slice(&walk(&c, seed, 60)).unwrap());
    }
    let c = compile(&Grammar::JsonSchema { schema: json!({"type": "array"}), options }).unwrap();
    assert!(accepts(&c, b"[]") && accepts(&c, b"[ ]") && accepts(&c, b"[1, 2]"));
    assert!(!accepts(&c, b"[  ]") && !accepts(&c, b"[\n]"));
}

#[test]
fn white_space_is_bounded() {
    let c = schema(json!({"type": "array"})).unwrap();
    let spaced = |n: usize| format!("[{}]", " ".repeat(n)).into_bytes();
    assert!(accepts(&c, &spaced(0)) && accepts(&c, &spaced(64)));
    assert!(!accepts(&c, &spaced(65)));
}

#[test]
fn walks_under_any_schema_are_json() {
    let c = schema(json!(true)).unwrap();
    for seed in 0..100 {
        let text = walk(&c, seed, 40);
        assert!(is_json(&text), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn walks_under_a_regex_match_it() {
    let patterns = [
        r"[a-f0-9]{2,5}(-[a-f0-9]{2})?",
        r"(\d{1,3}\.){3}\d{1,3}",
        r"(yes|no|vielleicht)[.!?]{0,3}",
        r"/[^/\n]{1,9}/\w+",
        r"[\p{L} ]{3,20}",
        r"a?b?c?",
        r#""(\\["n]|[^"\\\n]){0,8}""#,
        r".{2,4}é",
        "",
    ];
    for pattern in patterns {
        let c = compile(&Grammar::Regex(pattern.into())).unwrap();
        let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
        for seed in 0..40 {
            let text = String::from_utf8(walk(&c, seed, 25)).unwrap();
            assert!(whole.is_match(&text), "{pattern}: {text:?}");
        }
    }
}

#[test]
fn a_lark_grammar_with_named_schemas() {
    let text = "start: call | TEXT\ncall: <|tool|> \"weather:\" @args\nTEXT: /[a-z ]{1,20}/\n";
    let args = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false});
    let grammar = Grammar::Lark {
        text: text.into(),
        schemas: vec![("args".into(), args)],
        options: JsonOptions::default(),
    };
    let start = compile(&grammar).unwrap();
    assert!(accepts(&start, b"just words"));
    assert!(!accepts(&start, b"<|tool|>weather:{\"city\":\"x\"}"));
    let mut call = start.clone();
    assert!(call.mask().unwrap().is_allowed(TOOL));
    call.accept(TOOL).unwrap();
    assert!(accepts(&call, b"weather:{\"city\":\"Oslo\"}"));
    assert!(!accepts(&call, b"weather:{\"town\":\"Oslo\"}"));
}

#[test]
fn an_end_token_that_the_grammar_names_ends_the_answer() {
    for (text, before) in [("start: \"a\" <|end|>", "a"), ("start: \"(\" start? \")\" | <|end|>", "(")] {
        let mut c = compile(&Grammar::lark(text)).unwrap();
        c.accept(u32::from(before.as_bytes()[0])).unwrap();
        let can_end_alone = c.can_end().unwrap();
        assert!(c.mask().unwrap().is_allowed(EOS) && !can_end_alone, "{text}");
        c.accept(EOS).unwrap();
        assert!(c.is_finished() && c.mask().unwrap().iter().next().is_none());
        c.rollback(1).unwrap();
        assert!(!c.is_finished() && c.mask().unwrap().is_allowed(EOS));
    }
}
