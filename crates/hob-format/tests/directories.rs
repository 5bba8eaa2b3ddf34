//! Models of several files, directories, and paths that hold something else.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests write files and stop at the first surprise"
)]

use std::path::Path;

use hob_format::{
    Access, Dtype, Error, Gguf, GgufLayout, GgufWriter, HfModel, Metadata, ModelFiles, SafetensorsLayout,
    SafetensorsWriter, open,
};
use hob_quant::TensorType;

fn write_gguf(path: &Path, keys: &[(&str, u32)], tensors: &[&str]) {
    let mut metadata = Metadata::new("t");
    metadata.set("general.architecture", "llama");
    keys.iter().for_each(|(key, value)| metadata.set(key, *value));
    let mut layout = GgufLayout::new(metadata);
    for name in tensors {
        layout.tensor(name, TensorType::I8, &[3]);
    }
    let mut writer = GgufWriter::create(path, &layout).unwrap();
    for name in tensors {
        writer.begin(name).unwrap();
        writer.write(&name.as_bytes()[..3]).unwrap();
    }
    writer.finish().unwrap();
}

fn write_safetensors(path: &Path, tensors: &[&str]) {
    let mut layout = SafetensorsLayout::new();
    for name in tensors {
        layout.tensor(name, Dtype::U8, &[3]);
    }
    let mut writer = SafetensorsWriter::create(path, &layout).unwrap();
    for name in tensors {
        writer.begin(name).unwrap();
        writer.write(&name.as_bytes()[..3]).unwrap();
    }
    writer.finish().unwrap();
}

fn message(result: Result<impl Sized, Error>) -> String {
    result.err().expect("must be refused").to_string()
}

/// Three parts under `dir`; the path of part `number` (from 1).
fn split_set(dir: &Path) -> impl Fn(u32) -> std::path::PathBuf + use<> {
    let dir = dir.to_owned();
    let path = move |number: u32| dir.join(format!("m-{number:05}-of-00003.gguf"));
    for (i, tensors) in [vec!["aaa", "bbb"], vec!["ccc"], vec!["ddd"]].iter().enumerate() {
        let no = i as u32;
        write_gguf(
            &path(no + 1),
            &[("split.no", no), ("split.count", 3), ("split.tensors.count", 4), ("part", no)],
            tensors,
        );
    }
    path
}

#[test]
fn split_sets_open_from_any_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = split_set(dir.path());
    for start in [path(1), path(2), path(3), dir.path().to_owned()] {
        let ModelFiles::Gguf(gguf) = open(&start).unwrap() else { panic!("not a GGUF") };
        assert_eq!(
            gguf.tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["aaa", "bbb", "ccc", "ddd"]
        );
        assert_eq!(&*gguf.tensors.get("ccc").unwrap().bytes, b"ccc");
        assert_eq!(gguf.metadata.usize("part").unwrap(), Some(0));
        assert_eq!(gguf.paths(), [path(1), path(2), path(3)]);
        let sizes = (1..=3).map(|n| std::fs::metadata(path(n)).unwrap().len());
        assert_eq!(gguf.file_bytes(), sizes.sum::<u64>());
        gguf.tensors.advise(gguf.tensors.get("ddd").unwrap(), Access::Random);
    }
}

#[test]
fn incomplete_and_mixed_split_sets_are_refused() {
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        let path = split_set(dir.path());
        (dir, path)
    };
    let (_dir, path) = fresh();
    std::fs::remove_file(path(2)).unwrap();
    assert!(message(Gguf::open(&path(1))).contains("m-00002-of-00003.gguf, found no such file"));

    let (_dir, path) = fresh();
    std::fs::copy(path(1), path(2)).unwrap();
    assert!(message(Gguf::open(&path(1))).contains("expected part 2 of 3, found part 1 of 3"));
    assert!(message(Gguf::open(&path(2))).contains("expected part 2 of 3 as the name says"));

    let (_dir, path) = fresh();
    write_gguf(&path(3), &[], &["ddd"]);
    assert!(message(Gguf::open(&path(1))).contains("found a whole model"));

    let (_dir, path) = fresh();
    let part = |tensors: &[&str]| write_gguf(&path(3), &[("split.no", 2), ("split.count", 3)], tensors);
    part(&["aaa"]);
    assert!(message(Gguf::open(&path(1))).contains("tensor aaa: expected unique"));
    part(&["ddd", "eee"]);
    assert!(message(Gguf::open(&path(1))).contains("expected 4 tensors in all, found 5"));

    let (dir, path) = fresh();
    let renamed = dir.path().join("renamed.gguf");
    std::fs::rename(path(1), &renamed).unwrap();
    assert!(message(Gguf::open(&renamed)).contains("NAME-00001-of-00003.gguf"));
}

#[test]
fn huge_split_counts_stop_at_the_first_missing_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m-00001-of-99999.gguf");
    write_gguf(&path, &[("split.no", 0), ("split.count", 99_999)], &["aaa"]);
    assert!(message(Gguf::open(&path)).contains("m-00002-of-99999.gguf"));
    write_gguf(&path, &[("split.no", 0), ("split.count", u32::MAX)], &["aaa"]);
    assert!(message(Gguf::open(&path)).contains("at most 99999"));
}

fn hf_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
    dir
}

