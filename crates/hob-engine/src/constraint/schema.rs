//! Reads a JSON schema before llguidance does, and refuses by name and place whatever would not be enforced.
//!
//! Only what the root reaches, directly or by reference, is looked at: an unused definition may contain anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::distinct::Places;
use super::grammar::Limits;
use super::places;
use super::refs::{Path, Refs, pointer};
use super::{apart, lark, opposite, over_budget, rejected};
use crate::{Error, Result};

pub(super) const KIND: &str = "JSON schema";

/// Assertions of some draft that are not enforced.
const UNSUPPORTED: [&str; 12] = [
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "disallow",
    "divisibleBy",
    "extends",
    "maxContains",
    "minContains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];
/// Formats that llguidance turns into patterns.
const FORMATS: [&str; 10] =
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];
/// The standard's other formats.
const FORMATS_UNSUPPORTED: [&str; 9] = [
    "idn-email",
    "idn-hostname",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "uri-reference",
    "uri-template",
];
const COUNTS: [&str; 6] =
    ["maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"];
/// Members that hold a schema, a list of schemas, or schemas by name. `$defs` are reached by reference only.
const INNER: [&str; 4] = ["additionalItems", "additionalProperties", "items", "prefixItems"];
const INNER_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const INNER_MAPS: [&str; 2] = ["patternProperties", "properties"];
/// Members that tie properties to the presence of another.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dependentRequired", "dependentSchemas"];
/// Members whose presence alone asserts nothing, but which llguidance does not know.
const IGNORED: [&str; 2] = ["$dynamicAnchor", "$recursiveAnchor"];
/// The most schemas that one schema may consist of.
const SCHEMA_COUNT_MAX: usize = 20_000;

/// Whether the schema describes the whole text, or a part of one that something else surrounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    No,
}

/// A schema that has been read.
pub(super) struct Checked {
    /// In the form that llguidance reads right: references as plain absolute paths, no members that mean nothing, no branches
    /// that are seen to overlap.
    pub schema: Value,
    /// Where items have to differ, of a schema for the whole text.
    pub places: Places,
    /// The pointer of the first `oneOf` that may overlap: llguidance has the last word on it.
    pub overlap: Option<String>,
}

/// Reads a schema, and refuses what is not enforced.
pub(super) fn check(schema: &Value, limits: &Limits, whole: Whole) -> Result<Checked> {
    check_size(schema, limits)?;
    if let Value::Bool(allowed) = schema {
        return match allowed {
            true => {
                let schema = Value::Object(serde_json::Map::new());
                Ok(Checked { schema, places: Places::new(), overlap: None })
            }
            false => Err(rejected(KIND, "#", "the schema `false` allows nothing")),
        };
    }
    let mut walk = Walk {
        root: schema,
        limits,
        whole,
        refs: Refs::new(schema),
        queue: VecDeque::from([Path::new()]),
        seen: BTreeSet::new(),
        edits: BTreeMap::new(),
        rewrites: BTreeMap::new(),
        has_distinct: false,
        overlap: None,
    };
    while let Some(path) = walk.queue.pop_front() {
        if walk.seen.insert(path.clone()) {
            walk.visit(&path)?;
        }
        if walk.seen.len() > SCHEMA_COUNT_MAX {
            return Err(over_budget(KIND, pointer(&path), "schema nodes", SCHEMA_COUNT_MAX as u64));
        }
    }
    let places = if walk.has_distinct { places::find(schema, &walk.refs) } else { Places::new() };
    let overlap = walk.overlap.take();
    Ok(Checked { schema: walk.finish(), places, overlap })
}

/// Bounds depth and size without recursion.
fn check_size(schema: &Value, limits: &Limits) -> Result<()> {
    let mut open = vec![(schema, 0usize)];
    let mut bytes = 0usize;
    while let Some((value, depth)) = open.pop() {
        if depth > limits.nesting_max {
            return Err(over_budget(KIND, "#", "nesting levels", limits.nesting_max as u64));
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|v| (v, depth + 1))),
            Value::Object(members) => {
                bytes += members.keys().map(|k| k.len() + 4).sum::<usize>();
                open.extend(members.values().map(|v| (v, depth + 1)));
            }
            Value::String(s) => bytes += s.len(),
            _ => {}
        }
        bytes += 2;
        if bytes > limits.source_bytes_max {
            return Err(over_budget(KIND, "#", "bytes of text", limits.source_bytes_max as u64));
        }
    }
    Ok(())
}

struct Walk<'a> {
    root: &'a Value,
    limits: &'a Limits,
    whole: Whole,
    refs: Refs<'a>,
    queue: VecDeque<Path>,
    seen: BTreeSet<Path>,
    /// Member to replace, or to remove.
    edits: BTreeMap<Path, Option<Value>>,
    rewrites: BTreeMap<Path, Rewrite>,
    has_distinct: bool,
    /// Where a `oneOf` is that stays one.
    overlap: Option<String>,
}

