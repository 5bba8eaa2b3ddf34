//! Sealed plans seen from the target: what arrives there of a document, and what becomes of what it plans.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use hob_cloud::sealed::{self, Candidate, Card, Document, Field, Obtained, Reader, Solved};
use hob_cloud::{Cloud, Error, Mode, Protocol, Setup, Target, Wish, Zone};
use hob_egress::{Config, Egress, Ledger};
use hob_privacy::{Answer, Refusal};
use hob_testhub::{Api, Asked, Reply, Said};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BOTH: [Protocol; 2] = [Protocol::OpenAi, Protocol::Anthropic];
/// Characters of the document in a row that may be in no request.
const WINDOW: usize = 12;

struct Set {
    _folder: tempfile::TempDir,
    cloud: Cloud,
    api: Api,
}

/// A target that answers with these texts, one after the other, the last one again and again.
fn set(protocol: Protocol, plans: Vec<String>) -> Set {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let api = Api::start(move |asked: &Asked| {
        let plan = plans[asked.index.min(plans.len() - 1)].clone();
        Reply::said(match (protocol, serde_json::from_str(&plan)) {
            (Protocol::Anthropic, Ok(plan @ Value::Object(_))) => {
                Said { calls: vec![("answer".into(), plan)], usage: Some((9, 9)), ..Said::default() }
            }
            _ => Said::text(&[&plan]),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let cloud = Cloud::new(Setup {
        folder: folder.path().to_owned(),
        connect: Box::new(move |policy| {
            let config = Config { policy, read_timeout: Duration::from_secs(5), ..Config::default() };
            Egress::new(config, Ledger::at(&ledger, || 1_000)).map_err(|error| error.to_string())
        }),
        key: Box::new(|_, _| Err("not set".into())),
        clock: || Duration::from_secs(5),
        seed: || SEED.fetch_add(1, Ordering::Relaxed),
    });
    let target = Target::new(&format!("{}/v1", api.address()), protocol, "big-1", Zone::Cloud);
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    Set { _folder: folder, cloud, api }
}

impl Set {
    fn obtain(&self, document: &Document, question: &str) -> Result<Obtained, Error> {
        sealed::obtain(&self.cloud, "big", &Card::of(document), question, &mut |_, _| Answer::Refuse)
    }
}

/// Finds the line with a field's question in it, and the last word of the line.
struct Lines;

impl Reader for Lines {
    type Error = Infallible;

    fn read(
        &mut self,
        chunk: &str,
        fields: &[Field],
        rows_max: usize,
    ) -> Result<Vec<Vec<Candidate>>, Infallible> {
        let row = |line: &str| {
            let cell = |field: &Field| Candidate {
                is_found: line.contains(&field.question),
                quote: line.to_owned(),
                value: line.trim_end_matches('.').rsplit(' ').next().unwrap_or_default().to_owned(),
            };
            fields.iter().map(cell).collect()
        };
        let says = |line: &&str| fields.iter().any(|field| line.contains(&field.question));
        Ok(chunk.lines().filter(says).map(row).take(rows_max).collect())
    }

    fn compose(&mut self, _: &str, results: &str) -> Result<String, Infallible> {
        Ok(results.to_owned())
    }
}

fn run(plan: &Obtained, document: &Document) -> Solved {
    let Ok(solved) = sealed::run(&plan.plan, document, &mut Lines);
    solved
}

const HEADINGS: [&str; 3] =
    ["Tenancy of Maria Gonzalez", "Payments to maria.gonzalez@mail.example", "Clinic visits"];
const QUESTION: &str = "How much did Maria Gonzalez pay at the clinic?";

/// A document with many facts, each of which stands there once.
fn planted() -> String {
    let names =
        ["Oyelaran", "Brzezicki", "Vandersloot", "Kuznetsova", "Achterberg", "Nwachukwu", "Thistlewood"];
    let mut text = String::from("Preface: strictly confidential zebrawood memorandum.\n\n");
    for (part, heading) in HEADINGS.iter().enumerate() {
        text += &format!("{} {heading}\n\n", "#".repeat(1 + part % 2));
        for n in 0..40 {
            let (name, k) = (names[(n + part) % names.len()], part * 100 + n);
            text += &format!(
                "- {name}{k} transferred ${k},417.{:02} on 20{:02}-03-{:02}, reference QX{}-{}.\n",
                n + 10,
                n % 90 + 10,
                n % 27 + 1,
                7919 * (k + 3),
                104_729 * (k + 1)
            );
            text += &format!(
                "Witness {name}{k} keeps passphrase umbrage-{}-lattice near {k} Quincewood Terrace.\n\n",
                15_485 * (k + 2)
            );
        }
        text += &format!("Maria Gonzalez paid fee {}00\n\n", part + 1);
    }
    text
}

fn good() -> Value {
    json!({"steps": [
        {"op": "select", "name": "s", "headings": [3], "words": ["[PERSON_1]"]},
        {"op": "extract", "name": "r", "from": "s", "many": false,
            "fields": [{"name": "fee", "type": "number", "question": "[PERSON_1] paid fee"}]},
        {"op": "reduce", "name": "n", "from": "r", "how": "sum", "field": "fee"},
        {"op": "answer", "text": "[PERSON_1] paid {n}."}]})
}

/// What arrived, as it is and with JSON's strokes undone.
fn arrived(api: &Api) -> Vec<String> {
    let texts = |asked: &Asked| {
        let mut all = String::new();
        fn words(value: &Value, all: &mut String) {
            match value {
                Value::String(text) => *all += &format!("{text}\n"),
                Value::Array(list) => list.iter().for_each(|item| words(item, all)),
                Value::Object(members) => members.iter().for_each(|(name, item)| {
                    *all += &format!("{name}\n");
                    words(item, all);
                }),
                _ => {}
            }
        }
        words(&asked.json(), &mut all);
        [asked.body.clone(), all]
    };
    let headers =
        |asked: &Asked| asked.headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect::<String>();
    api.asked()
        .iter()
        .flat_map(|asked| texts(asked).into_iter().chain([headers(asked), asked.path.clone()]))
        .collect()
}

/// The first part of the document that arrived and stands in no heading.
fn leaked(text: &str, arrived: &[String]) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let windows = chars.windows(WINDOW).map(|window| window.iter().collect::<String>());
    let mut windows = windows.filter(|window| {
        let is_told = HEADINGS.iter().any(|heading| format!("## {heading}").contains(window.as_str()))
            || QUESTION.contains(window.as_str());
        !is_told
    });
    windows.find(|window| arrived.iter().any(|body| body.contains(window.as_str())))
}

#[test]
fn nothing_of_a_document_but_its_cleared_headings_arrives() {
    let text = planted();
    let document = Document::new(text.clone()).unwrap();
    assert!(document.chunks().len() > 8);
    for protocol in BOTH {
        // The first plan is refused, so that what is said of that is looked through too.
        let mut bad = good();
        bad["steps"][1]["from"] = "elsewhere".into();
        let set = set(protocol, vec![bad.to_string(), good().to_string()]);
        let obtained = set.obtain(&document, QUESTION).unwrap();
        let solved = run(&obtained, &document);
        assert_eq!(solved.answer, "Maria Gonzalez paid 300.", "{protocol:?}");
        assert_eq!(
            (solved.citations.len(), solved.citations[0].quote.as_str()),
            (1, "Maria Gonzalez paid fee 300")
        );
        let arrived = arrived(&set.api);
        assert_eq!(arrived.len(), 2 * 4);
        assert_eq!(leaked(&text, &arrived), None, "{protocol:?}");
        let sent: usize = set.api.asked().iter().map(|asked| asked.body.len()).sum();
        assert_eq!(sent, obtained.sent.iter().map(|sent| sent.bytes).sum::<usize>());
        for body in &arrived {
            let body = body.to_lowercase();
            for private in ["maria", "gonzalez", "mail.example", "zebrawood", "umbrage"] {
                assert!(!body.contains(private), "{protocol:?}: {private} in {body}");
            }
        }
        assert!(arrived[0].contains("Clinic visits") && arrived[0].contains("[PERSON_1]"));
        // The same words have the same placeholders in both requests.
        let again = &set.api.asked()[1].body;
        assert!(again.contains("elsewhere") && again.contains("/steps/1/from"), "{again}");
        let told = "How much did [PERSON_1] pay at the clinic?";
        assert!(arrived[0].contains(told) && again.contains(told), "{again}");
        assert_eq!(obtained.refused.unwrap().place, "/steps/1/from");
        assert_eq!(obtained.sent.iter().map(|sent| sent.entry).collect::<Vec<_>>(), [Some(1), Some(3)]);
    }
}

#[test]
fn the_leak_test_finds_leaks() {
    let text = planted();
    let part: String = text.chars().skip(400).take(WINDOW).collect();
    assert_eq!(leaked(&text, &[format!("xx{part}xx")]), Some(part));
}

#[test]
fn instructions_hold_nothing_that_is_hidden() {
    let set = set(Protocol::OpenAi, vec![good().to_string()]);
    for paragraphs in [1, 9, 40, 200, 1000] {
        let text = format!("# Rent\n\n{}", "Nothing is said here.\n\n".repeat(paragraphs * 20));
        let question = sealed::question(&Card::of(&Document::new(text).unwrap()), "How much is the rent?");
        let plan = set.cloud.plan(&sealed::wish(&question, "big"), &mut |_, _| Answer::Refuse).unwrap();
        let cleared = plan.cleared().unwrap();
        assert!(
            cleared.hidden().is_empty(),
            "{:?} in {}",
            cleared.hidden(),
            String::from_utf8_lossy(cleared.bytes())
        );
    }
    assert_eq!(set.api.asked().len(), 0);
}

#[test]
fn hidden_values_cannot_become_the_form_of_a_plan() {
    let document = Document::new("# Rent\n\nNothing.\n".to_owned()).unwrap();
    // A word of the user's own that would end a string and begin a step.
    let word = r#"Zeb"},{"op":"exec"#;
    let plan = json!({"steps": [{"op": "answer", "text": "See [CUSTOM_1]."}]});
    for protocol in BOTH {
        let set = set(protocol, vec![plan.to_string()]);
        std::fs::write(set.cloud.policy_path(), format!("[privacy]\nwords = ['{word}']")).unwrap();
        let obtained = set.obtain(&document, &format!("What did {word} pay?")).unwrap();
        assert!(!set.api.asked()[0].body.contains("Zeb"));
        assert_eq!(obtained.written, plan);
        assert_eq!(run(&obtained, &document).answer, format!("See {word}."));
    }
}

#[test]
fn hostile_plans_are_refused_with_a_place() {
    let document = Document::new(planted()).unwrap();
    let step = |value: Value| json!({"steps": [value, {"op": "answer", "text": "x"}]}).to_string();
    let cycle = json!({"steps": [
        {"op": "filter", "name": "a", "from": "b", "field": "f", "test": "known", "value": null},
        {"op": "filter", "name": "b", "from": "a", "field": "f", "test": "known", "value": null},
        {"op": "answer", "text": "x"}]});
    let many = vec![json!({"op": "select", "name": "s", "headings": [], "words": []}); 30];
    let all = [
        (step(json!({"op": "exec", "code": "import os"})), "/steps/0/op"),
        (cycle.to_string(), "/steps/0/from"),
        (json!({"steps": many}).to_string(), "/steps"),
        (step(json!({"op": "select", "name": "s", "headings": "all", "words": []})), "/steps/0/headings"),
        (step(json!(7)), "/steps/0"),
        ("[".repeat(5000), "the plan"),
        ("I would rather not.".to_owned(), "the plan"),
        (json!({"steps": [{"op": "answer", "text": "{secret}"}]}).to_string(), "/steps/0/text"),
    ];
    for (plan, place) in all {
        for protocol in BOTH {
            let set = set(protocol, vec![plan.clone()]);
            let Err(Error::BadPlan { wrong, .. }) = set.obtain(&document, QUESTION) else { panic!("{plan}") };
            let found = if wrong.place.is_empty() { "the plan" } else { &wrong.place };
            assert_eq!(found, place, "{wrong}");
            // Asked for once more, and not for ever.
            assert_eq!(set.api.asked().len(), 2);
            assert_eq!(leaked(&planted(), &arrived(&set.api)), None);
        }
    }
}

#[test]
fn a_plan_without_end_is_hung_up_on() {
    let document = Document::new(planted()).unwrap();
    let step = json!({"op": "select", "name": "s", "headings": [], "words": []});
    for protocol in BOTH {
        let set = set(protocol, vec![json!({"steps": vec![step.clone(); 5000]}).to_string()]);
        assert!(matches!(set.obtain(&document, QUESTION), Err(Error::Budget { .. })));
        assert_eq!(set.api.asked().len(), 1);
    }
}

#[test]
fn the_users_rules_hold() {
    let document = Document::new(planted()).unwrap();
    let set = set(Protocol::OpenAi, vec![good().to_string()]);
    set.cloud.set_mode(Mode::Offline).unwrap();
    assert!(matches!(set.obtain(&document, QUESTION), Err(Error::Offline)));
    set.cloud.set_mode(Mode::Ask).unwrap();
    std::fs::write(set.cloud.policy_path(), "[privacy.labels]\nEMAIL = \"block\"").unwrap();
    let blocked = set.obtain(&document, "How much?");
    assert!(matches!(blocked, Err(Error::Refused(Refusal::Blocked { .. }))), "{blocked:?}");
    let question = sealed::question(&Card::of(&document), "How much?");
    let private = Wish { is_private: true, ..sealed::wish(&question, "big") };
    let refused = set.cloud.plan(&private, &mut |_, _| Answer::Refuse).map(|_| ());
    assert!(matches!(refused, Err(Error::Refused(Refusal::Private))));
    assert_eq!(set.api.asked().len(), 0);
}
