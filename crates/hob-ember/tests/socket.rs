//! What is left of private things in the bytes that arrive at a target, and whether all of it comes back.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use hob_cloud::{Cloud, Event, Mode, Protocol, Question, Setup, Target, Way, Wish, Zone};
use hob_egress::{Config, Egress, Ledger};
use hob_privacy::Answer;
use hob_testhub::{Api, Reply, Said};
use hob_train::data::read_lines;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static SEED: AtomicU64 = AtomicU64::new(1);

fn cloud(folder: &Path, api: &Api) -> Cloud {
    let ledger = folder.join("ledger");
    let connect = move |policy| {
        let config = Config { policy, ..Config::default() };
        Egress::new(config, Ledger::at(&ledger, || 1_000)).map_err(|error| error.to_string())
    };
    let cloud = Cloud::new(Setup {
        folder: folder.to_owned(),
        connect: Box::new(connect),
        key: Box::new(|_, _| Err("there is none".into())),
        clock: || Duration::ZERO,
        seed: || SEED.fetch_add(1, Ordering::Relaxed),
    });
    let target = Target::new(&format!("{}/v1", api.address()), Protocol::OpenAi, "big", Zone::Cloud);
    // Some queries are pages long, and come back whole.
    let target = Target { context: 1_000_000, answer_tokens: 200_000, ..target };
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    fs::write(cloud.policy_path(), "[privacy]\nall_unknown = true").unwrap();
    cloud
}

/// What a target says that repeats the question, with hidden values put back.
fn said(cloud: &Cloud, query: &str) -> String {
    let question = Question::of(query);
    let wish = Wish { is_fresh: true, ..Wish::new(&question, Way::Named("big".into())) };
    let plan = cloud.plan(&wish, &mut |_, _| Answer::Refuse).unwrap();
    let mut answering = cloud.begin(plan).unwrap().unwrap();
    let mut whole = String::new();
    while let Some(event) = answering.next().unwrap() {
        if let Event::Text(text) = event {
            whole += &text;
        }
    }
    whole
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The set is one in which people marked what they call private; nothing was learned from it.
#[test]
fn little_is_left_at_the_socket_and_everything_comes_back() {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tasks/privacy_pupa.jsonl.zst");
    if !set.is_file() {
        eprintln!("SKIPPED: there is no ../shared/data beside this checkout");
        return;
    }
    let api = Api::start(|asked| {
        let content = asked.json()["messages"][0]["content"].as_str().unwrap().to_owned();
        Reply::Stream(Said { text: vec![content], usage: Some((1, 1)), ..Said::default() }, 7)
    });
    let folder = tempfile::tempdir().unwrap();
    let cloud = cloud(folder.path(), &api);
    let (mut queries, mut units, mut exact, mut normalised) = (0, 0, 0, 0);
    read_lines(&set, &mut |_, line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let query = row["user_query"].as_str().unwrap();
        assert_eq!(said(&cloud, query), query, "not the same to the byte");
        // A backslash that JSON has before a quote is no part of what was said.
        let asked = api.take_asked().pop().unwrap().json();
        let sent = asked["messages"][0]["content"].as_str().unwrap().to_lowercase();
        let plain = query.to_lowercase();
        for unit in row["pii_units"].as_array().unwrap() {
            let unit = unit.as_str().unwrap().trim().to_lowercase();
            if unit.is_empty() || !plain.contains(&unit) {
                continue;
            }
            units += 1;
            exact += usize::from(sent.contains(&unit));
            normalised += usize::from(letters(&sent).contains(&letters(&unit)));
        }
        queries += 1;
        Ok(true)
    })
    .unwrap();
    eprintln!(
        "{queries} queries with {units} units: {exact} left exactly, {normalised} but for blanks and marks"
    );
    assert!(units > 1000 && 100 * exact <= units && 100 * normalised <= 3 * units);
}
