//! Decisions are explained and routers measured, from files and pipes; mistakes are named.

use crate::{hob, hob_at};

const POLICY: &str = "allow = [\"cloud\"]\nquality = 1.0\n[[rule]]\nname = \"diary\"\ncontains = [\"dear diary\"]\nthen = \"stay\"\n\
[[target]]\nname = \"big\"\nzone = \"cloud\"\ninput_price = 2.5\noutput_price = 10.0\ncontext = 128000\n";

#[test]
fn a_decision_is_explained_and_private_stays() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml").display().to_string();
    std::fs::write(&policy, POLICY).unwrap();
    let explain = |more: &[&str]| {
        hob(&[&["route", "explain", "How far is the moon?", "--json"], more].concat(), b"").json()
    };
    let nothing = explain(&[]);
    assert_eq!((&nothing["decision"], &nothing["target"]), (&"local".into(), &serde_json::Value::Null));
    let signals = nothing["signals"].as_array().unwrap();
    let sum: f64 = signals.iter().map(|s| s["weight"].as_f64().unwrap()).sum();
    assert!(signals.len() == 9 && (sum - nothing["score"].as_f64().unwrap()).abs() < 1e-9);
    let best = explain(&["--policy", &policy]);
    assert_eq!((&best["decision"], &best["target"]["name"]), (&"escalate".into(), &"big".into()));
    let private = explain(&["--policy", &policy, "--private", "--tokens", "100000"]);
    assert_eq!((&private["decision"], &private["why"]), (&"local".into(), &"private".into()));
    let text = hob(&["route", "explain", "--policy", &policy], b"Dear diary, today I slept.").ok();
    assert!(text.starts_with("stays on this machine: rule \"diary\" keeps it here\n"), "{text}");
    let long = hob(&["route", "explain", "Hello", "--policy", &policy, "--tokens", "9000"], b"").ok();
    assert!(long.starts_with("would go to big (cloud, about $0.0275): prompt and answer need"), "{long}");
    std::fs::write(&policy, "qualty = 1").unwrap();
    for (args, code, expected) in [
        (&["--policy", &policy][..], 1, "unknown field `qualty`"),
        (&["--policy", "absent.toml"], 1, "cannot open absent.toml"),
        (&["--spent-today=-1"], 2, "expected dollars such as 0.25"),
        (&["--outcomes", "absent.jsonl"], 2, "give --policy FILE with [risk]"),
    ] {
        let run = hob(&[&["route", "explain", "Hello"], args].concat(), b"");
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

/// Easy questions are short, hard ones long; the smaller model fails on the hard ones.
fn outcomes(rows: usize) -> String {
    let line = |i: usize| {
        let hard = i.is_multiple_of(2);
        let prompt = if hard {
            "If not all of two hundred are less than 3, how many more times? ".repeat(3)
        } else {
            "Hi? ".into()
        };
        format!(
            "{{\"task\": \"made\", \"prompt\": \"{prompt}{i}\", \"weak_correct\": {}, \"strong_correct\": true}}\n",
            !hard
        )
    };
    (0..rows).map(line).collect()
}

#[test]
fn a_router_is_measured_beside_what_is_no_achievement() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (file, broken, empty) = (at("made.jsonl"), at("broken.jsonl"), at("empty.jsonl"));
    std::fs::write(&file, outcomes(300)).unwrap();
    let found = hob(&["route", "eval", &file, "--resamples", "20", "--json"], b"").json();
    let made = &found["tasks"]["made"];
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    // Half of the questions gain, and come first: the curve rises to the middle and stays there.
    assert!(
        (number(&made["apgr"]) - 0.75).abs() < 1e-9 && (number(&made["cpt50"]) - 25.0).abs() < 1e-9,
        "{made}"
    );
    assert!(number(&made["apgr_interval"][0]) <= number(&made["apgr"]));
    assert!((number(&made["baselines"]["random_apgr"]) - 0.5).abs() < 0.02);
    assert!(number(&made["with_labels"]["apgr"]["mean"]) > 0.7);
    assert_eq!(made["curve"].as_array().unwrap().len(), 11);
    let text = hob(&["route", "eval", &file, "--resamples", "20"], b"").ok();
    assert!(text.starts_with("made: 300 questions; ") && text.contains("longer prompts first"), "{text}");
    assert!(text.contains("they say nothing of how good today's models are"), "{text}");
    // The risk of a policy, kept with these outcomes.
    let policy = at("policy.toml");
    std::fs::write(&policy, "[risk]\nepsilon = 0.1\n").unwrap();
    let args = ["route", "explain", "Hi?", "--policy", &policy, "--outcomes", &file, "--json"];
    let kept = hob(&args, b"").json();
    assert_eq!((&kept["needed_from"], &kept["guaranteed"]), (&"calibrated".into(), &true.into()));
    std::fs::write(&broken, outcomes(1) + "{\"prompt\": \"x\"}\n").unwrap();
    std::fs::write(&empty, "\n").unwrap();
    for (file, expected) in [
        (&broken, "line 2: expected a recorded outcome"),
        (&empty, "expected lines with recorded outcomes, found none"),
        (&at("absent.jsonl"), "absent.jsonl"),
    ] {
        let run = hob(&["route", "eval", file], b"");
        assert!(run.code == Some(1) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    let same = at("same.jsonl");
    std::fs::write(&same, outcomes(10).replace("false", "true")).unwrap();
    let text = hob(&["route", "eval", &same, "--resamples", "20"], b"").ok();
    assert!(text.contains("there is no gap to close"), "{text}");
}

/// The path of a new file.
fn written(folder: &std::path::Path, name: &str, text: &str) -> String {
    let path = folder.join(name).display().to_string();
    std::fs::write(&path, text).unwrap();
    path
}

/// Sentences with a question about them; the built-in model answers some of them rightly.
fn questions() -> String {
    let mut lines = String::new();
    for who in ["Maria", "Tom", "Anna", "Peter", "Lucy"] {
        for what in ["car", "hat", "boat", "door"] {
            for colour in ["red", "blue", "green", "yellow", "black", "white"] {
                let prompt = format!("{who} has a {colour} {what}. What colour is the {what}?");
                lines += &format!("{{\"prompt\": \"{prompt}\", \"answer\": \"{colour}\"}}\n");
            }
        }
    }
    lines
}

/// A policy under which requests stay, with this in it.
fn policy_with(line: &str) -> String {
    format!("{line}\n{}", POLICY.replace("1.0\n[[rule", "0.0\n[[rule"))
}

/// Of a complete answer the places are told that a larger model would be asked about.
fn tells_places(home: &std::path::Path, policy: &str) {
    let asked = |prompt: &str| {
        let how = ["--model", "ember", "--policy", policy, "--answer", "--json"];
        let explained = hob_at(home, &[&["route", "explain", prompt], &how[..]].concat()).json();
        let repair = &explained["written"]["repair"];
        repair["why"] == "repair" && repair["target"]["name"] == "big" && !repair["places"][0].is_null()
    };
    let prompts =
        ["What is the capital of Peru?", "Explain rain in two sentences.", "Tell me about the sea."];
    assert!(prompts.into_iter().any(asked), "{prompts:?}");
}

#[test]
fn when_a_model_is_right_is_learned_and_judges_answers_while_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| written(folder.path(), name, text);
    let (file, home) = (at("questions.jsonl", &questions()), folder.path().join("home"));
    let run = |args: &[&str]| hob_at(&home, args);
    let dry = run(&["route", "calibrate", "ember", "--file", &file, "--dry-run", "--json"]).json();
    assert_eq!((&dry["examples"], &dry["path"]), (&120.into(), &serde_json::Value::Null));
    let prompt = "Lucy has a yellow boat. What colour is the boat?";
    let unknown = run(&["route", "explain", prompt, "--model", "ember"]);
    assert!(unknown.stderr.contains("hob route calibrate ember --file QUESTIONS"), "{}", unknown.stderr);

    let report = run(&["route", "calibrate", "ember", "--file", &file, "--json"]).json();
    let stages = report["stages"].as_array().unwrap();
    let auroc = |at: usize| stages[at]["auroc"].as_f64().unwrap();
    assert_eq!((&stages[0]["stage"], &stages[stages.len() - 1]["stage"]), (&"before".into(), &"end".into()));
    // Its own doubt tells more than the question does, and that more than its length.
    assert!(auroc(stages.len() - 1) > auroc(0) && auroc(0) > report["length"].as_f64().unwrap(), "{report}");
    let kept: Vec<f64> = report["table"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["whole"]["kept_right"].as_f64())
        .collect();
    assert!(kept[4] > report["right"].as_f64().unwrap() + 0.2, "{report}");

    let policy = at("policy.toml", &policy_with("handover = { below = 0.99 }"));
    let explained =
        run(&["route", "explain", prompt, "--model", "ember", "--policy", &policy, "--answer", "--json"])
            .json();
    assert_eq!((&explained["decision"], &explained["why"]), (&"local".into(), &"suffices".into()));
    let written = explained["written"]["stages"].as_array().unwrap();
    assert_eq!((&written[0]["tokens"], &written[0]["needed_from"]), (&1.into(), &"handover".into()));
    assert!(
        written.iter().any(|stage| stage["why"] == "doubt" && stage["target"]["name"] == "big"),
        "{explained}"
    );
    assert!(explained["written"]["repair"].is_null() && report["mended"].is_null(), "{explained}");
    tells_places(&home, &at("repairs.toml", &policy_with("handover = { below = 0.0, repair = 1.0 }")));
    let private =
        run(&["route", "explain", prompt, "--model", "ember", "--policy", &policy, "--answer", "--private"])
            .ok();
    assert!(private.contains("the answer here: ") && !private.contains("would go"), "{private}");

    let silent = at("none.toml", POLICY);
    let found = run(&["route", "explain", "Hi", "--model", "ember", "--policy", &silent, "--answer"]);
    assert!(found.stderr.contains("handover = { below = 0.3 }"), "{}", found.stderr);
    // A file that was changed is named, and nothing is made of it.
    let known = std::fs::read_dir(home.join("confidence")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&known, "{}").unwrap();
    let broken = run(&["route", "explain", prompt, "--model", "ember"]);
    assert!(
        broken.code == Some(1) && broken.stderr.contains("what `hob route calibrate` wrote"),
        "{}",
        broken.stderr
    );
}

#[test]
fn what_nothing_can_be_learned_from_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| written(folder.path(), name, text);
    let home = folder.path().join("home");
    let run = |args: &[&str]| hob_at(&home, args);
    let pairs = at("pairs.jsonl", "{\"good\": \"He runs.\", \"bad\": \"He run.\"}\n");
    let few = at("few.jsonl", &questions().lines().take(9).collect::<Vec<_>>().join("\n"));
    for (args, code, expected) in [
        (&["calibrate", "ember", "--file", &pairs][..], 2, "give prompts with answers"),
        (&["calibrate", "ember", "--file", &few], 1, "expected at least 100 outcomes to learn from, found 9"),
        (&["calibrate", "ember", "--file", "absent"], 1, "absent"),
        (&["explain", "Hi", "--answer"], 2, "--model"),
    ] {
        let found = run(&[&["route"], args].concat());
        assert!(found.code == Some(code) && found.stderr.contains(expected), "{expected}: {}", found.stderr);
    }
}

#[test]
fn the_users_word_counts_against_the_routers() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| hob_at(home.path(), &[&["route"], args].concat());
    let prompt = "Draft a contract with the harbour.";
    let explain = || run(&["explain", prompt, "--json"]).json();
    let suffices = || explain()["suffices"].as_f64().unwrap();
    let before = suffices();
    run(&["correct", prompt, "--to", "larger"]).ok();
    assert!(suffices() < before - 0.1);
    let signals = explain()["signals"].as_array().unwrap().clone();
    assert!(signals.iter().any(|s| s["name"] == "your corrections" && s["weight"].as_f64() > Some(0.0)));
    run(&["correct", prompt, "--to", "local"]).ok();
    assert!(suffices() > before);
    assert_eq!(run(&["correct", "--forget"]).ok(), "forgot 1 correction\n");
    assert_eq!(suffices(), before);
    for (args, expected) in [
        (&["correct", prompt][..], "--to"),
        (&["correct", " ", "--to", "local"], "the prompt is empty"),
        (&["correct", prompt, "--to", "nobody"], "possible values: local, larger"),
    ] {
        let found = run(args);
        assert!(found.code == Some(2) && found.stderr.contains(expected), "{expected}: {}", found.stderr);
    }
}
