//! Finding, copying, removing, verifying; and what is left when a process dies between two steps.

use crate::{Bench, assert_holds, lfs, noise, repo};
use hob_store::{Error, ModelName, Verdict};
use std::fs;

fn two_models(bench: &Bench) {
    bench.hub.put(repo(vec![lfs("m-Q4_0.gguf", &noise(1000, 1)), lfs("m-Q8_0.gguf", &noise(2000, 2))]));
    bench.pull("hf.co/o/r:Q4_0").unwrap();
    bench.pull("hf.co/o/r:Q8_0").unwrap();
}

#[test]
fn names_mean_one_model_or_say_which_they_could_mean() {
    let bench = Bench::new();
    two_models(&bench);
    let store = bench.store();
    for wanted in ["hf.co/o/r:q4_0", "r:Q4_0", "HF.CO/o/R:Q4_0"] {
        assert_eq!(store.find(wanted).unwrap().name.to_string(), "hf.co/o/r:Q4_0", "{wanted}");
    }
    assert!(matches!(store.find("r"), Err(Error::Ambiguous { names, .. }) if names.len() == 2));
    let error = store.find("hf.co/o/r:Q4").unwrap_err();
    assert!(error.to_string().contains("did you mean hf.co/o/r:Q4_0"), "{error}");
    for wanted in ["../r", "/etc/passwd", "", "a b"] {
        assert!(matches!(store.find(wanted), Err(Error::Name { .. })), "{wanted}");
    }
}

#[test]
fn a_copy_shares_bytes_and_outlives_the_original() {
    let bench = Bench::new();
    two_models(&bench);
    let store = bench.store();
    let to = ModelName::parse("mine:v1").unwrap();
    let copy = store.copy("r:Q8_0", &to).unwrap();
    let usage = store.usage().unwrap();
    let of = |name: &str| usage.models.iter().find(|u| u.name.to_string() == name).unwrap().clone();
    if cfg!(unix) {
        assert_eq!((of("mine:v1").shared_bytes, of("mine:v1").own_bytes), (2000, 0));
    }
    assert_eq!(usage.freed_bytes, 3000);
    assert!(matches!(store.copy("r:Q4_0", &to), Err(Error::Exists { .. })));
    store.remove("r:Q8_0").unwrap();
    assert_holds(&copy.path, &noise(2000, 2));
    assert_eq!(store.find("mine").unwrap().digest, copy.digest);
    assert_eq!(store.list().unwrap().models.len(), 2);
}

#[test]
fn every_changed_byte_is_found() {
    let bench = Bench::new();
    two_models(&bench);
    let store = bench.store();
    let model = store.find("r:Q4_0").unwrap();
    let verdicts =
        |model| store.verify(model, |_| true).unwrap().into_iter().map(|f| f.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&model), [Verdict::Right(model.digest.unwrap())]);
    let content = fs::read(&model.path).unwrap();
    for at in (0..content.len()).step_by(37) {
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&model.path, &damaged).unwrap();
        assert!(matches!(verdicts(&model)[..], [Verdict::Wrong { .. }]), "byte {at}");
    }
    fs::remove_file(&model.path).unwrap();
    assert_eq!(verdicts(&model), [Verdict::Missing]);
    assert!(matches!(store.verify(&store.find("r:Q8_0").unwrap(), |_| false), Err(Error::Stopped)));
}

#[test]
fn descriptions_are_written_anew_from_the_files() {
    let bench = Bench::new();
    two_models(&bench);
    let store = bench.store();
    let folder = bench.models().join("hf.co--o--r@Q4_0");
    fs::remove_file(folder.join("hob.json")).unwrap();
    let found = store.find("r:Q4_0").unwrap();
    assert_eq!((found.digest, found.bytes), (None, 1000));
    assert!(matches!(store.verify(&found, |_| true).unwrap()[0].verdict, Verdict::Recorded(_)));
    assert!(store.find("r:Q4_0").unwrap().digest.is_some());
    // A broken description is a problem of that model alone.
    for text in ["", "{", "{\"version\":99}", "[]"] {
        fs::write(folder.join("hob.json"), text).unwrap();
        let listing = store.list().unwrap();
        assert_eq!((listing.models.len(), listing.problems.len()), (1, 1), "{text}");
    }
    // A renamed folder is a renamed model.
    fs::rename(bench.models().join("hf.co--o--r@Q8_0"), bench.models().join("other")).unwrap();
    assert_eq!(store.find("other").unwrap().bytes, 2000);
}

