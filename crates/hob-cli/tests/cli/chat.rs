//! Chats through pipes, with the trained story model and with a fixture that has a chat template.

use crate::{hob, llama, program, stories};
use serde_json::Value;
use std::process::Stdio;

/// `../shared/models/README.md`: what NumPy and llama.cpp say after "Once upon a time".
const STORY: &str = ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.";

#[test]
fn the_story_model_tells_the_reference_story_in_both_modes() {
    let Some(model) = stories() else { return };
    for compute in ["exact", "fast"] {
        let args = ["chat", &model, "--raw", "--temp", "0", "--max-tokens", "60", "--compute", compute];
        let run = hob(&args, b"Once upon a time\n");
        let text = run.ok();
        assert!(text.starts_with(STORY), "{compute}: {text}");
        assert!(text.ends_with('\n'), "a line of output ends: {text:?}");
    }
}

#[test]
fn a_prompt_and_a_pipe_make_one_text() {
    let Some(model) = stories() else { return };
    let run = hob(&["chat", &model, " a time", "--raw", "--temp", "0", "--max-tokens", "60"], b"Once upon");
    assert!(run.ok().starts_with(STORY));
}

#[test]
fn a_model_without_a_template_continues_text_and_says_so() {
    let Some(model) = stories() else { return };
    let run = hob(&["chat", &model, "Once upon a time", "--temp", "0", "--max-tokens", "5"], b"");
    assert!(run.stderr.contains("no chat template"), "{}", run.stderr);
    assert!(run.stderr.contains("stopped after 5 tokens"), "{}", run.stderr);
    assert!(STORY.starts_with(run.ok().trim_end()));
}

#[test]
fn a_seed_gives_the_same_bytes_with_any_number_of_threads() {
    let Some(model) = stories() else { return };
    let story = |seed: &str, threads: &str| {
        let args = [
            "chat",
            &model,
            "Once",
            "--raw",
            "--seed",
            seed,
            "--temp",
            "1",
            "--threads",
            threads,
            "--max-tokens",
            "40",
        ];
        hob(&args, b"").ok()
    };
    let first = story("7", "1");
    assert_eq!(first, story("7", "2"));
    assert_eq!(first, story("7", "1"));
    assert_ne!(first, story("8", "1"));
}

#[test]
fn a_schema_holds_even_for_a_model_that_knows_nothing() {
    let Some(model) = llama() else { return };
    let schema = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":8},"ok":{"type":"boolean"}},"required":["name","ok"],"additionalProperties":false}"#;
    for seed in ["1", "2", "3"] {
        let args =
            ["chat", &model, "Anything", "--json-schema", schema, "--seed", seed, "--max-tokens", "400"];
        let run = hob(&args, b"");
        let value: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stdout));
        assert!(value["name"].is_string() && value["ok"].is_boolean(), "{value}");
        assert_eq!(run.code, Some(0));
    }
}

#[test]
fn white_space_in_json_is_as_asked_for() {
    let Some(model) = llama() else { return };
    let schema = r#"{"type":"array","items":{"type":"boolean"},"minItems":3,"maxItems":3}"#;
    let answer = |seed: &str, more: &[&str]| {
        let args = ["chat", &model, "Anything", "--json-schema", schema, "--seed", seed];
        hob(&[&args[..], more].concat(), b"").ok().trim_end_matches('\n').to_string()
    };
    for seed in ["1", "2", "3", "4"] {
        let text = answer(seed, &[]);
        assert!(!text.contains("  ") && !text.contains(['\n', '\t', '\r']), "{text:?}");
        let text = answer(seed, &["--json-whitespace", "compact"]);
        assert!(!text.contains(char::is_whitespace), "{text:?}");
    }
    let free: String = ["1", "2", "3", "4"].map(|seed| answer(seed, &["--json-whitespace", "free"])).concat();
    assert!(free.contains("  ") || free.contains(['\n', '\t']), "{free:?}");
}

#[test]
fn half_a_shape_is_a_failure() {
    let Some(model) = llama() else { return };
    let run = hob(&["chat", &model, "Count", "--regex", "[0-9]{200}", "--max-tokens", "3"], b"");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("ends before it has the shape asked for"), "{}", run.stderr);
}

