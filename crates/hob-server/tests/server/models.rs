//! Several models, memory, and who has to go.

use crate::client::{config, start_with};
use hob_server::{Folder, KeepAlive};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The built-in model's file under two names.
fn twins(folder: &Path) -> Folder {
    for name in ["one.gguf", "two.gguf"] {
        std::fs::write(folder.join(name), hob::builtin_file()).unwrap();
    }
    std::fs::write(folder.join("damaged.gguf"), b"GGUF and nothing more").unwrap();
    Folder::new(&[], Some(folder.to_path_buf()))
}

fn body(model: &str) -> serde_json::Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2})
}

#[test]
fn models_share_memory_and_the_idle_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.models.parallel = 1;
    config.models.options.prefix_bytes_max = 1 << 20;
    // Enough for one of them, not for two.
    config.models.memory_max = 24 << 20;
    let server = start_with(config, twins(folder.path()));
    let loaded = || {
        let list = server.get("/hob/v1/status").ok()["loaded"].as_array().unwrap().clone();
        list.iter().map(|loaded| loaded["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for name in ["one", "two", "one"] {
        server.post("/v1/chat/completions", &body(name)).ok();
        assert_eq!(loaded(), [name]);
    }
    let status = server.get("/hob/v1/status").ok();
    assert!(status["unloaded"][1]["reason"].as_str().unwrap().contains("needed for one"), "{status}");
}

#[test]
fn what_cannot_be_loaded_is_told_with_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.models.memory_max = 1 << 20;
    let server = start_with(config, twins(folder.path()));
    let error = server.post("/v1/chat/completions", &body("one")).refused(400);
    assert!(
        error["code"] == "insufficient_memory" && error["message"].as_str().unwrap().contains("MB"),
        "{error}"
    );
    let error = server.post("/v1/chat/completions", &body("damaged")).refused(400);
    assert_eq!(error["code"], "model_not_loadable");
    server.get("/health").ok();
}

#[test]
fn a_model_that_nobody_uses_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.models.keep_alive = KeepAlive::For(Duration::from_millis(300));
    let server = start_with(config, twins(folder.path()));
    server.post("/v1/chat/completions", &body("one")).ok();
    let mut forever = body("two");
    forever["keep_alive"] = (-1).into();
    server.post("/v1/chat/completions", &forever).ok();
    std::thread::sleep(Duration::from_millis(1500));
    let status = server.get("/hob/v1/status").ok();
    assert_eq!(
        (status["loaded"].as_array().unwrap().len(), &status["loaded"][0]["name"]),
        (1, &json!("two"))
    );
}
