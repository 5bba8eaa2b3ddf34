//! `hob cloud solve` as a program, with a stand-in that plans and the built-in model that reads.

use crate::{Run, program};
use hob_testhub::{Api, Reply, Said};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TEXT: &str = "# Once upon a time\n\nMaria had a red ball. She paid 3 coins for it.\n\n# The park\n\nTim saw a quokkasaurus in the park.\n";

fn run(home: &Path, args: &[&str]) -> Run {
    let output = program().args(args).env("HOB_HOME", home.join("data")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder with a text and a target that answers with `plan`.
fn set(plan: &Value) -> (tempfile::TempDir, Api, String) {
    let (home, text) = (tempfile::tempdir().unwrap(), plan.to_string());
    let api = Api::start(move |_| Reply::said(Said::text(&[&text])));
    let file = home.path().join("story.md").display().to_string();
    fs::write(&file, TEXT).unwrap();
    let url = format!("{}/v1", api.address());
    run(home.path(), &["cloud", "add", "big", &url, "--model", "big-1", "--zone", "cloud"]).ok();
    (home, api, file)
}

fn plan() -> Value {
    json!({"steps": [
        {"op": "select", "name": "all", "headings": [], "words": []},
        {"op": "extract", "name": "rows", "from": "all", "many": true, "fields": [
            {"name": "who", "type": "string", "question": "Who is it about?"},
            {"name": "coins", "type": "number", "question": "How many coins?"},
            {"name": "sad", "type": "boolean", "question": "Is it sad?"}]},
        {"op": "reduce", "name": "names", "from": "rows", "how": "list", "field": "who"},
        {"op": "reduce", "name": "coins", "from": "rows", "how": "sum", "field": "coins"},
        {"op": "answer", "text": "Of [EMAIL_1]: {names}; {coins}."}]})
}

#[test]
fn a_question_is_planned_there_and_answered_here() {
    let (home, api, file) = set(&plan());
    let hob = |args: &[&str]| run(home.path(), args);
    let question = "Who is it about, for ann@mail.example?";
    let solve = ["cloud", "solve", "big", &file, question];
    let refused = hob(&solve);
    assert!(refused.code == Some(1) && refused.stderr.contains("hob cloud mode ask"), "{}", refused.stderr);
    hob(&["cloud", "mode", "ask"]).ok();
    assert_eq!(hob(&[&["--offline"], &solve[..]].concat()).code, Some(1));
    let absent = hob(&[&solve[..], &["--model", "no/such.gguf"]].concat());
    assert!(absent.code == Some(1) && absent.stderr.contains("no/such.gguf"), "{}", absent.stderr);
    let preview = hob(&[&solve[..], &["--preview"]].concat()).ok();
    assert!(
        preview.contains("The park") && preview.contains("[EMAIL_1]") && preview.contains("nothing was sent"),
        "{preview}"
    );
    assert!(!preview.contains("quokkasaurus") && !preview.contains("red ball"), "{preview}");
    assert_eq!(api.asked().len(), 0);
    let whole = hob(&[&solve[..], &["--json"]].concat()).json();
    assert_eq!((&whole["reads"], &whole["plan"], &whole["told"]), (&2.into(), &plan(), &"plan".into()));
    assert!(whole["answer"].as_str().unwrap().starts_with("Of ann@mail.example: "), "{whole}");
    assert_eq!(whole["sent"][0]["hidden"]["EMAIL"], 1);
    assert_eq!((&whole["sent"][0]["entry"], &whole["refused"]), (&1.into(), &Value::Null));
    for cited in whole["citations"].as_array().unwrap() {
        let at = |name: &str| cited[name].as_u64().unwrap() as usize;
        assert_eq!(cited["quote"], TEXT[at("start")..at("end")]);
        assert_eq!(at("line"), 1 + TEXT[..at("start")].matches('\n').count());
    }
    let asked = api.asked();
    assert_eq!((asked.len(), asked[0].body.len() as u64), (1, whole["sent"][0]["bytes"].as_u64().unwrap()));
    for private in ["quokka", "red ball", "3 coins", "Tim saw", "ann@"] {
        assert!(!asked[0].body.contains(private), "{private}");
    }
    // The same once more: the plan is remembered by nobody but this run's own process, so it is asked for again.
    let shown = hob(&[&solve[..], &["--show-plan"]].concat());
    assert!(shown.stderr.contains("bytes sent, 1 values hidden, $0.0000, entry 3"), "{}", shown.stderr);
    assert!(
        shown.stdout.contains("\"op\": \"extract\"") && shown.stdout.contains("Of ann@mail.example: "),
        "{}",
        shown.stdout
    );
    assert!(hob(&["privacy", "ledger", "verify"]).ok().contains("4 entries"));
}

#[test]
fn plans_that_cannot_be_are_refused_with_a_place() {
    let mut bad = plan();
    bad["steps"][2]["how"] = "exec".into();
    let (home, api, file) = set(&bad);
    run(home.path(), &["cloud", "mode", "ask"]).ok();
    let refused = run(home.path(), &["cloud", "solve", "big", &file, "Who?"]);
    assert!(refused.code == Some(1) && refused.stdout.is_empty(), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("/steps/2/how: expected one of count")
            && refused.stderr.contains("nothing was run"),
        "{}",
        refused.stderr
    );
    assert_eq!(api.asked().len(), 2);
    assert!(api.asked()[1].body.contains("/steps/2/how"));
    assert_eq!(run(home.path(), &["cloud", "solve", "big", &file, " "]).code, Some(2));
}