#[test]
fn thoughts_stay_out_of_pipes_unless_wanted() {
    let Some(model) = crate::shared("fixtures/models/qwen3") else { return };
    let args = ["chat", &model, "Well?", "--regex", "<think>hm</think>yes"];
    let run = hob(&args, b"");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("yes\n", ""));
    let run = hob(&[&args[..], &["--show-thoughts"]].concat(), b"");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("yes\n", "hm\n"));
    let d = hob(&[&args[..], &["--json"]].concat(), b"").json();
    assert_eq!((&d["text"], &d["thought"]), (&"yes".into(), &"hm".into()));
}

#[test]
fn a_grammar_that_nothing_matches_is_explained() {
    let Some(model) = llama() else { return };
    let run = hob(&["chat", &model, "Well?", "--regex", "a[b&&c]"], b"");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("no text fits here"), "{}", run.stderr);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.lark");
    std::fs::write(&path, "start: \"a\" B\nB: /b/ & /c/").unwrap();
    let run = hob(&["chat", &model, "Well?", "--grammar", path.to_str().unwrap()], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), "a\n"), "half an answer ends its line");
}

#[test]
fn a_regex_and_a_grammar_file_hold() {
    let Some(model) = llama() else { return };
    let year = hob(&["chat", &model, "When?", "--regex", "[12][0-9]{3}"], b"").ok();
    assert!(year.trim_end().len() == 4 && year.trim_end().parse::<u32>().is_ok(), "{year:?}");
    let folder = tempfile::tempdir().unwrap();
    for (name, grammar) in [("a.gbnf", "root ::= \"yes\" | \"no\""), ("a.lark", "start: \"yes\" | \"no\"")] {
        let path = folder.path().join(name);
        std::fs::write(&path, grammar).unwrap();
        let answer = hob(&["chat", &model, "Well?", "--grammar", path.to_str().unwrap()], b"").ok();
        assert!(["yes\n", "no\n"].contains(&answer.as_str()), "{name}: {answer:?}");
    }
}

#[test]
fn one_document_tells_everything_about_an_answer() {
    let Some(model) = stories() else { return };
    let args = [
        "chat",
        &model,
        "Once upon a time",
        "--raw",
        "--temp",
        "0",
        "--max-tokens",
        "4",
        "--json",
        "--logprobs",
        "2",
    ];
    let d = hob(&args, b"").json();
    assert_eq!(
        (&d["finish"], &d["tokens"]["answer"], &d["context"]),
        (&"length".into(), &4.into(), &512.into())
    );
    assert!(STORY.starts_with(d["text"].as_str().unwrap()));
    let logprobs = d["logprobs"].as_array().unwrap();
    assert_eq!(logprobs.len(), 4);
    for entry in logprobs {
        // Greedy takes the likeliest.
        assert_eq!(entry["id"], entry["top"][0]["id"]);
        assert_eq!(entry["top"].as_array().unwrap().len(), 2);
        assert!(entry["logprob"].as_f64().unwrap() <= 0.0);
    }
    assert!(d["seconds"]["first_token"].as_f64().unwrap() > 0.0);
}

#[test]
fn stats_go_to_standard_error() {
    let Some(model) = stories() else { return };
    let run = hob(&["chat", &model, "Once", "--raw", "--seed", "11", "--max-tokens", "4", "--stats"], b"");
    for word in [
        "first token  after ",
        "energy       ",
        " J (",
        "tokens/s",
        "seed         11",
        "of 512 tokens (all the model was trained for)",
    ] {
        assert!(run.stderr.contains(word), "{word} in {}", run.stderr);
    }
    assert!(!run.stdout.contains("first token"));
}

#[test]
fn guessing_ahead_changes_no_word() {
    let Some(model) = stories() else { return };
    let run = |how: &str| {
        hob(
            &[
                "chat",
                &model,
                "Once",
                "--raw",
                "--temp",
                "0",
                "--max-tokens",
                "150",
                "--stats",
                "--speculate",
                how,
            ],
            b"",
        )
    };
    let (plain, quick) = (run("off"), run("lookup"));
    assert_eq!(plain.stdout, quick.stdout);
    assert!(!plain.stderr.contains("guessed") && quick.stderr.contains("guessed "), "{}", quick.stderr);
}