fn write_index(dir: &Path, pairs: &[(&str, &str)]) {
    let map: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(tensor, shard)| ((*tensor).to_owned(), (*shard).into())).collect();
    let index = serde_json::json!({"metadata": {"total_size": 9}, "weight_map": map});
    std::fs::write(dir.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn shards_are_one_table() {
    let dir = hf_dir();
    let [a, b] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    write_safetensors(&dir.path().join(a), &["aaa", "bbb"]);
    write_safetensors(&dir.path().join(b), &["ccc"]);
    write_index(dir.path(), &[("aaa", a), ("bbb", a), ("ccc", b)]);
    for path in [dir.path().to_owned(), dir.path().join("config.json"), dir.path().join(b)] {
        let ModelFiles::Hf(hf) = open(&path).unwrap() else { panic!("not a directory") };
        assert_eq!((hf.tensors.len(), hf.tensors.total_bytes()), (3, 9));
        assert_eq!(&*hf.tensors.get("ccc").unwrap().bytes, b"ccc");
        assert_eq!(hf.config["model_type"], "llama");
    }

    write_index(dir.path(), &[("aaa", a), ("bbb", a), ("ccc", a)]);
    assert!(message(open(dir.path())).contains(&format!("tensor ccc: expected the tensor in {a}")));
    write_index(dir.path(), &[("aaa", a), ("ccc", "model-3.safetensors")]);
    assert!(message(open(dir.path())).contains("model-3.safetensors, found no such file"));
    write_safetensors(&dir.path().join(b), &["aaa"]);
    write_index(dir.path(), &[("bbb", a), ("aaa", b)]);
    assert!(message(open(dir.path())).contains("tensor aaa: expected unique"));
}

#[test]
fn shards_outside_the_directory_are_refused() {
    let dir = hf_dir();
    let inside = dir.path().join("sub");
    std::fs::create_dir(&inside).unwrap();
    std::fs::copy(dir.path().join("config.json"), inside.join("config.json")).unwrap();
    let outside = dir.path().join("x.safetensors");
    write_safetensors(&outside, &["aaa"]);
    for name in ["../x.safetensors", outside.to_str().unwrap(), "..\\x.safetensors", "./x.safetensors"] {
        write_index(&inside, &[("aaa", name)]);
        assert!(message(HfModel::open(&inside)).contains("plain file names"), "{name}");
    }
    std::fs::write(inside.join("model.safetensors.index.json"), r#"{"weight_map": {}}"#).unwrap();
    assert!(message(HfModel::open(&inside)).contains("1 to 4096 shard files"));
}

#[test]
fn embedding_models_bring_their_modules() {
    let dir = hf_dir();
    write_safetensors(&dir.path().join("model.safetensors"), &["aaa"]);
    for name in ["1_Pooling", "2_Dense"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join("config.json"), r#"{"in_features": 8}"#).unwrap();
    }
    write_safetensors(&dir.path().join("2_Dense/model.safetensors"), &["linear.weight"]);
    let list = |path: &str| {
        let module =
            |path: &str, kind: &str| serde_json::json!({"idx": 0, "name": "0", "path": path, "type": kind});
        let modules = [
            module("", "sentence_transformers.models.Transformer"),
            module("1_Pooling", "sentence_transformers.models.Pooling"),
            module(path, "sentence_transformers.models.Dense"),
        ];
        std::fs::write(dir.path().join("modules.json"), serde_json::to_vec(&modules).unwrap()).unwrap();
    };
    list("2_Dense");
    let modules = HfModel::open(dir.path()).unwrap().sentence_modules;
    assert_eq!(
        modules.iter().map(|m| m.kind.as_str()).collect::<Vec<_>>(),
        ["Transformer", "Pooling", "Dense"]
    );
    assert!(modules[0].config.is_none() && modules[1].tensors.is_none());
    assert!(
        modules[2].config.is_some() && modules[2].tensors.as_ref().unwrap().get("linear.weight").is_some()
    );
    list("../2_Dense");
    assert!(message(HfModel::open(dir.path())).contains("a plain directory name"));
}

#[test]
fn broken_configurations_are_refused() {
    let dir = hf_dir();
    write_safetensors(&dir.path().join("model.safetensors"), &["aaa"]);
    assert!(HfModel::open(dir.path()).is_ok());
    for name in ["config.json", "tokenizer_config.json", "generation_config.json", "modules.json"] {
        let path = dir.path().join(name);
        let before = std::fs::read(&path).ok();
        for bad in ["", "{", "{\"a\": NaN}", &"[".repeat(100_000), "\u{0}"] {
            std::fs::write(&path, bad).unwrap();
            assert!(message(HfModel::open(dir.path())).contains(name), "{name}");
        }
        match before {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    std::fs::write(dir.path().join("config.json"), "[]").unwrap();
    assert!(message(HfModel::open(dir.path())).contains("a JSON object"));
}

#[test]
fn other_files_get_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    for (content, advice) in [
        (b"".as_slice(), "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"tjgg\x01\0\0\0", "before GGUF"),
        (b"PK\x03\x04data", "can run code"),
        (b"\x80\x02}q", "can run code"),
        (b"hello", "models are .gguf files"),
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(message(open(&path)).contains(advice), "{advice}");
    }
    let alone = dir.path().join("model.safetensors");
    write_safetensors(&alone, &["aaa"]);
    assert!(message(open(&alone)).contains("without config.json beside"));
    assert!(message(open(&dir.path().join("none.gguf"))).contains("cannot open"));
}

#[test]
fn directories_need_one_model() {
    let dir = tempfile::tempdir().unwrap();
    assert!(message(open(dir.path())).contains("without .gguf files"));
    write_gguf(&dir.path().join("a.gguf"), &[], &["aaa"]);
    assert!(matches!(open(dir.path()).unwrap(), ModelFiles::Gguf(_)));
    write_gguf(&dir.path().join("b.gguf"), &[], &["aaa"]);
    assert!(message(open(dir.path())).contains("2 GGUF models; give the path of one"));

    let dir = hf_dir();
    assert!(message(open(dir.path())).contains("expected model.safetensors or"));
    std::fs::write(dir.path().join("pytorch_model.bin"), "x").unwrap();
    assert!(message(open(dir.path())).contains("can run code"));
}
