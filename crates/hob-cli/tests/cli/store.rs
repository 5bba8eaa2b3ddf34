//! The store from outside: a hub on loopback, the program pulled through every mishap, and what it says.

use crate::{Run, program, shared};
use hob_store::Digest;
use hob_testhub::{Fault, File, Hub, Place, Repo};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A data folder and a hub with the repository `o/tales`.
struct Bench {
    home: tempfile::TempDir,
    hub: Hub,
    content: Vec<u8>,
}

impl Bench {
    fn new(content: Vec<u8>) -> Self {
        let (home, hub) = (tempfile::tempdir().unwrap(), Hub::start());
        let sha256 = Some(Digest::of(&content).to_string());
        let file = File { path: "tales-Q8_0.gguf".into(), bytes: content.clone(), sha256 };
        let license = Some("mit".into());
        hub.put(Repo {
            id: "o/tales".into(),
            commit: "a".repeat(40),
            license,
            files: vec![file],
            ..Repo::default()
        });
        Self { home, hub, content }
    }

    /// The trained story model, if it is there.
    fn stories() -> Option<Self> {
        let path = shared("models/stories260K-q8_0.gguf")?;
        Some(Self::new(std::fs::read(path).unwrap()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.env("HOB_HOME", self.home.path()).env("HF_ENDPOINT", self.hub.endpoint());
        for name in [
            "HF_TOKEN",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "HOB_OFFLINE",
            "SSL_CERT_FILE",
        ] {
            command.env_remove(name);
        }
        command.args(args).stdin(Stdio::null());
        if args.first() == Some(&"pull") {
            command.args(["--allow-hub", &self.hub.storage()]);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        run(&mut self.command(args))
    }

    fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn model(&self) -> PathBuf {
        self.home.path().join("models/hf.co--o--tales@Q8_0/tales-Q8_0.gguf")
    }
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    hob_base::Random::new(3, 4).fill(&mut content);
    content
}

#[test]
fn a_model_is_pulled_used_by_name_checked_and_removed() {
    let Some(place) = Bench::stories() else { return };
    let dry = place.run(&["pull", "hf.co/o/tales", "--dry-run"]).ok();
    assert!(dry.contains("licence  mit") && dry.contains("in 1 file"), "{dry}");
    assert!(!place.model().exists());
    let pulled = place.run(&["pull", "hf.co/o/tales"]);
    assert!(pulled.stderr.contains("licence  mit"), "{}", pulled.stderr);
    assert!(pulled.ok().contains("hob chat hf.co/o/tales:Q8_0"));
    assert_eq!(std::fs::read(place.model()).unwrap(), place.content);

    let list = place.run(&["list"]).ok();
    assert!(list.contains("hf.co/o/tales:Q8_0") && list.contains("293 K"), "{list}");
    let json = place.run(&["list", "--json"]).json();
    assert_eq!(json[0]["sha256"], Digest::of(&place.content).to_string());
    assert_eq!(json[0]["path"], place.model().display().to_string());
    // Every command takes the name, its short form too.
    for name in ["hf.co/o/tales:Q8_0", "hf.co/o/tales", "tales", "TALES:q8_0"] {
        let tokens = place.run(&["tokenize", name, "Once upon a time"]).ok();
        assert!(tokens.contains("403"), "{name}: {tokens}");
    }
    assert_eq!(place.run(&["show", "tales", "--json"]).json()["family"], "Llama");
    let story =
        place.run(&["chat", "tales", "Once upon a time", "--raw", "--temp", "0", "--max-tokens", "8"]).ok();
    assert!(story.contains("there was a little"), "{story}");

    place.run(&["cp", "tales", "mine:v1"]).ok();
    assert!(place.run(&["show", "mine"]).ok().contains("Llama"));
    let usage = place.run(&["du", "--json"]).json();
    assert_eq!(usage["models"].as_array().unwrap().len(), 2);
    assert!(place.run(&["verify"]).ok().lines().all(|line| line.starts_with("ok ")));
    place.run(&["rm", "tales"]).ok();
    let mut damaged = place.content.clone();
    damaged[1000] ^= 4;
    std::fs::write(place.home.path().join("models/mine@v1/tales-Q8_0.gguf"), damaged).unwrap();
    let verify = place.run(&["verify", "mine"]);
    assert_eq!(verify.code, Some(1));
    assert!(
        verify.stdout.starts_with("WRONG") && verify.stderr.contains("pull it again"),
        "{}",
        verify.stderr
    );
    place.run(&["rm", "mine"]).ok();
    assert!(place.run(&["list"]).ok().starts_with("No models in"));
}

#[test]
fn json_lines_tell_a_program_everything() {
    let Some(place) = Bench::stories() else { return };
    let mut first = true;
    place.hub.script(move |s| {
        (s.place == Place::Storage && std::mem::take(&mut first)).then_some(Fault::Cut(100))
    });
    let lines = place.run(&["pull", "hf.co/o/tales", "--json"]).ok();
    let events: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("plan", "done"));
    assert!(names.contains(&"progress") && names.contains(&"retry"), "{names:?}");
    assert_eq!(events[0]["license"], "mit");
    assert_eq!(events.last().unwrap()["model"]["bytes"], place.content.len());
}

/// Fifty lives of a pull, each killed without a warning at another moment, and a last one that finishes.
#[test]
fn a_pull_survives_being_killed_at_any_moment() {
    let place = Bench::new(noise(24 << 20));
    place.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Slow(12 << 20)));
    let mut random = hob_base::Random::new(11, 0);
    let mut lives = 0;
    for _ in 0..50 {
        let mut child = place.spawn(&["pull", "hf.co/o/tales"]);
        std::thread::sleep(Duration::from_millis(20 + u64::from(random.below(400))));
        let is_done = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let list = place.run(&["list", "--json"]).json();
        if is_done {
            break;
        }
        lives += 1;
        // Nothing is a model before it is whole.
        let is_there = !list.as_array().unwrap().is_empty();
        if is_there {
            assert_eq!(std::fs::read(place.model()).unwrap(), place.content);
            break;
        }
    }
    assert!(lives >= 5, "only {lives} lives");
    place.run(&["pull", "hf.co/o/tales"]).ok();
    assert!(std::fs::read(place.model()).unwrap() == place.content, "other bytes after {lives} lives");
    let seen = place.hub.take_seen();
    let starts: Vec<&str> =
        seen.iter().filter(|s| s.place == Place::Storage).filter_map(|s| s.header("range")).collect();
    // Some lives end before they ask for anything; the others got somewhere.
    assert!(starts.len() >= 5, "{} ranges in {lives} lives", starts.len());
    let left: Vec<_> = std::fs::read_dir(place.home.path().join("models/.partial")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_pull_that_goes_on_later() {
    let place = Bench::new(noise(4 << 20));
    place.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Slow(1 << 20)));
    let child = place.spawn(&["pull", "hf.co/o/tales"]);
    std::thread::sleep(Duration::from_millis(1500));
    let start = Instant::now();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`hob pull hf.co/o/tales` goes on"), "{said}");
    place.hub.heal();
    place.run(&["pull", "hf.co/o/tales"]).ok();
    assert!(std::fs::read(place.model()).unwrap() == place.content);
}

