//! Pulls that go well.

use crate::{Bench, assert_holds, lfs, noise, plain, repo};
use hob_store::{Base, Digest, Error, FilePath, ModelName, Reference, Settings, Source};
use hob_testhub::{Fault, Layer, Place};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[test]
fn a_file_is_fetched_in_parts_and_becomes_a_model() {
    let bench = Bench::new();
    let content = bench.one_file(20 << 20);
    let plan = bench.plan("hf.co/o/r").unwrap();
    assert_eq!((plan.bytes(), plan.license.as_deref()), (20 << 20, Some("apache-2.0")));
    let model = bench.pull("hf.co/o/r").unwrap();
    assert_eq!(model.name.to_string(), "hf.co/o/r:Q4_K_M");
    assert_eq!(model.path, bench.models().join("hf.co--o--r@Q4_K_M").join("m-Q4_K_M.gguf"));
    assert_holds(&model.path, &content);
    assert_eq!(model.digest, Some(Digest::of(&content)));
    assert_eq!(model.manifest.source, Source::HuggingFace { repo: "o/r".into(), revision: "a".repeat(40) });
    assert!(bench.partials().is_empty());
    let seen = bench.hub.take_seen();
    let ranges: Vec<_> =
        seen.iter().filter(|s| s.place == Place::Storage).filter_map(|s| s.header("range")).collect();
    assert!(ranges.len() >= 160, "{} ranges", ranges.len());
    let found = bench.store().find("r").unwrap();
    assert_eq!(found, model);

    // Pulling it again fetches nothing.
    assert_eq!(bench.pull("hf.co/o/r").unwrap(), model);
    assert!(bench.hub.take_seen().iter().all(|s| s.place == Place::Hub));
}

#[test]
fn a_type_a_file_or_a_split_set_can_be_chosen() {
    let bench = Bench::new();
    let (a, b, c) = (noise(3000, 1), noise(4000, 2), noise(5000, 3));
    bench.hub.set_page(2);
    bench.hub.put(repo(vec![
        lfs("Q8_0/m-Q8_0-00001-of-00002.gguf", &a),
        lfs("Q8_0/m-Q8_0-00002-of-00002.gguf", &b),
        lfs("m-Q4_K_M.gguf", &c),
        lfs("mmproj-m-F16.gguf", &noise(10, 4)),
    ]));
    let both = bench.pull("hf.co/o/r:q8_0").unwrap();
    assert_eq!(both.bytes, 7000);
    assert!(both.path.ends_with("m-Q8_0-00001-of-00002.gguf"));
    assert_holds(&both.path, &a);
    assert_holds(&both.path.with_file_name("m-Q8_0-00002-of-00002.gguf"), &b);
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &c);
    let by_file = bench.pull("hf.co/o/r/Q8_0/m-Q8_0-00002-of-00002.gguf").unwrap();
    assert_eq!(by_file.name, both.name);
    for wanted in ["hf.co/o/r:Q2_K", "hf.co/o/r/none.gguf"] {
        let error = bench.plan(wanted).unwrap_err();
        assert!(
            matches!(error, Error::NotThere { .. }) && error.to_string().contains("Q8_0, Q4_K_M"),
            "{error}"
        );
    }
    assert!(matches!(bench.plan("hf.co/o/missing"), Err(Error::NotThere { .. })));
}

#[test]
fn a_repository_of_safetensors_is_fetched_without_what_hob_does_not_read() {
    let bench = Bench::new();
    bench.hub.put(repo(vec![
        plain("config.json", b"{\"model_type\":\"x\"}"),
        plain("tokenizer.json", b"{}"),
        plain("1_Pooling/config.json", b"{}"),
        lfs("model-00001-of-00002.safetensors", &noise(5000, 1)),
        lfs("model-00002-of-00002.safetensors", &noise(100_000, 2)),
        plain("model.safetensors.index.json", b"{}"),
        lfs("consolidated.safetensors", &noise(100, 3)),
        lfs("pytorch_model.bin", &noise(100, 4)),
        lfs("onnx/model.onnx", &noise(100, 5)),
        plain("added_tokens.json", b""),
        plain("README.md", b"card"),
    ]));
    let model = bench.pull("hf.co/o/r").unwrap();
    assert_eq!(model.path, bench.models().join("hf.co--o--r"));
    let names: Vec<_> = model.manifest.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "config.json",
            "tokenizer.json",
            "1_Pooling/config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "added_tokens.json",
        ]
    );
    assert!(model.manifest.files.iter().all(|f| f.sha256.is_some() && f.is_verified));
    assert_holds(&model.path.join("1_Pooling").join("config.json"), b"{}");
}

