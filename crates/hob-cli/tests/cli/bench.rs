//! Speed and machine reports: their shape, never their figures.

use crate::{hob, program, shared, stories};
use serde_json::Value;

#[test]
fn a_bench_reports_speed_and_start() {
    let Some(model) = stories() else { return };
    let small = [
        "bench",
        &model,
        "--prompt",
        "16",
        "--tokens",
        "4",
        "--repeat",
        "1",
        "--threads",
        "1",
        "--no-limits",
    ];
    let d = hob(&[&small[..], &["--json"]].concat(), b"").json();
    assert_eq!(d["report"]["prefill"][0]["tokens"], 16);
    assert!(d["report"]["decode"][0]["tokens_s"]["median"].as_f64().unwrap() > 0.0, "{d}");
    assert!(d["start"]["first_token_s"].as_f64().unwrap() > 0.0);
    let run = hob(&small, b"");
    assert_eq!(run.stderr, "", "what is being measured is told to terminals only");
    let text = run.ok();
    assert!(text.contains("prefill    ") && text.contains("decode     "), "{text}");
    let text = hob(&[&small[..], &["--look-up"]].concat(), b"").ok();
    assert!(text.contains("look-up    "), "{text}");
}

/// A model of a short context is measured without a flag: a prompt that nobody asked for is as long as fits.
#[test]
fn a_prompt_of_no_given_length_fits_into_the_context() {
    let Some(model) = shared("fixtures/models/phi3_mini_4k") else { return };
    let d = hob(&["bench", &model, "--repeat", "1", "--no-limits", "--json"], b"").json();
    assert_eq!(d["report"]["prefill"][0]["tokens"], 128);
}

#[test]
fn synthetic_shapes_are_listed_and_checked() {
    let list = hob(&["bench", "--list"], b"").ok();
    assert!(list.lines().any(|name| name == "llama-3.2-1b"), "{list}");
    let run = hob(&["bench", "--synthetic", "llama-9"], b"");
    assert!(run.code == Some(2) && run.stderr.contains("NAME:TYPE"), "{}", run.stderr);
    let run = hob(&["bench", "--synthetic", "llama-9:Q4_0"], b"");
    assert!(run.code == Some(2) && run.stderr.contains("llama-3.2-1b"), "{}", run.stderr);
}

#[test]
fn a_synthetic_model_replaces_no_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a model somebody needs").unwrap();
    let path = file.path().to_str().unwrap();
    let run = hob(&["bench", "--synthetic", "smollm2-135m:Q4_0", "--write-only", "--out", path], b"");
    assert!(run.code == Some(2) && run.stderr.contains("exists already"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a model somebody needs");
}

#[test]
fn the_doctor_names_what_is_used_and_why() {
    let findings = hob(&["doctor", "--quick", "--json"], b"").json();
    let names: Vec<&str> = findings.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["program", "model", "processor", "instructions", "cores", "memory", "data", "chats", "offline"]
    );
    let text = hob(&["doctor", "--quick"], b"").ok();
    assert!(text.contains("is used: it is the best of them") || text.contains("HOB_ISA pins it"), "{text}");
}

#[test]
fn a_wrong_pin_is_reported() {
    let output = program().args(["doctor", "--quick", "--json"]).env("HOB_ISA", "mmx").output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = findings.as_array().unwrap().iter().find(|f| f["name"] == "instructions").unwrap();
    assert_eq!(finding["status"], "problem");
    assert_eq!(output.status.code(), Some(1));
    assert!(finding["advice"].as_str().unwrap().contains("\"mmx\""));
    let Some(model) = stories() else { return };
    let args = ["chat", &model, "Once", "--raw", "--max-tokens", "1"];
    let output =
        program().args(args).env("HOB_ISA", "mmx").stdin(std::process::Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("HOB_ISA: expected one of scalar"), "{stderr}");
}

#[test]
fn an_empty_pin_is_none() {
    let output = program().args(["doctor", "--quick"]).env("HOB_ISA", "").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("is used: it is the best of them"));
}
