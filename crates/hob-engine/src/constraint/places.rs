//! Where a schema asks for items that differ, and what those items can be.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::distinct::{Place, Places};
use super::refs::{Path, Refs, get};

/// Schemas in places that are looked at; beyond, every array counts as one of distinct items.
const LOOKS_MAX: usize = 50_000;
/// Possible items that are listed.
const ITEMS_MAX: usize = 10_000;
/// References and alternatives that are followed to list items.
const DEPTH_MAX: usize = 8;

/// The places of the arrays whose items have to differ.
pub(super) fn find(root: &Value, refs: &Refs<'_>) -> Places {
    let mut places = Places::new();
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([(Path::new(), Place::Root)]);
    while let Some((path, place)) = queue.pop_front() {
        if seen.len() > LOOKS_MAX {
            places.extend([Place::Root, Place::Item, Place::AnyName].map(|place| (place, None)));
            break;
        }
        if !seen.insert((path.clone(), place.clone())) {
            continue;
        }
        let Some(Value::Object(members)) = get(root, &path) else { continue };
        if members.get("uniqueItems") == Some(&Value::Bool(true)) {
            let possible = possible_items(root, refs, &path);
            places
                .entry(place.clone())
                .and_modify(|all| {
                    *all = all.take().zip(possible.clone()).map(|(a, b)| a.union(&b).cloned().collect())
                })
                .or_insert(possible);
        }
        for (key, value) in members {
            let at = |inner: &[&str]| {
                let inner = inner.iter().map(|key| (*key).to_string());
                path.iter().cloned().chain([key.clone()]).chain(inner).collect::<Path>()
            };
            match (key.as_str(), value) {
                ("$ref", Value::String(name)) => {
                    queue.extend(refs.resolve(&path, name).map(|target| (target, place.clone())));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    queue.extend((0..all.len()).map(|i| (at(&[&i.to_string()]), place.clone())));
                }
                ("then" | "else", Value::Object(_)) => queue.push_back((at(&[]), place.clone())),
                ("dependencies" | "dependentSchemas", Value::Object(all)) => {
                    queue.extend(all.keys().map(|name| (at(&[name]), place.clone())));
                }
                ("properties", Value::Object(all)) => {
                    queue.extend(all.keys().map(|name| (at(&[name]), Place::Named(name.clone()))));
                }
                ("patternProperties", Value::Object(all)) => {
                    queue.extend(all.keys().map(|name| (at(&[name]), Place::AnyName)));
                }
                ("additionalProperties", Value::Object(_)) => queue.push_back((at(&[]), Place::AnyName)),
                ("items" | "additionalItems", Value::Object(_)) => queue.push_back((at(&[]), Place::Item)),
                ("items" | "prefixItems", Value::Array(all)) => {
                    queue.extend((0..all.len()).map(|i| (at(&[&i.to_string()]), Place::Item)));
                }
                _ => {}
            }
        }
    }
    places
}

/// The texts of all items that an array of the schema at `path` can have, where they can be listed.
pub(super) fn possible_items(root: &Value, refs: &Refs<'_>, path: &Path) -> Option<BTreeSet<String>> {
    let members = get(root, path)?.as_object()?;
    if members.contains_key("prefixItems") {
        return None;
    }
    let items = path.iter().cloned().chain(["items".to_string()]).collect();
    possible(root, refs, &items, 0)
}

fn possible(root: &Value, refs: &Refs<'_>, path: &Path, depth: usize) -> Option<BTreeSet<String>> {
    let members = get(root, path)?.as_object()?;
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(name) = members.get("$ref") {
        return possible(root, refs, &refs.resolve(path, name.as_str()?)?, depth + 1);
    }
    if let Some(one) = members.get("const") {
        return Some(BTreeSet::from([one.to_string()]));
    }
    if let Some(all) = members.get("enum").and_then(Value::as_array) {
        let fitting = all.iter().filter(|value| is_of_type(value, members));
        return (all.len() <= ITEMS_MAX).then(|| fitting.map(Value::to_string).collect());
    }
    if members.get("type").and_then(Value::as_str) == Some("boolean") {
        return Some(["true", "false"].map(String::from).into());
    }
    let key = ["anyOf", "oneOf"].into_iter().find(|key| members.contains_key(*key))?;
    let mut union = BTreeSet::new();
    for i in 0..members[key].as_array()?.len() {
        let at = path.iter().cloned().chain([key.to_string(), i.to_string()]).collect();
        union.append(&mut possible(root, refs, &at, depth + 1)?);
    }
    (union.len() <= ITEMS_MAX).then_some(union)
}

/// Whether a listed value is of the type that stands beside the list.
fn is_of_type(value: &Value, members: &Map<String, Value>) -> bool {
    let fits = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("number" | "integer") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    match members.get("type") {
        Some(Value::Array(names)) => names.iter().any(fits),
        Some(name) => fits(name),
        None => true,
    }
}
