//! The description of Hob's own interface against the routes and the answers.

use crate::client::{cloud_at, config, start, start_with};
use hob_chats::Chats;
use hob_server::{ChatsAt, Folder, KeyBook, Keys, Probe, ShelfConfig, table};
use hob_store::Store;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    paths
        .iter()
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| (method, path.clone())))
        .collect()
}

#[test]
fn every_native_route_is_described_and_nothing_that_is_not_there() {
    let described = described(&start().get("/hob/v1/openapi.json").ok());
    let routes = table();
    let all = routes
        .iter()
        .map(|route| (route.method.as_str().to_ascii_lowercase(), route.path.replace("{*", "{")));
    let all: BTreeSet<(String, String)> = all.collect();
    let native: BTreeSet<_> = all.iter().filter(|(_, path)| path.starts_with("/hob/v1/")).cloned().collect();
    assert!(native.len() >= 4);
    assert_eq!(
        native.difference(&described).collect::<Vec<_>>(),
        Vec::<&(String, String)>::new(),
        "not described"
    );
    assert_eq!(described.difference(&all).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not there");
}

/// Whether `value` is as `schema` of `document` says; the keywords are those that `described!` writes.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return fits(document, target, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().any(|choice| fits(document, choice, value));
    }
    match schema["type"].as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" if schema["enum"].is_array() => schema["enum"].as_array().unwrap().contains(value),
        "string" => value.is_string(),
        "array" => {
            value.as_array().is_some_and(|all| all.iter().all(|one| fits(document, &schema["items"], one)))
        }
        "object" if schema["properties"].is_null() => value.is_object(),
        _ => {
            let (properties, found) = (schema["properties"].as_object().unwrap(), value.as_object().unwrap());
            let names: BTreeSet<_> = properties.keys().collect();
            names == found.keys().collect()
                && found.iter().all(|(key, value)| fits(document, &properties[key], value))
        }
    }
}

#[test]
fn answers_are_as_described() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config();
    let book = KeyBook::in_data(data.path());
    config.keys = Keys::default().with_book(book, |_| {});
    config.chats = ChatsAt::File(Arc::new(Chats::in_data(data.path())));
    config.cloud = Some(cloud_at(data.path()));
    config.shelf = Some(ShelfConfig {
        store: Store::in_data(data.path()),
        connect: Box::new(|| Err("nothing is fetched here".into())),
        places: || None,
        probe: Probe::new(|| None),
    });
    let server = start_with(config, Folder::new(&[], None));
    server.post("/api/generate", &serde_json::json!({"model": "ember", "keep_alive": "5m"})).ok();
    let document = server.get("/hob/v1/openapi.json").ok();
    let made = server.post("/hob/v1/keys", &serde_json::json!({"name": "a"})).ok();
    assert!(fits(&document, &document["components"]["schemas"]["KeyMade"], &made), "{made}");
    let wanted = &document["components"]["schemas"]["KeyWanted"];
    assert_eq!(wanted["required"], serde_json::json!(["name"]));
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if item["get"].is_null() || path.contains('{') {
            continue;
        }
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue; // Events go on for ever.
        }
        let asked = if path.ends_with("/search") { format!("{path}?q=word") } else { path.clone() };
        let answer = server.get(&asked).ok();
        assert!(fits(&document, schema, &answer), "{path}: {answer}");
        checked += 1;
    }
    assert!(checked >= 4);
    let refused = server.get("/nothing");
    assert!(
        fits(&document, &document["components"]["schemas"]["ErrorBody"], &refused.json()),
        "{}",
        refused.body
    );
}
