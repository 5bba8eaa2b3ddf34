//! Tokens, templates, vectors and descriptions.

use crate::{hob, llama, shared, stories};
use serde_json::{Value, json};

fn fixture(family: &str) -> Option<(String, Value)> {
    let folder = shared(&format!("fixtures/models/{family}"))?;
    let expected = std::fs::read_to_string(format!("{folder}/expected.json")).unwrap();
    Some((folder, serde_json::from_str(&expected).unwrap()))
}

#[test]
fn text_to_ids_and_back() {
    let Some(model) = stories() else { return };
    assert_eq!(hob(&["tokenize", &model, "Once upon a time"], b"").ok(), "1 403 407 261 378\n");
    assert_eq!(hob(&["tokenize", &model, "--no-special"], b"Once upon a time").ok(), "403 407 261 378\n");
    let d = hob(&["tokenize", &model, "Once upon a time", "--json"], b"").json();
    assert_eq!((&d["ids"], &d["tokens"][1]), (&json!([1, 403, 407, 261, 378]), &json!(" Once")));
    assert_eq!(hob(&["detokenize", &model, "403,407", "261", "378"], b"").ok(), "Once upon a time");
    assert_eq!(hob(&["detokenize", &model, "-"], b"[403, 407, 261, 378]\n").ok(), "Once upon a time");
}

#[test]
fn templates_render_as_the_fixture_says() {
    let Some((model, expected)) = fixture("llama3_2") else { return };
    let chat = &expected["chat"][0];
    let run = hob(&["template", &model, "--messages", "-"], chat["messages"].to_string().as_bytes());
    // The fixture was rendered on another day; this template prints the date.
    let without_date = |text: &str| {
        let keep = |line: &&str| !line.starts_with("Today Date: ");
        text.lines().filter(keep).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_date(&run.ok()), without_date(chat["rendered"].as_str().unwrap()));
}

#[test]
fn what_a_template_ignores_is_spoken_of() {
    let Some(model) = shared("fixtures/models/smollm2") else { return };
    let input = r#"{"messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}]}"#;
    let run = hob(&["template", &model, "--messages", "-", "--think", "on"], input.as_bytes());
    assert!(run.stderr.contains("the tools leave no trace"), "{}", run.stderr);
    assert!(run.stderr.contains("--think leaves no trace"), "{}", run.stderr);
    assert!(run.ok().contains("Hi"));
    let Some(model) = shared("fixtures/models/qwen3") else { return };
    let run = hob(&["template", &model, "--messages", "-", "--think=off"], input.as_bytes());
    assert_eq!(run.stderr, "");
    assert!(run.ok().contains("\"add\""));
}

/// A question, a call and its result as clients of the OpenAI interface send them.
const SENT: &str = r#"[{"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},
    {"role": "assistant", "content": null, "refusal": null, "tool_calls": [{"id": "call00001", "type": "function",
     "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}]},
    {"role": "tool", "tool_call_id": "call00001", "content": "21 C"}]"#;

#[test]
fn messages_are_rewritten_to_what_the_template_takes() {
    let Some(model) = shared("fixtures/models/qwen3") else { return };
    let run = hob(&["template", &model, "--messages", "-"], SENT.as_bytes());
    assert_eq!(run.stderr, "");
    let text = run.ok();
    for part in [
        "system\nBe brief.",
        "user\nWeather in Paris?",
        r#""arguments": {"city": "Paris"}"#,
        "21 C",
        "assistant\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let verbatim = hob(&["template", &model, "--messages", "-", "--verbatim"], SENT.as_bytes());
    assert!(verbatim.code != Some(0) || verbatim.stdout != text);
    let picture = br#"[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]"#;
    let run = hob(&["template", &model, "--messages", "-"], picture);
    assert!(run.code == Some(1) && run.stderr.contains("standard input: message 1:"), "{}", run.stderr);
}

#[test]
fn calls_that_a_template_does_not_show_are_spoken_of() {
    let Some(model) = shared("fixtures/models/phi3_mini_4k") else { return };
    let run = hob(&["template", &model, "--messages", "-"], SENT.as_bytes());
    assert!(run.stderr.contains("the calls of tools leave no trace"), "{}", run.stderr);
    assert!(!run.ok().contains("Paris\""));
}

#[test]
fn an_answer_can_be_left_open() {
    let Some(model) = shared("fixtures/models/gemma3_1b") else { return };
    let begun = br#"[{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two,"}]"#;
    let text = hob(&["template", &model, "--messages", "-", "--continue"], begun).ok();
    assert!(text.ends_with("<start_of_turn>model\nOne, two,"), "{text}");
    let run = hob(&["template", &model, "--messages", "-", "--continue", "--verbatim"], begun);
    assert_eq!(run.code, Some(2));
}

#[test]
fn vectors_have_length_one() {
    let Some((model, expected)) = fixture("bert_bge") else { return };
    let text = expected["prompts"][0]["text"].as_str().unwrap();
    let d = hob(&["embed", &model, "--json", "--compute", "exact"], text.as_bytes()).json();
    let vector: Vec<f64> = d["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(d["dimensions"], vector.len());
    assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5);
    let line = hob(&["embed", &model, text, "--compute", "exact"], b"").ok();
    let numbers: Vec<f64> = line.split_whitespace().map(|x| x.parse().unwrap()).collect();
    assert!(numbers.iter().zip(&vector).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn a_model_is_described() {
    let Some(model) = stories() else { return };
    let text = hob(&["show", &model, "--tensors", "--metadata"], b"").ok();
    for word in [
        "family        Llama",
        "trained for   512",
        "no chat template",
        "blk.0.attn_q.weight",
        "general.architecture = \"llama\"",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let d = hob(&["show", &model, "--context", "100", "--json"], b"").json();
    assert_eq!(
        (&d["runs"], &d["layers"], &d["memory_estimate"]["context"]),
        (&json!(true), &json!(5), &json!(100))
    );
    let Some(model) = llama() else { return };
    assert!(hob(&["show", &model], b"").ok().contains("safetensors directory"));
}

#[test]
fn what_cannot_run_is_still_shown() {
    let Some(model) = shared("models/vocab/ggml-vocab-falcon.gguf").or_else(|| shared("models/vocab")) else {
        return;
    };
    let model = if model.ends_with(".gguf") {
        model
    } else {
        let first = |e: std::io::Result<std::fs::DirEntry>| {
            e.ok().map(|e| e.path()).filter(|p| p.extension().is_some_and(|x| x == "gguf"))
        };
        std::fs::read_dir(&model).unwrap().find_map(first).unwrap().display().to_string()
    };
    let d = hob(&["show", &model, "--json"], b"").json();
    assert_eq!(d["runs"], false);
    assert!(d["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert!(hob(&["show", &model], b"").ok().starts_with("runs          no: "));
}