#[test]
fn a_draft_model_changes_no_word() {
    let (Some(model), Some(stranger)) = (stories(), llama()) else { return };
    let args = ["chat", &model, "Once", "--raw", "--temp", "0", "--max-tokens", "120", "--stats"];
    let plain = hob(&[&args[..], &["--speculate", "off"]].concat(), b"");
    let drafted = hob(&[&args[..], &["--draft", &model]].concat(), b"");
    assert_eq!(plain.stdout, drafted.stdout);
    assert!(drafted.stderr.contains("guessed "), "{}", drafted.stderr);
    let document = hob(&[&args[..8], &["--draft", &model, "--json"]].concat(), b"").json();
    assert!(document["speculation"]["model_accepted"].as_u64().is_some(), "{document}");

    let run = hob(&[&args[..], &["--draft", &stranger]].concat(), b"");
    assert!(run.code == Some(1) && run.stderr.contains("another vocabulary: token "), "{}", run.stderr);
    let run = hob(&[&args[..], &["--draft", "no-such-file"]].concat(), b"");
    assert!(run.code == Some(1) && run.stderr.contains("no-such-file"), "{}", run.stderr);
    let run = hob(&[&args[..], &["--draft", &model, "--speculate", "off"]].concat(), b"");
    assert!(run.code == Some(2) && run.stderr.contains("leave one of them out"), "{}", run.stderr);
}

#[test]
fn a_model_can_be_kept_in_memory() {
    let Some(model) = stories() else { return };
    let args = ["chat", &model, "Once", "--raw", "--temp", "0", "--max-tokens", "4"];
    let locked = hob(&[&args[..], &["--lock"]].concat(), b"");
    assert_eq!(locked.ok(), hob(&args, b"").ok());
}

#[test]
fn a_full_context_is_never_silent() {
    let Some(model) = stories() else { return };
    let args = ["chat", &model, "Once upon a time", "--raw", "--temp", "0", "--context"];
    let run = hob(&[&args[..], &["16"]].concat(), b"");
    assert!(run.stderr.contains("the context of 16 tokens is full"), "{}", run.stderr);
    assert_eq!(run.code, Some(0));
    let run = hob(&[&args[..], &["16,shift", "--max-tokens", "40"]].concat(), b"");
    assert!(run.stderr.contains("oldest tokens were dropped"), "{}", run.stderr);
    assert!(run.stderr.contains("stopped after 40 tokens"), "{}", run.stderr);
}

#[test]
fn an_empty_answer_is_spoken_of() {
    let Some(model) = stories() else { return };
    // The end token wins every draw.
    let run = hob(&["chat", &model, "Once", "--raw", "--temp", "0", "--logit-bias", "2=1000"], b"");
    assert!(run.stderr.contains("ended its answer at once"), "{}", run.stderr);
    assert_eq!(run.ok(), "");
}

#[test]
fn files_come_with_their_names() {
    let Some(model) = llama() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "The sky is green.\n".repeat(40)).unwrap();
    let path = path.to_str().unwrap();
    let run = hob(&["chat", &model, "What colour?", "--file", path, "--context", "32"], b"");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("--context N or --context shift"), "{}", run.stderr);
    assert!(run.stderr.contains("tokens  the prompt") && run.stderr.contains("tokens  /"), "{}", run.stderr);
}

/// `hob logits ... | head` must not panic, nor count as a failure.
#[test]
fn a_reader_may_leave_early() {
    let Some(model) = stories() else { return };
    let ids = vec!["5"; 200].join(",");
    let mut command = program();
    command.args(["logits", &model, "--ids", &ids]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Ctrl-C ends the answer; what was said is there, and the exit code tells.
#[cfg(unix)]
#[test]
fn an_interrupted_answer_keeps_what_was_said() {
    use std::io::Read;
    let Some(model) = stories() else { return };
    // Without its end tokens the model goes on for ever.
    let endless =
        ["--context", "128,shift", "--logit-bias", "1=-1000", "--logit-bias", "2=-1000", "--seed", "1"];
    let mut command = program();
    command.args(["chat", &model, "Once upon a time", "--raw"]).args(endless);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut said = vec![0; 40];
    out.read_exact(&mut said).unwrap();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    out.read_to_end(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with(b"\n"), "the last line is ended");
}
