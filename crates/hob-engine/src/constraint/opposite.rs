//! The opposite of a schema, as a schema: what `not` means, and the other side of `if`.
//!
//! What comes out never fits what went in. It may leave out some of what doesn't (a string beside lists of objects, say), so
//! output is held to more than was asked rather than to less.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Characters of listed strings of which an opposite is made.
const LETTERS_MAX: usize = 5_000;
/// Beyond it whole numbers are no longer told apart.
const EXACT_MAX: f64 = 9e15;
/// Schemas inside schemas.
const DEPTH_MAX: usize = 8;
const KINDS: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];
/// Members that assert nothing.
const ANNOTATIONS: [&str; 9] =
    ["title", "description", "default", "examples", "$comment", "$id", "readOnly", "writeOnly", "deprecated"];

/// A schema that nothing fits which fits `schema`; `None` where it is not known how to say that.
pub(super) fn opposite(schema: &Value) -> Option<Value> {
    opposite_within(schema, 0)
}

fn opposite_within(schema: &Value, depth: usize) -> Option<Value> {
    let members = match schema {
        Value::Bool(all) => return Some(Value::Bool(!all)),
        Value::Object(members) if depth < DEPTH_MAX => members,
        _ => return None,
    };
    // One assertion that fails is enough.
    let mut ways = Vec::new();
    for (key, value) in members {
        let bound = |key: &str, by: i64| json!({"type": "string", key: value.as_i64().map(|n| n + by)});
        match key.as_str() {
            key if ANNOTATIONS.contains(&key) => {}
            "type" => ways.extend(other_kinds(value)),
            "const" => ways.extend(other_values(std::slice::from_ref(value))?),
            "enum" => ways.extend(other_values(value.as_array()?)?),
            "required" => {
                for name in value.as_array()? {
                    ways.push(json!({"type": "object", "properties": {name.as_str()?: false}}));
                }
            }
            "properties" => {
                for (name, inner) in value.as_object()? {
                    let other = opposite_within(inner, depth + 1)?;
                    ways.push(json!({"type": "object", "properties": {name: other}, "required": [name]}));
                }
            }
            "minimum" => ways.push(json!({"type": "number", "exclusiveMaximum": value.as_f64()?})),
            "maximum" => ways.push(json!({"type": "number", "exclusiveMinimum": value.as_f64()?})),
            "minLength" if value.as_i64()? > 0 => ways.push(bound("maxLength", -1)),
            "minLength" => {}
            "maxLength" => ways.push(bound("minLength", 1)),
            "allOf" => {
                for inner in value.as_array()? {
                    ways.push(opposite_within(inner, depth + 1)?);
                }
            }
            "anyOf" => {
                let all = value.as_array()?.iter().map(|inner| opposite_within(inner, depth + 1));
                ways.push(json!({"allOf": all.collect::<Option<Vec<_>>>()?}));
            }
            _ => return None,
        }
    }
    ways.retain(|way| *way != Value::Bool(false));
    Some(match ways.len() {
        0 => Value::Bool(false),
        1 => ways.remove(0),
        _ => json!({"anyOf": ways}),
    })
}

