//! Cost of grammars at a vocabulary of 128k: `cargo bench -p hob-engine --bench constraint`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{io::Read, time::Instant};

use hob_engine::constraint::{Constraint, ConstraintFactory, Grammar, Limits, VocabToken};
use hob_engine::sampling::Rng;

const V: usize = 131_072;
const EOS: u32 = 256;

/// All bytes, the end, JSON's usual fragments, and random words of up to twelve letters, half of them after a blank.
fn vocab() -> Vec<VocabToken> {
    let plain = |bytes: Vec<u8>| VocabToken { bytes, special: false };
    let mut all: Vec<_> = (0..=255u8).map(|b| plain(vec![b])).collect();
    all.push(VocabToken { bytes: b"<|end|>".to_vec(), special: true });
    all.extend(
        ["{\"", "\":", "\",", "\"}", "},", "]}", "\":\"", "\", \"", "\n  "]
            .map(|s| plain(s.as_bytes().to_vec())),
    );
    let mut rng = Rng::new(3);
    let mut below = move |n: u64| rng.next_u64() % n;
    let mut words = std::collections::BTreeSet::new();
    while all.len() + words.len() < V {
        let blank = if below(2) == 0 { &b" "[..] } else { b"" };
        let letters = (0..below(11) + 2).map(|_| b'a' + (below(26) * below(26) / 26) as u8);
        words.insert(blank.iter().copied().chain(letters).collect::<Vec<u8>>());
    }
    all.extend(words.into_iter().map(plain));
    all
}

/// Times of masks along a text drawn under them.
fn walk(compiled: &Constraint, rng: &mut Rng, us: &mut Vec<f64>) {
    let mut c = compiled.clone();
    for _ in 0..60 {
        let start = Instant::now();
        // A place where nothing fits ends the walk, as it ends an answer.
        let Ok(mask) = c.mask() else { break };
        us.push(start.elapsed().as_secs_f64() * 1e6);
        let allowed: Vec<u32> = mask.iter().collect();
        let id = allowed[rng.next_u64() as usize % allowed.len()];
        c.accept(id).expect("drawn under the mask");
        if c.is_finished() {
            break;
        }
    }
}

fn print(name: &str, compile_us: f64, mut us: Vec<f64>) {
    us.sort_by(f64::total_cmp);
    let at = |share: f64| us[((us.len() - 1) as f64 * share) as usize];
    println!(
        "{name:28} compile {compile_us:8.0} us   mask p50 {:7.1}  p99 {:8.1}  max {:8.1} us ({} masks)",
        at(0.5),
        at(0.99),
        at(1.0),
        us.len()
    );
}

fn measure(factory: &ConstraintFactory, name: &str, grammar: &Grammar) {
    let start = Instant::now();
    let compiled = factory.compile(grammar, &Limits::default()).expect("the grammar is sound");
    let compile_us = start.elapsed().as_secs_f64() * 1e6;
    let (mut rng, mut us) = (Rng::new(1), Vec::new());
    (0..20).for_each(|_| walk(&compiled, &mut rng, &mut us));
    print(name, compile_us, us);
}

/// The schemas that people write: `../shared/data/tasks/json_schema_bench.jsonl.zst`, where it is; compile time is the median.
fn measure_real(factory: &ConstraintFactory) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/tasks/json_schema_bench.jsonl.zst");
    let Ok(file) = std::fs::File::open(path) else { return println!("no schemas at {path}") };
    let mut text = String::new();
    let mut file = ruzstd::decoding::StreamingDecoder::new(file).expect("the file is zstd");
    file.read_to_string(&mut text).expect("the file is text");
    let (mut rng, mut us, mut compile_us, mut refused) = (Rng::new(1), Vec::new(), Vec::new(), 0);
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record is JSON");
        let start = Instant::now();
        match factory.compile(&Grammar::json_schema(record["schema"].clone()), &Limits::default()) {
            Ok(compiled) => {
                compile_us.push(start.elapsed().as_secs_f64() * 1e6);
                walk(&compiled, &mut rng, &mut us);
            }
            Err(_) => refused += 1,
        }
    }
    compile_us.sort_by(f64::total_cmp);
    print(&format!("{} schemas, {refused} refused", compile_us.len()), compile_us[compile_us.len() / 2], us);
}

fn main() {
    let factory = ConstraintFactory::new(vocab, vec![EOS]);
    let start = Instant::now();
    factory.prepare().expect("the vocabulary is sound");
    println!("trie of {V} tokens, once per tokenizer: {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let schema = r#"{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}}}, "required": ["name", "age", "tags"],
        "additionalProperties": false}"#;
    let object = Grammar::json_schema_text(schema).expect("the schema is JSON");
    let any = Grammar::json_schema_text("true").expect("the schema is JSON");
    let gbnf = "root ::= v\nv ::= \"{\" (s \":\" v (\",\" s \":\" v)*)? \"}\" | \"[\" (v (\",\" v)*)? \"]\" | s | n\n\
        s ::= \"\\\"\" [^\"\\\\\\x00-\\x1F]* \"\\\"\"\nn ::= \"-\"? [0-9]+\n";
    measure(&factory, "JSON schema, closed object", &object);
    measure(&factory, "any JSON", &any);
    let tags = r#"{"type": "array", "items": {"type": "string"}, "uniqueItems": true}"#;
    measure(&factory, "items that differ", &Grammar::json_schema_text(tags).expect("the schema is JSON"));
    measure(&factory, "regex, words", &Grammar::Regex("([a-z]+[ ,.]){1,50}".into()));
    measure(&factory, "GBNF, recursive", &Grammar::Gbnf(gbnf.into()));
    measure_real(&factory);
}
