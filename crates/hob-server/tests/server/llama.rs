//! The interface of llama-server.

use crate::client::start;
use serde_json::{Value, json};

#[test]
fn properties_places_and_counts() {
    let server = start();
    let props = server.get("/props").ok();
    assert_eq!(
        (&props["total_slots"], &props["default_generation_settings"]["n_ctx"]),
        (&json!(4), &json!(512))
    );
    assert!(props["chat_template"].as_str().unwrap().contains("im_start"));
    let slots = server.get("/slots").ok();
    assert!(
        slots.as_array().unwrap().iter().all(|slot| slot["is_processing"] == false)
            && slots.as_array().unwrap().len() == 4
    );
    server.post("/completion", &json!({"prompt": "Once", "n_predict": 4})).ok();
    let page = server.get("/metrics");
    assert!(page.header("content-type").unwrap().starts_with("text/plain"));
    let value = |name: &str| -> f64 {
        let line = page.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}\n{}", page.body)).parse().unwrap()
    };
    assert_eq!(value("llamacpp:tokens_predicted_total"), 4.0);
    // No counter of this machine is known to the server of a test.
    let bound =
        |bound: &str| value(&format!("hob_energy_joules_total{{method=\"estimated\",bound=\"{bound}\"}}"));
    assert!(bound("low") > 0.0 && bound("low") < bound("high"));
    assert!(!page.body.contains("measured"), "{}", page.body);
    assert!(value("llamacpp:prompt_tokens_total") >= 1.0 && value("hob_first_token_seconds_count") == 1.0);
}

#[test]
fn text_to_tokens_and_back() {
    let server = start();
    let text = "Hello, wörld 🦊 <|im_end|>";
    let tokens = server.post("/tokenize", &json!({"content": text})).ok()["tokens"].clone();
    assert_eq!(server.post("/detokenize", &json!({"tokens": tokens})).ok()["content"], text);
    let pieces = server.post("/tokenize", &json!({"content": text, "with_pieces": true})).ok();
    assert_eq!(pieces["tokens"].as_array().unwrap().len(), tokens.as_array().unwrap().len());
    let prompt =
        server.post("/apply-template", &json!({"messages": [{"role": "user", "content": "Hi"}]})).ok();
    assert_eq!(prompt["prompt"], "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    server.post("/detokenize", &json!({"tokens": ["a"]})).refused(400);
}

#[test]
fn texts_are_continued() {
    let server = start();
    let body = json!({"prompt": "Once upon a time", "n_predict": 8, "temperature": 0, "n_probs": 2, "return_tokens": true});
    let whole = server.post("/completion", &body).ok();
    assert_eq!(
        (&whole["stop"], &whole["stop_type"], &whole["tokens_predicted"]),
        (&json!(true), &json!("limit"), &json!(8))
    );
    assert_eq!(whole["completion_probabilities"].as_array().unwrap().len(), 8);
    let mut streamed = body.clone();
    streamed["stream"] = true.into();
    let events = server.post("/completion", &streamed).events();
    let text: String = events.iter().map(|event| event["content"].as_str().unwrap()).collect();
    assert_eq!(whole["content"], text);
    let mixed = server.post("/completion", &json!({"prompt": ["Once", 12, "upon"], "n_predict": 2})).ok();
    assert_eq!(mixed["tokens_predicted"], 2);
    let grammar = json!({"prompt": "Answer:", "grammar": "root ::= \"yes\" | \"no\"", "n_predict": 8});
    let text = server.post("/completion", &grammar).ok()["content"].as_str().unwrap().to_owned();
    assert!(text == "yes" || text == "no", "{text}");
    let schema = json!({"prompt": "Answer:", "json_schema": {"type": "boolean"}, "n_predict": 8});
    assert!(
        serde_json::from_str::<Value>(server.post("/completion", &schema).ok()["content"].as_str().unwrap())
            .unwrap()
            .is_boolean()
    );
    assert_eq!(
        server.post("/infill", &json!({"input_prefix": "a", "input_suffix": "b"})).refused(400)["code"],
        "no_infill"
    );
    server.post("/completion", &json!({"prompt": 5})).refused(400);
    let ranked = server.post("/v1/rerank", &json!({"model": "ember", "query": "a", "documents": ["b"]}));
    assert_eq!(ranked.refused(501)["code"], "not_a_reranker");
}