#[test]
fn a_file_laid_into_the_store_is_a_model() {
    let Some(stories) =
        ["../../../shared/models/stories260K-q8_0.gguf"].into_iter().find(|p| fs::exists(p).unwrap())
    else {
        return;
    };
    let bench = Bench::new();
    fs::create_dir_all(bench.models()).unwrap();
    fs::copy(stories, bench.models().join("stories.gguf")).unwrap();
    fs::write(bench.models().join("notes.txt"), "x").unwrap();
    fs::write(bench.models().join("broken.gguf"), "GGUF").unwrap();
    let models = bench.store().list().unwrap().models;
    assert_eq!(models.iter().map(|m| m.name.to_string()).collect::<Vec<_>>(), ["stories"]);
    assert_eq!(models[0].manifest.details.architecture.as_deref(), Some("llama"));
    bench.store().verify(&models[0], |_| true).unwrap();
    bench.store().remove("stories").unwrap();
    assert!(!bench.models().join("stories.gguf").exists());
}

#[test]
fn what_a_killed_process_left_is_finished() {
    let bench = Bench::new();
    two_models(&bench);
    let (store, models) = (bench.store(), bench.models());
    // Killed between taking the old model away and putting the new one there.
    fs::create_dir_all(models.join(".old")).unwrap();
    fs::rename(models.join("hf.co--o--r@Q4_0"), models.join(".old/hf.co--o--r@Q4_0")).unwrap();
    assert_eq!(store.find("r:Q4_0").unwrap().bytes, 1000);
    // Killed after the new one was there.
    fs::create_dir_all(models.join(".old/hf.co--o--r@Q8_0")).unwrap();
    // Killed while removing.
    fs::create_dir_all(models.join(".removed/x-1/sub")).unwrap();
    assert_eq!(store.list().unwrap().models.len(), 2);
    for left in [".old", ".removed"] {
        assert_eq!(fs::read_dir(models.join(left)).unwrap().count(), 0, "{left}");
    }
}

/// Descriptions, Modelfiles, references and addresses with random damage: errors, never a panic.
#[test]
fn damaged_texts_are_errors() {
    let bench = Bench::new();
    two_models(&bench);
    let path = bench.models().join("hf.co--o--r@Q4_0").join("hob.json");
    let whole = fs::read(&path).unwrap();
    let modelfile = bench.dir.path().join("Modelfile");
    let mut random = hob_base::Random::new(5, 1);
    let mut damage = |text: &[u8]| {
        let mut text = text.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.index(text.len());
            match random.below(4) {
                0 => text[at] = random.next() as u8,
                1 => text.truncate(at + 1),
                2 => text.insert(at, *b"\\\"{}[]/:.%\0 \n".get(random.index(14)).unwrap_or(&b'9')),
                _ => text[at] = b"0123456789-_@"[random.index(13)],
            }
        }
        text
    };
    for _ in 0..300 {
        fs::write(&path, damage(&whole)).unwrap();
        let listing = bench.store().list().unwrap();
        assert!(listing.models.len() + listing.problems.len() == 2);
        listing.models.iter().for_each(|m| drop(bench.store().verify(m, |_| true)));
        let text = damage(b"FROM ./x.gguf\nPARAMETER stop \"a\"\nSYSTEM \"\"\"b\nc\"\"\"\n");
        fs::write(&modelfile, text).unwrap();
        let _ = hob_store::import::look(&modelfile);
        let text = damage("hf.co/öwner/repo-Q4_0.gguf:Q4_K_M@main".as_bytes());
        let text = String::from_utf8_lossy(&text);
        let _ =
            (hob_store::Reference::parse(&text), ModelName::parse(&text), hob_egress::Address::parse(&text));
        let _ = hob_egress::Address::parse(&format!("https://{text}"));
    }
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert_eq!(bench.store().list().unwrap().models.len(), 1);
}
