//! `oneOf` without overlap: its branches are shown to exclude each other, or made to.
//!
//! A grammar can say "one of these", not "exactly one". Where no value fits two branches both mean the same and `oneOf`
//! becomes `anyOf`. Two branches for objects that each demand a property of their own are kept apart by forbidding each the
//! other's; whatever then fits one branch fits no second one, as the standard wants.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::refs::{Path, Refs, get};

/// Looks at schemas, at most, to keep the branches of one `oneOf` apart.
const LOOKS_MAX: usize = 20_000;
/// Schemas inside schemas that are looked into.
const DEPTH_MAX: usize = 8;

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const NUMBER: u8 = 4;
const STRING: u8 = 8;
const ARRAY: u8 = 16;
const OBJECT: u8 = 32;
const KINDS: [(u8, &str); 6] = [
    (NULL, "null"),
    (BOOLEAN, "boolean"),
    (NUMBER, "number"),
    (STRING, "string"),
    (ARRAY, "array"),
    (OBJECT, "object"),
];
const ALL: [u8; 6] = [NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT];
/// Members that say nothing about values of these kinds.
const SILENT: [(u8, &[&str]); 4] = [
    (
        !OBJECT,
        &[
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
            "dependencies",
            "dependentRequired",
            "dependentSchemas",
        ],
    ),
    (!ARRAY, &["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"]),
    (!STRING, &["minLength", "maxLength", "pattern", "format"]),
    (!NUMBER, &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
];
/// Members that say nothing about any value, or are looked at by themselves.
const ASIDE: [&str; 14] = [
    "type",
    "allOf",
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// What has to hold beside each branch of the `oneOf` of the schema at `path`, so that no value fits two; `None` where no way
/// is found.
pub(super) fn separate<'a>(root: &'a Value, refs: &'a Refs<'a>, path: &'a Path) -> Option<Vec<Value>> {
    let look = Look { root, refs, at: path, left: Cell::new(LOOKS_MAX) };
    let around = look.parts(path, 0);
    let count = get(root, path)?.get("oneOf")?.as_array()?.len();
    let branches: Vec<Parts<'_>> = (0..count)
        .map(|i| {
            let at = path.iter().cloned().chain(["oneOf".to_string(), i.to_string()]).collect();
            let mut parts = look.parts(&at, 0);
            parts.extend(around.iter().cloned());
            parts
        })
        .collect();
    let mut beside = vec![Beside::default(); count];
    for i in 0..count {
        for j in 0..i {
            look.keep_apart((&branches[i], &branches[j]), |of_i, of_j| {
                beside[i].add(of_i);
                beside[j].add(of_j);
            })?;
        }
    }
    let beside: Vec<Value> = beside.iter().map(Beside::schema).collect();
    beside.iter().any(|b| *b != Value::Bool(false)).then_some(beside)
}

/// Objects that a value has to fit all of, with their places.
type Parts<'a> = Vec<(Path, &'a Map<String, Value>)>;

/// What is demanded beside a branch.
#[derive(Clone, Default)]
struct Beside {
    forbidden: Vec<String>,
    /// Kinds of values that are left out.
    out: u8,
}

enum Demand {
    Without(String),
    NoneOf(u8),
}

impl Beside {
    fn add(&mut self, demand: Demand) {
        match demand {
            Demand::Without(name) if self.forbidden.contains(&name) => {}
            Demand::Without(name) => self.forbidden.push(name),
            Demand::NoneOf(kind) => self.out |= kind,
        }
    }

    fn schema(&self) -> Value {
        let mut schema = Map::new();
        if !self.forbidden.is_empty() {
            let names = self.forbidden.iter().map(|name| (name.clone(), Value::Bool(false)));
            schema.insert("properties".into(), Value::Object(names.collect()));
        }
        if self.out != 0 {
            let left = KINDS.iter().filter(|(kind, _)| self.out & kind == 0).map(|(_, name)| *name);
            schema.insert("type".into(), left.collect());
        }
        Value::Object(schema)
    }
}

