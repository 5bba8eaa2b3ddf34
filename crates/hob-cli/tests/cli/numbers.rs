//! Logits, perplexity and divergence against what independent implementations say.

use crate::{hob, shared, stories};
use serde_json::{Value, json};

#[test]
fn logits_come_in_full_precision_row_by_row() {
    let Some(model) = stories() else { return };
    let args = ["logits", &model, "--ids", "1,403,407,261,378", "--compute", "exact"];
    let all = hob(&[&args[..], &["--json"]].concat(), b"").json();
    assert_eq!((&all["positions"], &all["vocab"]), (&serde_json::json!([0, 1, 2, 3, 4]), &512.into()));
    let rows: Vec<Vec<f32>> = serde_json::from_value(all["logits"].clone()).unwrap();
    assert!(rows.len() == 5 && rows.iter().all(|row| row.len() == 512));
    let top = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    // ", " follows "Once upon a time" in the reference's greedy text.
    let next = hob(&["detokenize", &model, &top(&rows[4]).to_string()], b"").ok();
    assert_eq!(next, ",");

    let lines = hob(&args, b"").ok();
    let last: Vec<f32> = lines.lines().last().unwrap().split(' ').map(|x| x.parse().unwrap()).collect();
    assert_eq!(last, rows[4], "both forms give the same floats");
    let only = hob(&[&args[..], &["--last"]].concat(), b"").ok();
    assert_eq!(only.lines().count(), 1);
    let only: Vec<f32> = only.trim_end().split(' ').map(|x| x.parse().unwrap()).collect();
    assert!(only.iter().zip(&last).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn logits_of_tokens_that_are_not_there_print_nothing() {
    let Some(model) = stories() else { return };
    let run = hob(&["logits", &model, "--ids", "1,403,512", "--json"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("token id 512 is outside the vocabulary of 512"), "{}", run.stderr);
}

#[test]
fn logits_agree_with_the_fixture() {
    let Some(folder) = shared("fixtures/models/qwen3") else { return };
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{folder}/expected.json")).unwrap()).unwrap();
    let prompt = &expected["prompts"][0];
    let ids = prompt["ids"].to_string();
    let all = hob(&["logits", &folder, "--ids", &ids, "--json", "--compute", "exact"], b"").json();
    let positions = prompt["positions"].as_array().unwrap();
    for (position, argmax) in positions.iter().zip(prompt["argmax_at_positions"].as_array().unwrap()) {
        let row: Vec<f64> =
            serde_json::from_value(all["logits"][position.as_u64().unwrap() as usize].clone()).unwrap();
        let top = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(argmax, top, "position {position}");
    }
}

#[test]
fn perplexity_and_divergence_of_quantised_stories() {
    let (Some(f32), Some(q8)) = (stories(), shared("models/stories260K-q8_0.gguf")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.txt");
    let story = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. ";
    std::fs::write(&path, story.repeat(8)).unwrap();
    let text = path.to_str().unwrap();
    let common = ["--file", text, "--context", "64", "--compute", "exact", "--json"];
    let p = hob(&[&["eval", "perplexity", &f32][..], &common].concat(), b"").json();
    let perplexity = p["perplexity"].as_f64().unwrap();
    assert!((1.0..20.0).contains(&perplexity), "{p}");
    assert!(p["windows"].as_u64().unwrap() >= 2 && p["perplexity_error"].as_f64().unwrap() > 0.0);

    let d = hob(&[&["eval", "kl", &f32, &q8][..], &common].concat(), b"").json();
    assert_eq!(d["reference"]["perplexity"], p["perplexity"]);
    let (mean, max) = (d["mean"].as_f64().unwrap(), d["max"].as_f64().unwrap());
    assert!(0.0 < mean && mean < 0.01 && mean <= max, "{d}");
    assert!(d["same_top"].as_f64().unwrap() > 0.95, "{d}");
    let same = hob(&[&["eval", "kl", &f32, &f32][..], &common].concat(), b"").json();
    assert_eq!((&same["max"], &same["same_top"]), (&0.0.into(), &1.0.into()));

    let text =
        hob(&["eval", "perplexity", &f32, "--file", text, "--context", "64", "--chunks", "1"], b"").ok();
    assert!(text.starts_with("perplexity  ") && text.contains("in 1 windows of 64"), "{text}");
    let run = hob(&["eval", "perplexity", &f32, "--file", path.to_str().unwrap(), "--context", "4096"], b"");
    assert!(run.code == Some(1) && run.stderr.contains("a shorter window"), "{}", run.stderr);
}

#[test]
fn more_tokens_than_the_model_knows_are_spoken_of() {
    let Some(model) = stories() else { return };
    let ids = vec!["403"; 600].join(",");
    let run = hob(&["logits", &model, "--ids", &ids, "--last"], b"");
    assert!(run.code == Some(0) && run.stderr.contains("600 tokens are more than the 512"), "{}", run.stderr);
    let run = hob(&["logits", &model, "--ids", "403", "--last"], b"");
    assert!(run.stderr.is_empty(), "{}", run.stderr);
}

#[test]
fn questions_with_known_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("questions.jsonl");
    let answer = hob(&["chat", "ember", "Who are you?", "--temp", "0"], b"").ok();
    let chat = |answer: &str| json!({"messages": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": answer}]});
    let rows = [
        json!({"good": "She went to the window.", "bad": "Window the to she went.", "term": "order"}),
        json!({"good": "Qzx vvk jjw qqp zzx.", "bad": "It was.", "term": "length"}),
        json!({"question": "Once upon a", "choices": [" qqz", " time", " of"], "answer": 1, "term": "order"}),
        chat(answer.trim()),
        chat("Nobody."),
        json!({"messages": [{"role": "user", "content": "A question without an answer"}]}),
    ];
    std::fs::write(&path, rows.map(|row| row.to_string()).join("\n")).unwrap();
    let file = path.to_str().unwrap();
    let run = |more: &[&str]| hob(&[&["eval", "tasks", "ember", "--file", file], more].concat(), b"");
    let found = run(&["--json"]).json();
    let right = |of: &Value| (of["model"]["right"].clone(), of["model"]["count"].clone());
    assert_eq!(right(&found["groups"]["pairs"]), (json!(1), json!(2)));
    assert_eq!(right(&found["groups"]["choices"]), (json!(1), json!(1)));
    assert_eq!(right(&found["groups"]["answers"]), (json!(1), json!(2)));
    assert_eq!(right(&found["all"]), (json!(3), json!(5)));
    let found = run(&["--json", "--against", "ember", "--limit", "3"]).json();
    assert_eq!(
        (&found["all"]["paired"]["difference"], &found["all"]["against"]["count"]),
        (&json!(0.0), &json!(3))
    );
    assert!(run(&[]).ok().contains("\nall "), "the sum of all groups");
    let run = run(&["--by", "term"]);
    assert!(
        run.code == Some(1) && run.stderr.contains("line 4: expected a field \"term\""),
        "{}",
        run.stderr
    );
    std::fs::write(&path, "{\"good\": 1}").unwrap();
    let run = hob(&["eval", "tasks", "ember", "--file", file], b"");
    assert!(run.code == Some(1) && run.stderr.contains("line 1: "), "{}", run.stderr);
    let Some(stories) = stories() else { return };
    std::fs::write(&path, chat("Nobody.").to_string()).unwrap();
    let run = hob(&["eval", "tasks", &stories, "--file", file], b"");
    assert!(run.code == Some(2) && run.stderr.contains("no chat template"), "{}", run.stderr);
}