/// Beside `type`: what is of another one.
fn other_kinds(names: &Value) -> Option<Value> {
    let names: Vec<&str> = match names {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    // A number that is no integer would be one, too, but cannot be asked for.
    let is_named = |kind: &str| names.contains(&kind) || kind == "number" && names.contains(&"integer");
    let others: Vec<&str> = KINDS.into_iter().filter(|kind| !is_named(kind)).collect();
    (!others.is_empty()).then(|| json!({"type": others}))
}

/// Schemas for values that are none of these.
fn other_values(values: &[Value]) -> Option<Vec<Value>> {
    let mut ways = Vec::new();
    let has = |is: fn(&Value) -> bool| values.iter().any(is);
    let listed = [
        has(Value::is_null),
        has(Value::is_boolean),
        has(Value::is_number),
        has(Value::is_string),
        has(Value::is_array),
        has(Value::is_object),
    ];
    let others: Vec<&str> =
        KINDS.iter().zip(listed).filter(|(_, listed)| !listed).map(|(kind, _)| *kind).collect();
    if !others.is_empty() {
        ways.push(json!({"type": others}));
    }
    let flags: Vec<bool> = values.iter().filter_map(Value::as_bool).collect();
    if let Some(first) = flags.first().filter(|first| flags.iter().all(|flag| flag == *first)) {
        ways.push(json!({"const": !first}));
    }
    let mut numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    if numbers.iter().any(|n| n.abs() > EXACT_MAX) {
        return None;
    }
    numbers.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (numbers.first(), numbers.last()) {
        ways.push(json!({"type": "number", "exclusiveMaximum": least}));
        ways.push(json!({"type": "number", "exclusiveMinimum": most}));
        let gaps = numbers.windows(2).filter(|pair| pair[0] < pair[1]);
        ways.extend(
            gaps.map(
                |pair| json!({"type": "number", "exclusiveMinimum": pair[0], "exclusiveMaximum": pair[1]}),
            ),
        );
    }
    let strings: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    if !strings.is_empty() {
        ways.push(json!({"type": "string", "pattern": pattern_of_others(&strings)?}));
    }
    Some(ways)
}

#[derive(Default)]
struct Letters {
    next: BTreeMap<char, Letters>,
    is_end: bool,
}

/// A pattern of all strings that are none of these.
fn pattern_of_others(strings: &[&str]) -> Option<String> {
    let mut root = Letters::default();
    for string in strings {
        let mut at = &mut root;
        for letter in string.chars() {
            at = at.next.entry(letter).or_default();
        }
        at.is_end = true;
    }
    let letters: usize = strings.iter().map(|s| s.chars().count()).sum();
    let longest = strings.iter().map(|s| s.chars().count()).max()?;
    if letters > LETTERS_MAX || longest > 40 {
        return None;
    }
    Some(format!("^{}$", others_from(&root)))
}

fn others_from(at: &Letters) -> String {
    let escaped = |letter: &char| regex_syntax::escape(&letter.to_string());
    let mut ways: Vec<String> =
        at.next.iter().map(|(letter, next)| escaped(letter) + &others_from(next)).collect();
    let any = r"(?s:.*)";
    ways.push(match at.next.is_empty() {
        true => format!("(?s:.){any}"),
        false => format!("[^{}]{any}", at.next.keys().map(escaped).collect::<String>()),
    });
    let all = format!("(?:{})", ways.join("|"));
    if at.is_end { all } else { format!("{all}?") }
}

/// Puts in place of `if`, `then` and `else` what they mean. `other` is the opposite of `if`.
pub(super) fn replace_condition(members: &mut Map<String, Value>, other: Value) {
    let mut take = |key: &str| members.shift_remove(key);
    let (condition, then, otherwise) = (take("if"), take("then"), take("else"));
    let both = |side: Option<Value>, consequence: Option<Value>| match (side, consequence) {
        (Some(side), Some(consequence)) => json!({"allOf": [side, consequence]}),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => json!({}),
    };
    demand(members, json!({"anyOf": [both(condition, then), both(Some(other), otherwise)]}));
}

/// Puts in place of the `dependencies` under `key` what they mean.
pub(super) fn replace_dependencies(members: &mut Map<String, Value>, key: &str) {
    let Some(Value::Object(all)) = members.shift_remove(key) else { return };
    for (name, wanted) in all {
        let with = match wanted {
            Value::Array(names) => {
                let names: Vec<Value> = [Value::from(name.clone())].into_iter().chain(names).collect();
                json!({"type": "object", "required": names})
            }
            schema => json!({"allOf": [{"type": "object", "required": [name]}, schema]}),
        };
        demand(members, json!({"anyOf": [{"properties": {name: false}}, with]}));
    }
}

/// Adds a schema that has to be fitted, too.
pub(super) fn demand(members: &mut Map<String, Value>, schema: Value) {
    if let Value::Array(all) = members.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
        all.push(schema);
    }
}