/// What members of a schema are replaced by, in words that llguidance knows.
#[derive(Default)]
struct Rewrite {
    /// What has to hold beside each branch of a `oneOf`, so that it is an `anyOf`.
    beside: Option<Vec<Value>>,
    /// The opposite of `if`.
    otherwise: Option<Value>,
    /// The opposite of `not`.
    without: Option<Value>,
    dependencies: Vec<&'static str>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path) -> Result<()> {
        let here = || pointer(path);
        let members = match super::refs::get(self.root, path) {
            Some(Value::Bool(_)) => return Ok(()),
            Some(Value::Object(members)) => members,
            _ => return Err(rejected(KIND, here(), "expected a schema: an object or a boolean")),
        };
        for (key, value) in members {
            let at = || child(path, key);
            match key.as_str() {
                "uniqueItems" if *value == Value::Bool(false) => self.remove(at()),
                "uniqueItems" if *value == Value::Bool(true) && self.whole == Whole::Yes => {
                    self.distinct(path)
                }
                k if IGNORED.contains(&k) => self.remove(at()),
                "then" | "else" if !members.contains_key("if") => self.remove(at()),
                "then" | "else" => self.queue.push_back(at()),
                "if" if !members.contains_key("then") && !members.contains_key("else") => self.remove(at()),
                "if" | "not" => self.opposite(path, at(), value)?,
                k if DEPENDENCIES.contains(&k) => self.dependencies(path, at(), value)?,
                "minContains" | "maxContains" if !members.contains_key("contains") => self.remove(at()),
                k if UNSUPPORTED.contains(&k) => return Err(unsupported(&at(), k)),
                "$schema" => self.remove(at()),
                "format" => self.format(at(), value)?,
                "pattern" => self.pattern(&at(), value.as_str())?,
                "$ref" => self.reference(path, at(), value)?,
                "additionalItems" if members.contains_key("prefixItems") => {
                    return Err(rejected(
                        KIND,
                        pointer(&at()),
                        "`additionalItems` beside `prefixItems` mixes drafts; use `items`",
                    ));
                }
                k if COUNTS.contains(&k) => self.count(at(), value)?,
                k if INNER.contains(&k) || INNER_LISTS.contains(&k) || INNER_MAPS.contains(&k) => {
                    self.inner(at(), value)?;
                    if k == "oneOf" {
                        match apart::separate(self.root, &self.refs, path) {
                            Some(beside) => self.rewrite(path).beside = Some(beside),
                            None => drop(self.overlap.get_or_insert_with(|| pointer(&at()))),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remove(&mut self, at: Path) {
        self.edits.insert(at, None);
    }

    /// Queues the schemas inside a member.
    fn inner(&mut self, at: Path, value: &Value) -> Result<()> {
        let key = at.last().map_or("", String::as_str);
        match value {
            Value::Array(items) if !INNER_MAPS.contains(&key) => {
                self.queue.extend((0..items.len()).map(|i| child(&at, &i.to_string())));
            }
            Value::Object(members) if INNER_MAPS.contains(&key) => {
                if key == "patternProperties" {
                    members.keys().try_for_each(|k| self.pattern(&child(&at, k), Some(k)))?;
                }
                self.queue.extend(members.keys().map(|k| child(&at, k)));
            }
            Value::Object(_) | Value::Bool(_) if INNER.contains(&key) => self.queue.push_back(at),
            _ => {
                return Err(rejected(KIND, pointer(&at), format!("`{key}` holds a value of the wrong type")));
            }
        }
        Ok(())
    }

    fn format(&mut self, at: Path, value: &Value) -> Result<()> {
        match value.as_str() {
            Some(f) if FORMATS.contains(&f) => {}
            Some(f) if FORMATS_UNSUPPORTED.contains(&f) => {
                let message = format!("format `{f}` is not enforced; remove it or use `pattern`");
                return Err(rejected(KIND, pointer(&at), message));
            }
            _ => self.remove(at),
        }
        Ok(())
    }

    fn pattern(&self, at: &Path, text: Option<&str>) -> Result<()> {
        let text = text.ok_or_else(|| rejected(KIND, pointer(at), "expected a string"))?;
        lark::check_regex(KIND, text, self.limits).map_err(|(_, e)| e.at(KIND, pointer(at)))
    }

    /// Bounds a count, and writes `2.0` as the `2` that llguidance insists on.
    fn count(&mut self, at: Path, value: &Value) -> Result<()> {
        match value.as_f64() {
            Some(n) if n > self.limits.repeat_max as f64 => {
                return Err(over_budget(KIND, pointer(&at), "repetitions", self.limits.repeat_max));
            }
            Some(n) if n >= 0.0 && n.fract() == 0.0 => {
                self.edits.entry(at).or_insert(Some(Value::from(n as u64)));
            }
            _ => {}
        }
        Ok(())
    }

    fn reference(&mut self, path: &Path, at: Path, value: &Value) -> Result<()> {
        let target = value.as_str().and_then(|r| self.refs.resolve(path, r));
        let Some(target) = target else {
            let message =
                format!("reference {value} leads nowhere inside this schema; others are not fetched");
            return Err(rejected(KIND, pointer(&at), message));
        };
        self.edits.insert(at, Some(Value::String(self.refs.plain_name(&target))));
        self.queue.push_back(target);
        Ok(())
    }

    fn rewrite(&mut self, path: &Path) -> &mut Rewrite {
        self.rewrites.entry(path.clone()).or_default()
    }

    /// Finds the opposite of `if` or `not`.
    fn opposite(&mut self, path: &Path, at: Path, value: &Value) -> Result<()> {
        let key = at.last().map_or("", String::as_str);
        let Some(other) = opposite::opposite(value) else { return Err(unsupported(&at, key)) };
        match key {
            "if" => self.rewrite(path).otherwise = Some(other),
            _ => self.rewrite(path).without = Some(other),
        }
        self.queue.push_back(at);
        Ok(())
    }

    fn dependencies(&mut self, path: &Path, at: Path, value: &Value) -> Result<()> {
        let Some(key) = DEPENDENCIES.into_iter().find(|key| at.last().is_some_and(|last| last == key)) else {
            return Ok(());
        };
        let is_list =
            |value: &Value| value.as_array().is_some_and(|names| names.iter().all(Value::is_string));
        let Some(all) = value.as_object() else {
            return Err(rejected(KIND, pointer(&at), format!("`{key}` holds a value of the wrong type")));
        };
        self.queue.extend(all.iter().filter(|(_, v)| !is_list(v)).map(|(name, _)| child(&at, name)));
        self.rewrite(path).dependencies.push(key);
        Ok(())
    }

    /// Items that differ cannot be more than there are.
    fn distinct(&mut self, path: &Path) {
        self.has_distinct = true;
        self.remove(child(path, "uniqueItems"));
        if let Some(all) = places::possible_items(self.root, &self.refs, path) {
            let at = child(path, "maxItems");
            let most = super::refs::get(self.root, &at).and_then(Value::as_u64).unwrap_or(u64::MAX);
            self.edits.insert(at, Some(Value::from(most.min(all.len() as u64))));
        }
    }

    fn finish(self) -> Value {
        let mut schema = self.root.clone();
        for (path, edit) in self.edits {
            let (key, parent) = path.split_last().expect("an edit concerns a member");
            let Some(Value::Object(members)) = super::refs::get_mut(&mut schema, parent) else { continue };
            match edit {
                Some(value) => drop(members.insert(key.clone(), value)),
                None => drop(members.shift_remove(key)),
            }
        }
        self.refs.add_copies(&mut schema);
        // Inner ones first: an outer one moves them.
        for (path, rewrite) in self.rewrites.into_iter().rev() {
            if let Some(Value::Object(members)) = super::refs::get_mut(&mut schema, &path) {
                rewrite.apply(members);
            }
        }
        schema
    }
}

impl Rewrite {
    fn apply(self, members: &mut serde_json::Map<String, Value>) {
        if let Some(beside) = self.beside {
            set_apart(members, beside);
        }
        if let Some(otherwise) = self.otherwise {
            opposite::replace_condition(members, otherwise);
        }
        if let Some(without) = self.without {
            members.shift_remove("not");
            opposite::demand(members, without);
        }
        self.dependencies.into_iter().for_each(|key| opposite::replace_dependencies(members, key));
    }
}

/// Turns `oneOf` into an `anyOf` of its branches, each with what keeps it apart from the others.
fn set_apart(members: &mut serde_json::Map<String, Value>, beside: Vec<Value>) {
    let Some(Value::Array(branches)) = members.shift_remove("oneOf") else { return };
    let is_empty = |v: &Value| v.as_object().is_some_and(serde_json::Map::is_empty);
    let both = |(branch, beside): (Value, Value)| match is_empty(&beside) {
        true => branch,
        false => serde_json::json!({"allOf": [branch, beside]}),
    };
    let any: Vec<Value> = branches.into_iter().zip(beside).map(both).collect();
    if members.contains_key("anyOf") {
        opposite::demand(members, serde_json::json!({"anyOf": any}));
    } else {
        members.insert("anyOf".into(), Value::Array(any));
    }
}

fn unsupported(at: &Path, key: &str) -> Error {
    rejected(
        KIND,
        pointer(at),
        format!("`{key}` cannot be enforced during generation; remove it from the schema"),
    )
}

fn child(path: &Path, key: &str) -> Path {
    let mut path = path.clone();
    path.push(key.to_string());
    path
}
