//! A vocabulary and a tiny model from text, interrupted, resumed and run; and what is said of mistakes.

use crate::hob;
use std::fmt::Write;
use std::path::Path;

/// Sentences in which each word follows from the last few.
pub fn text() -> String {
    let mut text = String::new();
    for i in 0..400 {
        let (who, what) = (["cat", "dog", "hen"][i % 3], ["sat", "ran", "hid"][i / 3 % 3]);
        writeln!(text, "The {who} {what} there, and the {who} that {what} was {}.", ["old", "new"][i % 2])
            .unwrap();
    }
    text
}

pub fn recipe(folder: &Path, steps: usize) -> String {
    let recipe = format!(
        "out = 'run'\n[model]\ntokenizer = 'vocab.gguf'\n[model.shape]\nname = 'tiny'\narchitecture = 'qwen3'\nlayers = 2\n\
         hidden = 32\nffn = 64\nheads = 2\nkv_heads = 1\nhead_dim = 16\ncontext = 128\n[[data]]\nfiles = ['text.txt']\n\
         [valid]\nfiles = ['chats.jsonl']\n[training]\ntokens = {}\nsequence = 32\nbatch = 256\nrate = 0.02\nvalid_every = 10\n",
        256 * steps
    );
    let path = folder.join("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    path.display().to_string()
}

pub fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("text.txt"), text()).unwrap();
    let chat = r#"{"messages": [{"role": "user", "content": "What did the cat do?"}, {"role": "assistant", "content": "The cat sat there."}]}"#;
    std::fs::write(at("chats.jsonl"), format!("{chat}\n").repeat(4)).unwrap();
    let (vocab, text, chats) = (at("vocab.gguf"), at("text.txt"), at("chats.jsonl"));
    let run = hob(&["train-tokenizer", &text, &chats, "--out", &vocab, "--size", "280"], b"").ok();
    assert!(run.contains("280 tokens"), "{run}");
    let ids = hob(&["tokenize", &vocab, "The cat <|im_end|>"], b"").ok();
    assert!(ids.trim().ends_with("279"), "{ids}");
    folder
}

#[test]
fn a_model_is_trained_stopped_resumed_and_run() {
    let folder = prepared();
    let recipe = recipe(folder.path(), 60);
    let whole = hob(&["train", &recipe, "--json", "--threads", "1"], b"");
    assert!(whole.stderr.contains("60 steps of 256 tokens"), "{}", whole.stderr);
    let lines: Vec<serde_json::Value> =
        whole.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 61);
    let loss = |i: usize| lines[i]["loss"].as_f64().unwrap();
    assert!(loss(0) > 5.0 && loss(59) < 1.5, "{} to {}", loss(0), loss(59));
    assert!(lines[59]["valid"].as_f64().is_some());
    let model = folder.path().join("run/model.gguf");
    let trained = std::fs::read(&model).unwrap();
    let path = model.display().to_string();
    let said =
        hob(&["chat", &path, "--raw", "The cat sat there, and the", "--temp", "0", "--max-tokens", "8"], b"")
            .ok();
    assert!(said.contains("that sat was"), "{said}");
    assert!(std::fs::read_to_string(folder.path().join("run/loss.svg")).unwrap().contains("validation"));
    assert_eq!(std::fs::read_to_string(folder.path().join("run/log.jsonl")).unwrap().lines().count(), 60);

    // Stopped after 25 steps and gone on with another number of threads: the same file, byte for byte.
    std::fs::remove_dir_all(folder.path().join("run")).unwrap();
    let part = hob(&["train", &recipe, "--steps", "25"], b"");
    assert!(part.stderr.contains("stopped after step 25 of 60"), "{}", part.stderr);
    assert!(!model.exists());
    let rest = hob(&["train", &recipe, "--threads", "2"], b"");
    assert!(rest.stderr.contains("goes on after step 25"), "{}", rest.stderr);
    assert!(rest.ok().contains("60 steps, validation loss"));
    assert!(std::fs::read(&model).unwrap() == trained);
}

