//! Real schemas with instances that do and do not fit, from `../shared/data/tasks`.

use std::io::Read;

use super::*;

fn records(name: &str) -> Option<Vec<Value>> {
    let path = format!("{}/../../../shared/data/tasks/{name}.jsonl.zst", env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "the test reads its data")]
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {path} is not there");
        return None;
    };
    let mut text = String::new();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_string(&mut text).unwrap();
    Some(text.lines().map(|l| serde_json::from_str(l).unwrap()).collect())
}

/// Puts the members of objects into the order in which the schema's `properties` list them, where it does so directly.
fn reorder(value: &Value, schema: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let declared = schema["properties"].as_object();
            let place = |k: &str| declared.and_then(|d| d.keys().position(|n| n == k)).unwrap_or(usize::MAX);
            let mut entries: Vec<_> = members.iter().collect();
            entries.sort_by_key(|(k, _)| place(k));
            let inner = |k: &str| declared.and_then(|d| d.get(k)).unwrap_or(&Value::Null);
            entries.into_iter().map(|(k, v)| (k.clone(), reorder(v, inner(k)))).collect()
        }
        Value::Array(items) => items.iter().map(|v| reorder(v, &schema["items"])).collect(),
        other => other.clone(),
    }
}

#[derive(Debug, Default)]
struct Tally {
    schemas: usize,
    compiled: usize,
    valid: usize,
    valid_accepted: usize,
    valid_accepted_reordered: usize,
    invalid: usize,
    invalid_rejected: usize,
    refused: std::collections::BTreeMap<String, usize>,
    wrongly_refused: Vec<String>,
    wrongly_accepted: Vec<String>,
}

#[test]
#[ignore = "a measurement: compiles 645 schemas and reads 1,944 instances; run with --nocapture for the figures"]
fn json_schema_bench() {
    let Some(records) = records("json_schema_bench") else { return };
    let options = JsonOptions { one_of_as_any_of: false, ..JsonOptions::default() };
    let mut tally = Tally::default();
    for record in &records {
        tally.schemas += 1;
        let schema = record["schema"].clone();
        let c = match compile(&Grammar::JsonSchema { schema: schema.clone(), options: options.clone() }) {
            Ok(c) => c,
            Err(e) => {
                let text = e.to_string();
                let reason = text.split_once(": ").map_or(text.as_str(), |p| p.1);
                *tally.refused.entry(reason.chars().take(60).collect()).or_default() += 1;
                continue;
            }
        };
        tally.compiled += 1;
        for test in record["tests"].as_array().unwrap() {
            let as_is = accepts(&c, test["data"].to_string().as_bytes());
            let ordered = as_is || accepts(&c, reorder(&test["data"], &schema).to_string().as_bytes());
            if test["valid"] == true {
                tally.valid += 1;
                tally.valid_accepted += usize::from(as_is);
                tally.valid_accepted_reordered += usize::from(ordered);
                if !ordered {
                    tally.wrongly_refused.push(format!("{}: {}", record["id"], test["data"]));
                }
            } else {
                tally.invalid += 1;
                tally.invalid_rejected += usize::from(!ordered);
                if ordered {
                    tally.wrongly_accepted.push(format!("{}: {}", record["id"], test["description"]));
                }
            }
        }
    }
    println!("{tally:#?}");
    assert!(tally.compiled * 10 > tally.schemas * 8, "fewer than 80 % of the schemas compile");
    assert!(
        tally.invalid_rejected * 100 > tally.invalid * 99,
        "more than 1 % of the unfitting instances pass"
    );
    assert!(
        tally.valid_accepted_reordered * 100 > tally.valid * 95,
        "more than 5 % of the fitting instances are refused"
    );
}