#[test]
fn ollamas_registry_gives_a_model_and_what_is_said_about_it() {
    let bench = Bench::new();
    let layer =
        |kind, bytes: &[u8]| Layer { kind, sha256: Digest::of(bytes).to_string(), bytes: bytes.to_vec() };
    let content = noise(300_000, 9);
    bench.hub.put_model(
        "library/tiny:1b",
        vec![
            layer("model", &content),
            layer("template", b"{{ .Prompt }}"),
            layer("params", br#"{"stop":["<end>","<s>"],"temperature":0.5}"#),
            layer("license", b"MIT License\n\nPermission is hereby granted"),
        ],
    );
    let model = bench.pull("ollama/tiny:1b").unwrap();
    assert_eq!(
        (model.name.to_string().as_str(), model.path.file_name().unwrap()),
        ("ollama/tiny:1b", "tiny-1b.gguf".as_ref())
    );
    assert_holds(&model.path, &content);
    let settings = &model.manifest.settings;
    assert_eq!(settings.template.as_deref(), Some("{{ .Prompt }}"));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(settings.parameters, [pair("stop", "<end>"), pair("stop", "<s>"), pair("temperature", "0.5")]);
    assert_eq!(model.manifest.details.license.as_deref(), Some("MIT License"));
    assert_eq!(bench.store().find("tiny").unwrap(), model);

    bench.hub.put_model("library/parts:1b", vec![layer("tensor", b"x"), layer("tensor", b"y")]);
    for (wanted, says) in
        [("ollama/parts:1b", "one layer with a GGUF model"), ("ollama/none", "manifest unknown")]
    {
        let error = bench.plan(wanted).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn gated_repositories_open_with_the_right_token_only() {
    let mut bench = Bench::new();
    let content = bench.one_file(1000);
    bench
        .hub
        .change("o/r", |r| (r.token, r.stranger) = (Some("hf_right".into()), Some("hf_stranger".into())));
    for (token, says) in [
        (None, "HF_TOKEN or --token-file"),
        (Some("hf_stranger"), "accept the terms"),
        (Some("hf_x"), "access token"),
    ] {
        bench.token = token;
        assert!(bench.plan("hf.co/o/r").unwrap().is_gated);
        let error = bench.pull("hf.co/o/r").unwrap_err();
        assert!(
            matches!(error, Error::Gated { .. }) && error.to_string().contains(says),
            "{token:?}: {error}"
        );
        assert!(!error.to_string().contains("hf_"), "{error}");
        bench.assert_empty();
    }
    bench.token = Some("hf_right");
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
}

#[test]
fn a_new_revision_replaces_the_old_one_when_it_is_complete() {
    let bench = Bench::new();
    let old = bench.one_file(200_000);
    let model = bench.pull("hf.co/o/r").unwrap();
    let new = noise(300_000, 77);
    bench.hub.change("o/r", |r| (r.commit, r.files[0]) = ("b".repeat(40), lfs("m-Q4_K_M.gguf", &new)));
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Cut(1000)));
    bench.pull("hf.co/o/r").unwrap_err();
    assert_holds(&model.path, &old);
    bench.hub.heal();
    let model = bench.pull("hf.co/o/r").unwrap();
    assert_holds(&model.path, &new);
    assert_eq!(bench.store().list().unwrap().models.len(), 1);
    assert_eq!(fs::read_dir(bench.models().join(".old")).unwrap().count(), 0);
}

#[test]
fn a_limit_holds() {
    let mut bench = Bench::new();
    bench.one_file(600_000);
    bench.options.bytes_per_second = Some(400_000);
    let start = Instant::now();
    bench.pull("hf.co/o/r").unwrap();
    assert!(start.elapsed().as_secs_f64() > 1.0, "{:?}", start.elapsed());
}

#[test]
fn a_pull_that_was_stopped_is_found_with_what_it_was_after() {
    let bench = Bench::new();
    let content = bench.one_file(4 << 20);
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Slow(4 << 20)));
    assert!(bench.store().unfinished().unwrap().is_empty());
    let reference = Reference::parse("hf.co/o/r:Q4_K_M").unwrap();
    let stop = |bytes: u64| {
        let (puller, cancel) = (bench.puller(), AtomicBool::new(false));
        let plan = puller.plan(&reference, &cancel).unwrap();
        let result = puller.pull(&bench.store(), &reference, plan, &cancel, &mut |progress| {
            // Nobody else finds what is being worked at.
            assert!(bench.store().unfinished().unwrap().is_empty());
            assert!(matches!(bench.store().discard(&name()), Err(Error::Busy { .. })));
            if progress.received > bytes {
                cancel.store(true, Ordering::Relaxed);
            }
        });
        assert!(matches!(result, Err(Error::Stopped | Error::Egress(_))), "{result:?}");
    };
    stop(600_000);
    let found = bench.store().unfinished().unwrap();
    let [left] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&left.reference, &left.name, left.total), (&reference, &name(), content.len() as u64));
    assert_eq!(left.license.as_deref(), Some("apache-2.0"));
    assert!(left.done > 200_000 && left.done < left.total, "{left:?}");
    // What cannot be read is none, and harms nobody.
    let note = bench.partials()[0].join("request.json");
    let text = fs::read(&note).unwrap();
    for damaged in [&b"{}"[..], b"", b"[1]", br#"{"version":1,"name":"../x","reference":"x","bytes":1}"#] {
        fs::write(&note, damaged).unwrap();
        assert!(bench.store().unfinished().unwrap().is_empty());
    }
    fs::write(&note, text).unwrap();
    bench.store().discard(&name()).unwrap();
    assert!(bench.partials().is_empty() && bench.store().unfinished().unwrap().is_empty());
}

