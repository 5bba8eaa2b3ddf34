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

/// Puts the members of objects into the order in which the schema's `properties` list them, where it does so directly or
/// by a reference.
fn reorder(value: &Value, schema: &Value, root: &Value) -> Value {
    let target = schema["$ref"].as_str().and_then(|name| root.pointer(name.strip_prefix('#')?));
    let schema = target.unwrap_or(schema);
    match value {
        Value::Object(members) => {
            let declared = schema["properties"].as_object();
            let place = |k: &str| declared.and_then(|d| d.keys().position(|n| n == k)).unwrap_or(usize::MAX);
            let mut entries: Vec<_> = members.iter().collect();
            entries.sort_by_key(|(k, _)| place(k));
            let inner = |k: &str| declared.and_then(|d| d.get(k)).unwrap_or(&schema["additionalProperties"]);
            entries.into_iter().map(|(k, v)| (k.clone(), reorder(v, inner(k), root))).collect()
        }
        Value::Array(items) => items.iter().map(|v| reorder(v, &schema["items"], root)).collect(),
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

/// Compiles every schema and reads its instances.
fn tally(records: &[Value]) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        tally.schemas += 1;
        let schema = &record["schema"];
        let c = match compile(&Grammar::json_schema(schema.clone())) {
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
            tally.read(&c, test, record);
        }
    }
    tally
}

impl Tally {
    fn read(&mut self, c: &Constraint, test: &Value, record: &Value) {
        let (data, schema) = (&test["data"], &record["schema"]);
        let as_is = accepts(c, data.to_string().as_bytes());
        let ordered = as_is || accepts(c, reorder(data, schema, schema).to_string().as_bytes());
        let line = format!("{}: {data}", record["id"]);
        if test["valid"] == true {
            self.valid += 1;
            self.valid_accepted += usize::from(as_is);
            self.valid_accepted_reordered += usize::from(ordered);
            self.wrongly_refused.extend((!ordered).then_some(line));
        } else {
            self.invalid += 1;
            self.invalid_rejected += usize::from(!ordered);
            self.wrongly_accepted.extend(ordered.then_some(line));
        }
    }
}

#[test]
#[ignore = "a measurement: compiles 645 schemas and reads 1,944 instances; run with --nocapture for the figures"]
fn json_schema_bench() {
    let Some(records) = records("json_schema_bench") else { return };
    let tally = tally(&records);
    println!("{tally:#?}");
    assert!(tally.compiled * 100 > tally.schemas * 95, "fewer than 95 % of the schemas compile");
    assert!(
        tally.valid_accepted_reordered * 100 > tally.valid * 98,
        "more than 2 % of the fitting instances are refused"
    );
    assert_eq!(tally.invalid_rejected, tally.invalid, "an instance that does not fit passes");
}

#[test]
fn json_schema_test_suite() {
    let Some(records) = records("json_schema_test_suite") else { return };
    let tally = tally(&records);
    println!("{tally:#?}");
    assert_eq!(tally.wrongly_accepted, Vec::<String>::new());
}