#[test]
fn mistakes_are_named_and_nothing_is_left_behind() {
    let folder = prepared();
    let path = recipe(folder.path(), 5);
    let good = std::fs::read_to_string(&path).unwrap();
    let text = folder.path().join("text.txt");
    for (from, to, expected) in [
        ("text.txt", "absent.txt", "absent.txt"),
        ("vocab.gguf", "text.txt", "text.txt"),
        ("qwen3", "qwen9", "qwen9"),
        ("qwen3", "bert", "bert."),
        ("sequence = 32", "sequence = 30", "training.batch"),
        ("sequence = 32", "sequence = 128", "at least one sequence"),
        ("rate = 0.02", "rate = 0.02\nrat = 1", "rat"),
        ("files = ['text.txt']", "files = ['vocab.gguf']", "expected UTF-8 text"),
    ] {
        if to.contains("128") {
            std::fs::write(&text, "Too short.").unwrap();
        }
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let run = hob(&["train", &path], b"");
        assert!(run.code == Some(1) && run.stderr.contains(expected), "{to}: {}", run.stderr);
        assert!(!folder.path().join("run/checkpoint.safetensors").exists());
    }
    let vocab = folder.path().join("other.gguf").display().to_string();
    let empty = folder.path().join("empty.txt");
    std::fs::write(&empty, "").unwrap();
    let run = hob(&["train-tokenizer", &empty.display().to_string(), "--out", &vocab], b"");
    assert!(run.code == Some(1) && run.stderr.contains("no text"), "{}", run.stderr);
    let text = text.display().to_string();
    let run = hob(&["train-tokenizer", &text, "--out", &vocab, "--size", "100"], b"");
    assert!(run.code == Some(1) && run.stderr.contains("room for 256 bytes"), "{}", run.stderr);
    assert!(!Path::new(&vocab).exists());
}

#[test]
fn an_adapter_is_trained_and_merged() {
    let folder = prepared();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let base = recipe(folder.path(), 20);
    hob(&["train", &base], b"").ok();
    let text = std::fs::read_to_string(&base).unwrap();
    let rest = text.find("[[data]]").unwrap();
    let from = |lora: &str| {
        let text = format!("out = 'lora'\n[model]\nfrom = 'run/model.gguf'\n{}{lora}", &text[rest..]);
        std::fs::write(at("lora.toml"), text).unwrap();
        hob(&["train", &at("lora.toml"), "--json"], b"")
    };
    let run = from("[training.lora]\nrank = 4\nalpha = 8.0\n").ok();
    let last: serde_json::Value = serde_json::from_str(run.lines().last().unwrap()).unwrap();
    let (adapter, merged) = (at("lora/adapter.gguf"), at("merged.gguf"));
    assert_eq!(last["model"], adapter.as_str());
    let (model, common) = (
        at("run/model.gguf"),
        ["--file", &at("text.txt"), "--context", "32", "--compute", "exact", "--json"],
    );
    let said = hob(&["merge-lora", &model, &adapter, &merged], b"").ok();
    assert!(said.contains("14 matrices changed"), "{said}");
    let nll = |model: &str| {
        hob(&[&["eval", "perplexity", model][..], &common].concat(), b"").json()["nll"].as_f64().unwrap()
    };
    let (before, after) = (nll(&model), nll(&merged));
    assert!(after < before - 0.02, "{before} to {after}");
    // Rounded on the way out, it stays close.
    let small = at("small.gguf");
    hob(&["merge-lora", &model, &adapter, &small, "--type", "Q8_0"], b"").ok();
    assert!((nll(&small) - after).abs() < 0.05);
    let run = from("[training.lora]\nrank = 400\n");
    assert!(
        run.code == Some(1) && run.stderr.contains("training.lora.rank: expected 1 to "),
        "{}",
        run.stderr
    );
    for (args, code, expected) in [
        ([&model, &model, &merged], 1, "expected a LoRA adapter"),
        ([&model, &adapter, &model], 2, "would replace one"),
        ([&at("vocab.gguf"), &adapter, &merged], 1, "made for"),
    ] {
        let run = hob(&[&["merge-lora"][..], &args.map(String::as_str)].concat(), b"");
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}