/// The files are the model by then, and their folder waits to be removed.
#[test]
fn what_a_pull_killed_at_its_very_end_leaves_is_no_unfinished_pull() {
    let bench = Bench::new();
    let content = bench.one_file(1 << 20);
    let stop_at_once = || {
        let (puller, reference) = (bench.puller(), Reference::parse("hf.co/o/r:Q4_K_M").unwrap());
        let plan = puller.plan(&reference, &AtomicBool::new(false)).unwrap();
        let result = puller.pull(&bench.store(), &reference, plan, &AtomicBool::new(true), &mut |_| {});
        assert!(matches!(result, Err(Error::Stopped | Error::Egress(_))), "{result:?}");
    };
    stop_at_once();
    let home = bench.partials()[0].clone();
    let note = fs::read(home.join("request.json")).unwrap();
    let model = bench.pull("hf.co/o/r").unwrap();
    assert!(bench.partials().is_empty());
    fs::create_dir(&home).unwrap();
    fs::write(home.join("request.json"), note).unwrap();
    assert!(bench.store().unfinished().unwrap().is_empty());
    assert_eq!(bench.pull("hf.co/o/r").unwrap().name, model.name);
    assert!(bench.partials().is_empty());
    assert_eq!(fs::read(model.path_of(&model.manifest.files[0])).unwrap(), content);
}

fn name() -> ModelName {
    ModelName::parse("hf.co/o/r:Q4_K_M").unwrap()
}

#[test]
fn a_model_is_made_of_another_with_other_settings() {
    let bench = Bench::new();
    bench.one_file(100_000);
    let model = bench.pull("hf.co/o/r").unwrap();
    let made = ModelName::parse("mine").unwrap();
    let settings = Settings { system: Some("Be brief.".into()), ..Settings::default() };
    let one = bench.store().create(&made, Base::Model(&model), settings).unwrap();
    assert_eq!((one.digest, one.manifest.settings.system.as_deref()), (model.digest, Some("Be brief.")));
    // Made anew of itself.
    let two = bench.store().create(&made, Base::Model(&one), Settings::default()).unwrap();
    assert!(two.manifest.settings.is_empty() && two.bytes == model.bytes);
    let file = FilePath::parse("m.gguf").unwrap();
    let none = Digest::of(b"x");
    let missing = bench.store().create(&made, Base::Blobs(&[(file.clone(), none)]), Settings::default());
    assert!(matches!(missing, Err(Error::Unknown { .. })), "{missing:?}");
    let mut writer = bench.store().take_blob(none).unwrap();
    writer.write(b"x").unwrap();
    writer.finish().unwrap();
    let no_model = bench.store().create(&made, Base::Blobs(&[(file, none)]), Settings::default());
    assert!(matches!(no_model, Err(Error::Import { .. })), "{no_model:?}");
    // What went wrong changed nothing.
    assert_eq!(bench.store().find("mine").unwrap(), two);
    let mut wrong = bench.store().take_blob(Digest::of(b"y")).unwrap();
    wrong.write(b"x").unwrap();
    assert!(matches!(wrong.finish(), Err(Error::WrongDigest { .. })));
    assert!(bench.partials().is_empty() && !bench.store().has_blob(&Digest::of(b"y")));
}
