//! The shared fixtures: every model file opens, every malformed one is refused.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read fixtures and stop at the first surprise"
)]

use std::path::{Path, PathBuf};

use hob_format::{Dtype, Gguf, ModelFiles, SafeTensors, open};
use hob_quant::TensorType;

/// The shared folder, or `None` with a loud note where a checkout lacks it.
fn shared() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if !path.is_dir() {
        eprintln!("SKIPPED: {} is absent", path.display());
        return None;
    }
    Some(path.to_owned())
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn every_gguf_fixture_opens() {
    let Some(shared) = shared() else { return };
    for dir in ["fixtures/models", "fixtures/tokenizers", "models"] {
        for path in files(&shared.join(dir), "gguf") {
            let gguf = Gguf::open(&path).unwrap_or_else(|e| panic!("{e}"));
            assert!(gguf.metadata.str("general.architecture").unwrap().is_some());
            let tokens = gguf.metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap();
            let count = gguf.metadata.array("tokenizer.ggml.tokens").unwrap().unwrap().len();
            assert!(tokens.count() == count && count > 0, "{}", path.display());
        }
    }
}

#[test]
fn every_directory_fixture_opens() {
    let Some(shared) = shared() else { return };
    let configs = files(&shared.join("fixtures/models"), "json");
    let dirs = configs.iter().filter(|p| p.ends_with("config.json")).map(|p| p.parent().unwrap());
    let mut count = 0;
    for dir in dirs {
        let ModelFiles::Hf(hf) = open(dir).unwrap_or_else(|e| panic!("{e}")) else {
            panic!("{}", dir.display())
        };
        assert!(!hf.tensors.is_empty() && hf.tokenizer_json.is_some(), "{}", dir.display());
        assert!(matches!(open(&dir.join("model.safetensors")).unwrap(), ModelFiles::Hf(_)));
        count += 1;
    }
    assert!(count >= 20, "{count} directories");
}

/// llama.cpp's converter and our two readers agree on a model stored in both forms.
#[test]
fn both_containers_hold_the_same_embedding() {
    let Some(shared) = shared() else { return };
    let dir = shared.join("fixtures/models/smollm2");
    let gguf = Gguf::open(&dir.join("smollm2-F32.gguf")).unwrap();
    let st = SafeTensors::open(&dir.join("model.safetensors")).unwrap();
    let a = gguf.tensors.get("token_embd.weight").unwrap();
    let b = st.tensors.get("model.embed_tokens.weight").unwrap();
    assert_eq!((a.dtype, b.dtype), (Dtype::Block(TensorType::F32), Dtype::Block(TensorType::BF16)));
    assert_eq!(a.shape, b.shape);
    for (wide, narrow) in a.bytes.chunks_exact(4).zip(b.bytes.chunks_exact(2)) {
        assert_eq!(wide, [0, 0, narrow[0], narrow[1]]);
    }
}

#[test]
fn the_file_of_all_types_matches_its_manifest() {
    let Some(shared) = shared() else { return };
    let dir = shared.join("fixtures/gguf_types");
    let gguf = Gguf::open(&dir.join("all_types.gguf")).unwrap();
    assert!(gguf.tensors.len() > 20);
    for t in &gguf.tensors {
        let raw = std::fs::read(dir.join(format!("{}.bin", t.dtype))).unwrap();
        assert_eq!(*t.bytes, *raw, "{}", t.name);
    }
}

#[test]
fn every_malformed_fixture_is_refused() {
    let Some(shared) = shared() else { return };
    let dir = shared.join("fixtures/malformed");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).unwrap()).unwrap();
    let (mut refused, mut loaded) = (0, 0);
    for case in manifest["cases"].as_array().unwrap() {
        let path = dir.join(case["file"].as_str().unwrap());
        let error = match case["kind"].as_str().unwrap() {
            "gguf" => Gguf::open(&path).err(),
            "safetensors" => SafeTensors::open(&path).err(),
            _ => continue,
        };
        match (error, case["expect"].as_str(), case["semantic"].as_bool()) {
            (Some(error), None, _) => {
                refused += 1;
                println!("{error}");
            }
            (None, Some("load"), _) => loaded += 1,
            // What the file means is judged by other crates.
            (None, _, Some(true)) | (Some(_), Some("reject_or_load"), _) => {}
            (error, expect, _) => panic!("{}: {expect:?}, got {error:?}", path.display()),
        }
    }
    assert!(refused >= 46 && loaded == 2, "{refused} refused, {loaded} loaded");
}