#[test]
fn offline_means_that_nobody_is_asked() {
    let place = Bench::new(noise(1000));
    let by_flag = place.run(&["pull", "hf.co/o/tales", "--offline"]);
    let by_variable = run(place.command(&["pull", "hf.co/o/tales"]).env("HOB_OFFLINE", "1"));
    for refused in [by_flag, by_variable] {
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains("nothing left this machine"), "{}", refused.stderr);
    }
    place.run(&["search"]).ok();
    assert!(place.hub.take_seen().is_empty());
}

#[test]
fn what_left_stands_in_the_ledger_and_a_changed_one_stops_everything() {
    let place = Bench::new(noise(200_000));
    let ledger = |args: &[&str]| place.run(&[&["privacy", "ledger"], args].concat());
    assert!(ledger(&["verify"]).ok().starts_with("the ledger is empty"));
    assert!(ledger(&["show"]).ok().starts_with("nothing has left"));
    place.run(&["pull", "hf.co/o/tales"]).ok();
    let asked = place.hub.take_seen().len();
    let shown = ledger(&["show", "--last", "1000"]).ok();
    assert!(shown.contains(&format!("{asked} requests in all")), "{asked}: {shown}");
    assert!(shown.contains("/api/models/o/tales/") && !shown.contains("Signature"), "{shown}");
    assert_eq!(ledger(&["show", "--last", "1", "--json"]).ok().lines().count(), 1);
    let verified = ledger(&["verify", "--json"]).json();
    assert_eq!((&verified["is_whole"], &verified["entries"]), (&true.into(), &(2 * asked).into()));
    let head = verified["head"].as_str().unwrap();
    let lines = ledger(&["export"]).ok();
    assert_eq!(lines.lines().count(), 2 * asked);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["hash"], head);
    let table = ledger(&["export", "--format", "csv"]).ok();
    assert!(table.starts_with("n,time,method,") && table.lines().count() == asked + 1, "{table}");
    // A digest that was kept elsewhere is found, also when more was added; others are not.
    place.run(&["pull", "hf.co/o/tales", "--dry-run"]).ok();
    ledger(&["verify", "--head", head]).ok();
    let other = "0".repeat(64);
    assert!(ledger(&["verify", "--head", &other]).stderr.contains("no entry of the ledger has the digest"));
    assert_eq!(ledger(&["verify", "--head", "abc"]).code, Some(2));
    // One changed byte.
    let path = place.home.path().join("ledger").join("ledger.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    place.hub.take_seen();
    for refused in
        [ledger(&["verify"]), ledger(&["export"]), place.run(&["pull", "hf.co/o/tales", "--dry-run"])]
    {
        assert!(
            refused.code == Some(1) && refused.stderr.contains("the ledger was changed"),
            "{}",
            refused.stderr
        );
    }
    assert!(place.hub.take_seen().is_empty(), "something was sent past a changed ledger");
}