struct Look<'a> {
    root: &'a Value,
    refs: &'a Refs<'a>,
    /// The schema whose `oneOf` this is about.
    at: &'a Path,
    left: Cell<usize>,
}

impl<'a> Look<'a> {
    /// The schema at `path` as the objects that all have to be fitted; a reference stands for its target alone, as older
    /// drafts have it.
    fn parts(&self, path: &Path, depth: usize) -> Parts<'a> {
        let Some(Value::Object(members)) = get(self.root, path) else { return Vec::new() };
        if depth > DEPTH_MAX || self.left.get() == 0 {
            return Vec::new();
        }
        self.left.set(self.left.get() - 1);
        if let Some(target) = members.get("$ref") {
            let target = target.as_str().and_then(|name| self.refs.resolve(path, name));
            return target.map_or_else(Vec::new, |target| self.parts(&target, depth + 1));
        }
        let mut parts = vec![(path.clone(), members)];
        for i in 0..members.get("allOf").and_then(Value::as_array).map_or(0, Vec::len) {
            parts.extend(self.parts(&deeper(path, &["allOf", &i.to_string()]), depth + 1));
        }
        parts
    }

    /// Calls `demand` with what keeps values from fitting both; `None` where nothing does.
    fn keep_apart(
        &self,
        (a, b): (&Parts<'a>, &Parts<'a>),
        mut demand: impl FnMut(Demand, Demand),
    ) -> Option<()> {
        for kind in ALL {
            if !self.is_possible(a, kind, 0) || !self.is_possible(b, kind, 0) || self.exclude(kind, a, b, 0) {
                continue;
            }
            match kind {
                // What fits both is what the standard refuses.
                _ if kind == NULL || self.takes_all(a, kind) && self.takes_all(b, kind) => {
                    demand(Demand::NoneOf(kind), Demand::NoneOf(kind));
                }
                OBJECT => {
                    let of_a = required(a).find(|name| required(b).all(|other| other != *name))?;
                    let of_b = required(b).find(|name| required(a).all(|other| other != *name))?;
                    demand(Demand::Without(of_b.to_string()), Demand::Without(of_a.to_string()));
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Whether every value of `kind` fits that is of an allowed type, the `oneOf` left aside.
    fn takes_all(&self, parts: &Parts<'a>, kind: u8) -> bool {
        let is_silent =
            |key: &str| SILENT.iter().any(|(kinds, keys)| kinds & kind != 0 && keys.contains(&key));
        parts.iter().all(|(path, part)| {
            let mut keys = part.keys().map(String::as_str);
            keys.all(|key| is_silent(key) || ASIDE.contains(&key) || key == "oneOf" && path == self.at)
        })
    }

    /// Whether no value fits both. `false` may mean that it is not known.
    fn are_disjoint(&self, a: &Parts<'a>, b: &Parts<'a>, depth: usize) -> bool {
        ALL.into_iter().all(|kind| {
            !self.is_possible(a, kind, depth)
                || !self.is_possible(b, kind, depth)
                || self.exclude(kind, a, b, depth)
        })
    }

    /// Whether a value of `kind` might fit.
    fn is_possible(&self, parts: &Parts<'a>, kind: u8, depth: usize) -> bool {
        let of_type = |name: &Value| name.as_str().is_none_or(|name| kind_of_name(name) & kind != 0);
        parts.iter().all(|(path, part)| {
            let by_type = match part.get("type") {
                Some(Value::Array(names)) => names.iter().any(of_type),
                Some(name) => of_type(name),
                None => true,
            };
            let by_value = listed(part).is_none_or(|mut values| values.any(|v| kind_of(v) == kind));
            by_type
                && by_value
                && ["anyOf", "oneOf"].into_iter().all(|key| match alternatives(part, key) {
                    Some(count) if depth < DEPTH_MAX && !is_around(parts, path, key) => (0..count).any(|i| {
                        let inner = self.parts(&deeper(path, &[key, &i.to_string()]), depth + 1);
                        self.is_possible(&inner, kind, depth + 1)
                    }),
                    _ => true,
                })
        })
    }

    /// Whether no value of `kind` fits both `a` and `b`.
    fn exclude(&self, kind: u8, a: &Parts<'a>, b: &Parts<'a>, depth: usize) -> bool {
        if depth > DEPTH_MAX || self.left.get() == 0 {
            return false;
        }
        self.left.set(self.left.get() - 1);
        self.values_fail(kind, a, b)
            || self.values_fail(kind, b, a)
            || match kind {
                NUMBER => are_apart(bounds(a), bounds(b)),
                STRING => are_apart(counts(a, "Length"), counts(b, "Length")),
                ARRAY => are_apart(counts(a, "Items"), counts(b, "Items")),
                OBJECT => self.have_no_object(a, b, depth),
                _ => false,
            }
            || self.alternatives_exclude(kind, a, b, depth)
            || self.alternatives_exclude(kind, b, a, depth)
    }

    /// Whether `a` lists its values and none of `kind` fits `b`.
    fn values_fail(&self, kind: u8, a: &Parts<'a>, b: &Parts<'a>) -> bool {
        a.iter().filter_map(|(_, part)| listed(part)).any(|mut values| {
            values.all(|v| kind_of(v) != kind || b.iter().any(|(_, part)| surely_fails(v, part)))
        })
    }

    fn have_no_object(&self, a: &Parts<'a>, b: &Parts<'a>, depth: usize) -> bool {
        let differ = |name: &str| {
            let (of_a, of_b) = (self.property(a, name), self.property(b, name));
            !of_a.is_empty() && !of_b.is_empty() && self.are_disjoint(&of_a, &of_b, depth + 1)
        };
        required(a).any(|name| forbids(b, name) || differ(name))
            || required(b).any(|name| forbids(a, name) || differ(name))
    }

    /// What `parts` say about the property `name`.
    fn property(&self, parts: &Parts<'a>, name: &str) -> Parts<'a> {
        let declaring =
            parts.iter().filter(|(_, part)| part.get("properties").is_some_and(|p| p.get(name).is_some()));
        declaring.flat_map(|(path, _)| self.parts(&deeper(path, &["properties", name]), 0)).collect()
    }

    /// Whether each alternative of some `anyOf` or `oneOf` of `a` excludes `b`.
    fn alternatives_exclude(&self, kind: u8, a: &Parts<'a>, b: &Parts<'a>, depth: usize) -> bool {
        a.iter().any(|(path, part)| {
            ["anyOf", "oneOf"].into_iter().any(|key| match alternatives(part, key) {
                Some(count) if !is_around(a, path, key) => (0..count).all(|i| {
                    let inner = self.parts(&deeper(path, &[key, &i.to_string()]), depth + 1);
                    !self.is_possible(&inner, kind, depth + 1) || self.exclude(kind, &inner, b, depth + 1)
                }),
                _ => false,
            })
        })
    }
}

/// Whether `parts` are of a branch of the very list `key` at `path`.
fn is_around(parts: &Parts<'_>, path: &Path, key: &str) -> bool {
    parts
        .iter()
        .any(|(other, _)| other.len() > path.len() && other.starts_with(path) && other[path.len()] == key)
}

fn deeper(path: &Path, keys: &[&str]) -> Path {
    path.iter().cloned().chain(keys.iter().map(|key| (*key).to_string())).collect()
}

fn alternatives(part: &Map<String, Value>, key: &str) -> Option<usize> {
    Some(part.get(key)?.as_array()?.len())
}

fn required<'p>(parts: &'p Parts<'_>) -> impl Iterator<Item = &'p str> {
    let lists = parts.iter().filter_map(|(_, part)| part.get("required")?.as_array());
    lists.flatten().filter_map(Value::as_str)
}

fn forbids(parts: &Parts<'_>, name: &str) -> bool {
    parts.iter().any(|(_, part)| {
        let declared = part.get("properties").and_then(|p| p.get(name));
        let has_patterns =
            part.get("patternProperties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
        declared == Some(&Value::Bool(false))
            || declared.is_none()
                && !has_patterns
                && part.get("additionalProperties") == Some(&Value::Bool(false))
    })
}

/// The values of `enum` or `const`.
fn listed(part: &Map<String, Value>) -> Option<impl Iterator<Item = &Value>> {
    let list = part.get("enum").and_then(Value::as_array);
    let one = part.get("const");
    (list.is_some() || one.is_some())
        .then(|| list.into_iter().flatten().chain(one.filter(|_| list.is_none())))
}

fn kind_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// The kinds that a type's name allows; a name that is not known might be any.
fn kind_of_name(name: &str) -> u8 {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "number" | "integer" => NUMBER,
        "string" => STRING,
        "array" => ARRAY,
        "object" => OBJECT,
        _ => ALL.iter().sum(),
    }
}

/// Whether `value` does not fit. `false` may mean that it is not known.
fn surely_fails(value: &Value, part: &Map<String, Value>) -> bool {
    let of_type = |name: &Value| name.as_str().is_none_or(|name| kind_of_name(name) & kind_of(value) != 0);
    let wrong_type = match part.get("type") {
        Some(Value::Array(names)) => !names.iter().any(of_type),
        Some(name) => !of_type(name),
        None => false,
    };
    // Numbers are compared by value: 1 and 1.0 are one number.
    let is_same = |other: &Value| other == value || other.as_f64().is_some_and(|n| Some(n) == value.as_f64());
    let is_unlisted = listed(part).is_some_and(|mut values| !values.any(is_same));
    let out_of_range = match value {
        Value::Number(n) => n.as_f64().is_some_and(|n| {
            let (low, high) = bounds_of(part);
            n < low || n > high
        }),
        Value::String(s) => {
            let (low, high) = counts_of(part, "Length");
            let length = s.chars().count() as f64;
            length < low || length > high || !matches_pattern(s, part)
        }
        _ => false,
    };
    let inner_fails = value.as_object().is_some_and(|members| {
        let lacks = |name: &Value| name.as_str().is_some_and(|name| !members.contains_key(name));
        part.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(lacks))
    });
    wrong_type || is_unlisted || out_of_range || inner_fails
}

/// Whether the text might match the pattern: a pattern that is not understood might.
fn matches_pattern(text: &str, part: &Map<String, Value>) -> bool {
    let Some(pattern) = part.get("pattern").and_then(Value::as_str) else { return true };
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_or(true, |pattern| pattern.is_match(text))
}

type Range = (f64, f64);

fn bounds_of(part: &Map<String, Value>) -> Range {
    // The exclusive forms are looser here: what they add is not needed.
    let number = |key: &str| part.get(key).and_then(Value::as_f64);
    let low = [number("minimum"), number("exclusiveMinimum")].into_iter().flatten();
    let high = [number("maximum"), number("exclusiveMaximum")].into_iter().flatten();
    (low.fold(f64::NEG_INFINITY, f64::max), high.fold(f64::INFINITY, f64::min))
}

fn counts_of(part: &Map<String, Value>, what: &str) -> Range {
    let number = |bound: &str| part.get(&format!("{bound}{what}")).and_then(Value::as_f64);
    (number("min").unwrap_or(0.0), number("max").unwrap_or(f64::INFINITY))
}

fn bounds(parts: &Parts<'_>) -> Range {
    common(parts.iter().map(|(_, part)| bounds_of(part)))
}

fn counts(parts: &Parts<'_>, what: &str) -> Range {
    common(parts.iter().map(|(_, part)| counts_of(part, what)))
}

fn common(ranges: impl Iterator<Item = Range>) -> Range {
    ranges.fold((f64::NEG_INFINITY, f64::INFINITY), |a, b| (a.0.max(b.0), a.1.min(b.1)))
}

fn are_apart(a: Range, b: Range) -> bool {
    a.1 < b.0 || b.1 < a.0
}
