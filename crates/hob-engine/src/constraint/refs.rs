//! `$ref` inside one schema: pointers with escapes, anchors, and `$id`s that move the base.
//!
//! llguidance without its `referencing` feature (18 packages) splits pointers at `/` and undoes no escapes. So each
//! reference is resolved here and rewritten; a target that no unescaped path can name is copied to a name that one can.

use std::collections::BTreeMap;

use serde_json::Value;

/// Unescaped member names and indices from the root.
pub(super) type Path = Vec<String>;

/// A path as a JSON pointer in a URI fragment.
pub(super) fn pointer(path: &[String]) -> String {
    let parts = path.iter().map(|p| format!("/{}", p.replace('~', "~0").replace('/', "~1")));
    format!("#{}", parts.collect::<String>())
}

pub(super) fn get<'v>(root: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, key| match value {
        Value::Object(members) => members.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

pub(super) fn get_mut<'v>(root: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, key| match value {
        Value::Object(members) => members.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Members whose schemas are put elsewhere (`schema.rs`).
const MOVING: [&str; 8] =
    ["dependencies", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "then"];

pub(super) struct Refs<'a> {
    root: &'a Value,
    /// Where `$id` (whole) and `#anchor` names lead; an anchor is prefixed by its base's pointer.
    names: BTreeMap<String, Path>,
    copies: BTreeMap<Path, String>,
}

impl<'a> Refs<'a> {
    pub fn new(root: &'a Value) -> Self {
        let mut refs = Self { root, names: BTreeMap::new(), copies: BTreeMap::new() };
        let mut open = vec![(root, Path::new())];
        while let Some((value, path)) = open.pop() {
            let member = |name: &str| value.get(name).and_then(Value::as_str);
            let id = member("$id").or_else(|| member("id"));
            let base = pointer(&refs.base(&path));
            if let Some(anchor) = member("$anchor") {
                refs.names.entry(format!("{base}#{anchor}")).or_insert_with(|| path.clone());
            }
            let name = match id.map(|id| id.trim_end_matches('#')) {
                Some("") | None => None,
                Some(id) if id.starts_with('#') => Some(format!("{base}{id}")),
                Some(id) => Some(id.to_string()),
            };
            if let Some(name) = name {
                refs.names.entry(name).or_insert_with(|| path.clone());
            }
            let deeper = |key: &str| path.iter().cloned().chain([key.to_string()]).collect();
            match value {
                Value::Object(members) => open.extend(members.iter().map(|(k, v)| (v, deeper(k)))),
                Value::Array(items) => {
                    open.extend(items.iter().enumerate().map(|(i, v)| (v, deeper(&i.to_string()))))
                }
                _ => {}
            }
        }
        refs
    }

    /// The closest schema around `path` (or at it) whose `$id` starts a document of its own; the root otherwise.
    fn base(&self, path: &[String]) -> Path {
        let starts = |n: &usize| {
            let id = get(self.root, &path[..*n]).and_then(|v| v.get("$id")).and_then(Value::as_str);
            id.is_some_and(|id| !id.starts_with('#'))
        };
        (1..=path.len()).rev().find(starts).map_or_else(Path::new, |n| path[..n].to_vec())
    }

    /// Where `reference`, found in the schema at `path`, leads; `None` if not to a place in this document.
    pub fn resolve(&self, path: &[String], reference: &str) -> Option<Path> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = match document {
            "" => self.base(path),
            id => self.names.get(id)?.clone(),
        };
        let fragment = unescape_percent(fragment)?;
        if fragment.is_empty() {
            return Some(base);
        }
        let Some(inner) = fragment.strip_prefix('/') else {
            return self.names.get(&format!("{}#{fragment}", pointer(&base))).cloned();
        };
        let mut target = base;
        if !inner.is_empty() || get(self.root, &target)?.get("").is_some() {
            target.extend(inner.split('/').map(|p| p.replace("~1", "/").replace("~0", "~")));
        }
        get(self.root, &target).is_some().then_some(target)
    }

    /// A reference to `target` that llguidance follows.
    pub fn plain_name(&mut self, target: &Path) -> String {
        if target.is_empty() {
            return "#".into();
        }
        let stays = |p: &String| !p.is_empty() && !p.contains('/') && !MOVING.contains(&p.as_str());
        if target.iter().all(stays) {
            return format!("#/{}", target.join("/"));
        }
        let next = self.copies.len();
        let name = self.copies.entry(target.clone()).or_insert_with(|| format!("hob-copy-{next}"));
        format!("#/$defs/{name}")
    }

    /// Adds to `schema`, whose references are rewritten already, the copies that [`Refs::plain_name`] promised.
    pub fn add_copies(self, schema: &mut Value) {
        for (target, name) in self.copies {
            let Some(copy) = get(schema, &target).cloned() else { continue };
            let defs = &mut schema["$defs"];
            if !defs.is_object() {
                *defs = Value::Object(serde_json::Map::new());
            }
            defs[name] = copy;
        }
    }
}

/// Undoes `%xx`; `None` if what comes out is no text.
fn unescape_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        let hex = |b: u8| (b as char).to_digit(16);
        match (b, tail) {
            (b'%', [high, low, tail @ ..]) => {
                bytes.push((hex(*high)? * 16 + hex(*low)?) as u8);
                rest = tail;
            }
            _ => bytes.push(b),
        }
    }
    String::from_utf8(bytes).ok()
}