#[test]
fn what_goes_wrong_at_the_hub_is_said_with_what_to_do() {
    let place = Bench::new(noise(1000));
    let says = |args: &[&str], words: &[&str]| {
        let run = place.run(args);
        assert_eq!(run.code, Some(1), "{args:?}: {}", run.stderr);
        for word in words {
            assert!(run.stderr.contains(word), "{args:?}: {word:?} in {}", run.stderr);
        }
        assert!(!run.stderr.contains("hf_planted") && !run.stdout.contains("hf_planted"));
    };
    says(&["pull", "hf.co/o/none"], &["does not exist, or it is private"]);
    says(&["pull", "hf.co/o/tales:Q2_K"], &["there are Q8_0"]);
    says(&["pull", "qwen3-9"], &["did you mean"]);
    says(&["pull", "example.com/a/b"], &["hf.co/OWNER/REPO"]);
    says(&["pull", "hf.co/o/tales", "--endpoint", "http://example.com"], &["expected https"]);
    place.hub.change("o/tales", |repo| repo.token = Some("hf_right".into()));
    says(&["pull", "hf.co/o/tales"], &["is gated", "--token-file"]);
    let token = place.home.path().join("token");
    std::fs::write(&token, "hf_planted\n").unwrap();
    says(&["pull", "hf.co/o/tales", "--token-file", token.to_str().unwrap()], &["is gated"]);
    std::fs::write(&token, "hf_right\n").unwrap();
    place.run(&["pull", "hf.co/o/tales", "--token-file", token.to_str().unwrap()]).ok();
    // The storage is a place of its own, and has to be allowed.
    let refused = run(program()
        .env("HOB_HOME", place.home.path())
        .env("HF_ENDPOINT", place.hub.endpoint())
        .args(["pull", "hf.co/o/tales", "--name", "other", "--token-file", token.to_str().unwrap()]));
    assert!(refused.stderr.contains("not a place that may be reached"), "{}", refused.stderr);
}

#[test]
fn unknown_names_lead_on() {
    let Some(place) = Bench::stories() else { return };
    place.run(&["pull", "hf.co/o/tales"]).ok();
    let says = |args: &[&str], word: &str| {
        let run = place.run(args);
        assert!(run.code != Some(0) && run.stderr.contains(word), "{args:?}: {}", run.stderr);
    };
    says(&["show", "talse"], "did you mean hf.co/o/tales:Q8_0?");
    says(&["chat", "hf.co/o/talez", "hi"], "did you mean hf.co/o/tales:Q8_0?");
    says(&["chat", "qwen3-4b", "hi"], "`hob pull qwen3-4b` fetches it");
    says(&["rm", "../../etc"], "no name of a model");
    says(&["rm", "nothing"], "no model \"nothing\"");
    place.run(&["cp", "tales", "second/tales"]).ok();
    says(&["show", "tales"], "say which");
}

