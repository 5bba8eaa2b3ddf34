//! Other programs' models, in folders laid out as those programs lay them out.

use crate::{assert_holds, noise};
use hob_store::import::{Adoption, Candidate, Home, How, look, scan};
use hob_store::{Digest, Error, ModelName, Source, Store, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

const STORIES: &str = "../../../shared/models/stories260K-q8_0.gguf";
const FAMILY: &str = "../../../shared/fixtures/models/llama3_2";

/// The trained story model, or `None` where there are no shared files.
fn stories() -> Option<Vec<u8>> {
    fs::read(STORIES).ok()
}

fn write(path: PathBuf, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn adopt(store: &Store, candidate: &Candidate) -> (hob_store::Model, Adoption) {
    store.adopt(candidate, &candidate.name, How::Share, &mut |_| true).unwrap()
}

/// `.ollama/models` with a model, one whose blob is missing, and one of tensors.
fn ollama(root: &Path, content: &[u8]) {
    let blob = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        write(root.join("blobs").join(format!("sha256-{digest}")), bytes);
        format!(r#""digest":"sha256:{digest}","size":{}"#, bytes.len())
    };
    let layer =
        |kind: &str, of: &str| format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}",{of}}}"#);
    let manifest = |layers: &[String]| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"x","config":{{"mediaType":"y","digest":"sha256:z","size":1}},"layers":[{}]}}"#,
            layers.join(",")
        )
    };
    let whole = [
        layer("model", &blob(content)),
        layer("template", &blob(b"{{ .System }}{{ .Prompt }}")),
        layer("system", &blob(b"You tell stories.")),
        layer("params", &blob(br#"{"stop":["</s>"]}"#)),
        layer("license", &blob(b"MIT License\ntext")),
    ];
    let missing = [layer("model", &format!(r#""digest":"sha256:{}","size":5"#, Digest::of(b"gone")))];
    let library = root.join("manifests/registry.ollama.ai/library");
    write(library.join("stories/260k"), manifest(&whole).as_bytes());
    write(library.join("gone/latest"), manifest(&missing).as_bytes());
    write(library.join("tensors/latest"), manifest(&[layer("tensor", &blob(b"t"))]).as_bytes());
    write(library.join("broken/latest"), b"{");
    write(root.join("manifests/hf.co/someone/Stories-GGUF/Q8_0"), manifest(&whole[..1]).as_bytes());
}

#[test]
fn ollamas_models_are_adopted_with_what_is_said_about_them() {
    let Some(content) = stories() else { return };
    let dir = tempfile::tempdir().unwrap();
    ollama(&dir.path().join("ollama"), &content);
    let mut found = look(&dir.path().join("ollama")).unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = found.iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["hf.co/someone/Stories-GGUF:Q8_0", "ollama/stories:260k"]);
    let store = Store::in_data(&dir.path().join("data"));
    let (model, adoption) = adopt(&store, &found[1]);
    assert!(matches!(adoption, Adoption::HardLink | Adoption::Reflink), "{adoption:?}");
    assert_holds(&model.path, &content);
    assert_eq!(model.digest, Some(Digest::of(&content)));
    assert_eq!(model.manifest.details.architecture.as_deref(), Some("llama"));
    assert_eq!(model.manifest.settings.system.as_deref(), Some("You tell stories."));
    // What the file says of itself comes before the text beside it.
    assert_eq!(model.manifest.details.license.as_deref(), Some("mit"));
    assert_eq!(model.manifest.settings.license_text.as_deref(), Some("MIT License\ntext"));
    assert_eq!(model.manifest.settings.parameters, [("stop".to_owned(), "</s>".to_owned())]);
    // The name was believed; reading the bytes confirms it.
    assert!(!model.manifest.files[0].is_verified);
    assert!(matches!(store.verify(&model, |_| true).unwrap()[0].verdict, Verdict::Right(_)));
    assert!(store.find("stories").unwrap().manifest.files[0].is_verified);
    // Removing the original leaves ours, and the other way round.
    fs::remove_dir_all(dir.path().join("ollama")).unwrap();
    assert_holds(&store.find("stories").unwrap().path, &content);
}

#[cfg(unix)]
#[test]
fn the_cache_of_hugging_face_is_adopted_through_its_links() {
    let Some(content) = stories() else { return };
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("hub/models--someone--Stories-GGUF");
    let (commit, sha) = ("c".repeat(40), Digest::of(&content).to_string());
    write(repo.join("refs/main"), commit.as_bytes());
    let snapshot = repo.join("snapshots").join(&commit);
    let blob = write(repo.join("blobs").join(&sha), &content);
    let card = write(repo.join("blobs").join("d".repeat(40)), b"# card");
    fs::create_dir_all(&snapshot).unwrap();
    let link = |name: &str, to: &Path| {
        std::os::unix::fs::symlink(
            Path::new("../../blobs").join(to.file_name().unwrap()),
            snapshot.join(name),
        )
        .unwrap()
    };
    link("stories-Q8_0.gguf", &blob);
    link("README.md", &card);
    // A repository of safetensors beside it.
    let is_needed = |path: &Path| path.is_file() && path.extension().is_none_or(|e| e != "gguf");
    let family = dir.path().join("hub/models--o--family/snapshots/main");
    fs::create_dir_all(&family).unwrap();
    for entry in fs::read_dir(FAMILY).unwrap().flatten().filter(|e| is_needed(&e.path())) {
        fs::copy(entry.path(), family.join(entry.file_name())).unwrap();
    }
    let found = look(&dir.path().join("hub")).unwrap();
    let names: Vec<_> = found.iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["hf.co/o/family", "hf.co/someone/Stories-GGUF:Q8_0"]);
    let store = Store::in_data(&dir.path().join("data"));
    let (model, adoption) = adopt(&store, &found[1]);
    assert_ne!(adoption, Adoption::Copy);
    assert!(fs::symlink_metadata(&model.path).unwrap().is_file(), "a link was stored as a link");
    assert_eq!(
        (model.digest, model.path.file_name().unwrap()),
        (Some(Digest::of(&content)), "stories-Q8_0.gguf".as_ref())
    );
    let (family, _) = adopt(&store, &found[0]);
    assert_eq!(family.manifest.details.format.as_deref(), Some("safetensors"));
    assert!(hob_format::open(&family.path).is_ok());
}

#[test]
fn what_cannot_be_shared_is_referred_to_and_never_removed() {
    let Some(content) = stories() else { return };
    let other = if cfg!(target_os = "linux") { PathBuf::from("/dev/shm") } else { return };
    let Ok(elsewhere) = tempfile::tempdir_in(other) else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = write(elsewhere.path().join("tales-Q8_0.gguf"), &content);
    let store = Store::in_data(dir.path());
    let candidate = look(&file).unwrap().remove(0);
    let (model, adoption) = adopt(&store, &candidate);
    if adoption != Adoption::Reference {
        return;
    }
    assert!(model.is_outside());
    assert_eq!(model.path, file);
    assert_eq!(store.usage().unwrap().models[0].outside_bytes, content.len() as u64);
    assert!(matches!(store.verify(&model, |_| true).unwrap()[0].verdict, Verdict::Right(_)));
    let copy = store.copy("tales", &ModelName::parse("again").unwrap()).unwrap();
    assert_eq!(copy.path, file);
    store.remove("tales:Q8_0").unwrap();
    store.remove("again").unwrap();
    assert_holds(&file, &content);
    // A copy is made when it is asked for.
    let (model, adoption) = store.adopt(&candidate, &candidate.name, How::Copy, &mut |_| true).unwrap();
    assert_eq!(adoption, Adoption::Copy);
    assert!(model.path.starts_with(dir.path()));
}

#[test]
fn a_scan_finds_what_other_programs_hold_and_each_file_once() {
    let Some(content) = stories() else { return };
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    ollama(&home.join(".ollama/models"), &content);
    write(home.join(".lmstudio/models/pub/Tales-GGUF/Tales-Q8_0.gguf"), &content);
    write(home.join(".config/Jan/data/llamacpp/models/jan-tales/model.gguf"), &content);
    write(home.join(".local/share/nomic.ai/GPT4All/Fables.Q8_0.gguf"), &content);
    write(home.join(".local/share/nomic.ai/GPT4All/incomplete-x.bin"), b"x");
    let places = Home {
        home: home.to_path_buf(),
        data: Some(home.join(".local/share")),
        config: Some(home.join(".config")),
        ollama_models: Some(home.join(".ollama/models")),
        ..Home::default()
    };
    let mut found: Vec<_> = scan(&places).iter().map(|c| (c.program.unwrap(), c.name.to_string())).collect();
    found.sort();
    let expected = [
        ("GPT4All", "Fables:Q8_0"),
        ("Jan", "jan-tales"),
        ("LM Studio", "pub/Tales-GGUF/Tales:Q8_0"),
        // The two manifests share a blob, which is one model.
        ("Ollama", "hf.co/someone/Stories-GGUF:Q8_0"),
    ];
    assert_eq!(found, expected.map(|(program, name)| (program, name.to_owned())));
    assert!(scan(&Home { home: home.join("nobody"), ..Home::default() }).is_empty());
}

#[test]
fn modelfiles_lead_to_their_weights() {
    let Some(content) = stories() else { return };
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("weights/my-Q8_0.gguf"), &content);
    let file = write(
        dir.path().join("Modelfile"),
        b"FROM ./weights/my-Q8_0.gguf\nPARAMETER temperature 0.2\nSYSTEM \"\"\"Be brief.\"\"\"\nTEMPLATE \"{{ .Prompt }}\"\n",
    );
    let candidate = look(&file).unwrap().remove(0);
    let store = Store::in_data(&dir.path().join("data"));
    let (model, _) = adopt(&store, &candidate);
    assert_eq!(model.name.to_string(), "my:Q8_0");
    assert_eq!(model.manifest.settings.system.as_deref(), Some("Be brief."));
    assert_eq!(model.manifest.source, Source::Adopted { path: file.clone(), program: None });
    for (text, says) in [
        ("FROM llama3.2", "no such file"),
        ("FROM ./weights/my-Q8_0.gguf\nADAPTER ./a.gguf", "merge it first"),
        ("nothing", "no Modelfile"),
    ] {
        write(file.clone(), text.as_bytes());
        let error = look(&file).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn what_is_no_model_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::in_data(&dir.path().join("data"));
    let broken = write(dir.path().join("broken-Q4_0.gguf"), &noise(1000, 1));
    let candidate = look(&broken).unwrap().remove(0);
    let error = store.adopt(&candidate, &candidate.name, How::Share, &mut |_| true).unwrap_err();
    assert!(matches!(error, Error::Import { .. }), "{error}");
    write(dir.path().join("text.txt"), b"hello");
    for path in [dir.path().join("text.txt"), dir.path().join("none"), dir.path().join("data")] {
        assert!(look(&path).is_err(), "{}", path.display());
    }
    assert!(store.list().unwrap().models.is_empty());
    assert!(!dir.path().join("data/models/.partial").exists());
    let Some(content) = stories() else { return };
    let fine = write(dir.path().join("fine.gguf"), &content);
    let candidate = look(&fine).unwrap().remove(0);
    let stopped = store.adopt(&candidate, &candidate.name, How::Share, &mut |_| false);
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(fs::read_dir(dir.path().join("data/models/.partial")).unwrap().count(), 0);
    adopt(&store, &candidate);
    assert!(matches!(
        store.adopt(&candidate, &candidate.name, How::Share, &mut |_| true),
        Err(Error::Exists { .. })
    ));
}