#[test]
fn models_on_this_machine_are_adopted() {
    let Some(path) = shared("models/stories260K-q8_0.gguf") else { return };
    let place = Bench::new(noise(10));
    let elsewhere = place.home.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join(".lmstudio/models/pub/Tales-GGUF")).unwrap();
    let original = elsewhere.join(".lmstudio/models/pub/Tales-GGUF/Tales-Q8_0.gguf");
    std::fs::copy(path, &original).unwrap();
    let scan = |args: &[&str]| {
        let mut command = place.command(&[&["import", "--scan"], args].concat());
        for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "OLLAMA_MODELS", "HF_HUB_CACHE", "HF_HOME"] {
            command.env_remove(name);
        }
        run(command.env("HOME", &elsewhere).env("USERPROFILE", &elsewhere))
    };
    let preview = scan(&["--dry-run"]).ok();
    assert!(preview.contains("LM Studio") && preview.contains("Tales-Q8_0.gguf"), "{preview}");
    assert!(place.run(&["list", "--json"]).json().as_array().unwrap().is_empty());
    let adopted = scan(&["--json"]).json();
    assert_eq!(adopted[0]["name"], "pub/Tales-GGUF/Tales:Q8_0");
    assert_ne!(adopted[0]["adoption"], "copy");
    assert!(scan(&[]).stderr.contains("already"));
    place.run(&["import", original.to_str().unwrap(), "--name", "copied", "--copy"]).ok();
    place.run(&["show", "Tales"]).ok();
    place.run(&["rm", "Tales", "copied"]).ok();
    assert!(original.exists());
}

/// A disk that is really full: a small file system of its own, where the system lets us make one.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_stops_a_pull_that_goes_on_later() {
    let place = Bench::new(noise(3 << 20));
    let script = "mount -t tmpfs -o size=68m tmpfs \"$HOB_HOME\" || exit 77; \
        head -c 4000000 /dev/zero > \"$HOB_HOME/ballast\"; \"$@\"; code=$?; \
        echo \"first $code\"; rm \"$HOB_HOME/ballast\"; \
        [ -e \"$HOB_HOME/models/hf.co--o--tales@Q8_0\" ] && echo early; \
        \"$@\" && sha256sum \"$HOB_HOME\"/models/*/*.gguf";
    let inner = place.command(&["pull", "hf.co/o/tales"]);
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let Ok(output) = outer.output() else { return };
    let (said, out) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    if output.status.code() == Some(77) || said.contains("Operation not permitted") {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    assert!(out.contains("first 1") && !out.contains("early"), "{out} {said}");
    assert!(said.contains("are needed") && said.contains("make room"), "{said}");
    assert!(out.contains(&Digest::of(&place.content).to_string()), "{out} {said}");
}

#[test]
fn the_catalogue_is_searched_offline() {
    let place = Bench::new(noise(10));
    let all = place.run(&["search"]).ok();
    for name in ["qwen3-4b:Q4_K_M", "gemma4-e2b:Q4_K_M", "llama3.2-1b:Q8_0"] {
        assert!(all.contains(name), "{all}");
    }
    let embedders = place.run(&["search", "embed", "--json"]).json();
    let rows = embedders.as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["capabilities"][0] == "embed"));
    let memory = &place.run(&["search", "qwen3-4b", "--json", "--context", "8192"]).json()[0]["memory"];
    assert_eq!(
        (&memory["kv_bytes"], &memory["method"]),
        (&(2 * 2 * 8 * 128 * 36 * 8192u64).into(), &"estimated".into())
    );
    assert!(place.run(&["search", "nothing-like-this"]).ok().starts_with("Nothing in the catalogue"));
    assert!(!Path::new(&place.home.path().join("models")).exists(), "searching makes nothing");
}

#[test]
fn what_came_with_a_model_applies_when_it_is_chatted_with() {
    let place = Bench::new(noise(10));
    let folder = place.home.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ember/ember.gguf"), folder.join("m.gguf"))
        .unwrap();
    let text = "FROM ./m.gguf\nSYSTEM You are a cat.\nPARAMETER num_predict 2\nMESSAGE user Hi\nMESSAGE assistant Meow\n";
    std::fs::write(folder.join("Modelfile"), text).unwrap();
    place.run(&["import", folder.join("Modelfile").to_str().unwrap(), "--name", "cat"]).ok();
    let tokens = |args: &[&str]| {
        let document = place.run(&[&["chat"], args, &["Hello", "--json", "--temp", "0"]].concat()).json();
        let count = |name: &str| document["tokens"][name].as_u64().unwrap();
        (count("computed"), count("answer"))
    };
    let (plain, with) = (tokens(&["ember"]), tokens(&["cat"]));
    assert!(with.0 > plain.0 + 5 && with.1 == 2, "{plain:?} {with:?}");
    // The command line has the last word.
    assert_eq!(tokens(&["cat", "--max-tokens", "3"]).1, 3);
    assert!(tokens(&["cat", "--system", "x"]).0 < with.0);
}
