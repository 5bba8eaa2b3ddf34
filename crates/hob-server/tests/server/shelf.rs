//! The shelf over HTTP: pulled from a stand-in hub with faults, paused, found again after a kill, adopted, removed.

use crate::client::{Running, config, start_shelf};
use crate::shape::Document;
use hob_server::{Probe, ShelfConfig};
use hob_store::import::Home;
use hob_store::{Digest, Hubs, PullOptions, Puller, Store};
use hob_testhub::{Fault, File, Hub, Layer, Place, Repo};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// A folder for data, a hub with the built-in model as `o/small` and `small`, and what stands for other programs' folders.
struct Bench {
    home: tempfile::TempDir,
    hub: Hub,
}

impl Bench {
    fn new() -> Self {
        let (home, hub) = (tempfile::tempdir().unwrap(), Hub::start());
        let bytes = hob::builtin_file().to_vec();
        let sha256 = Digest::of(&bytes).to_string();
        let file =
            File { path: "small-Q8_0.gguf".into(), bytes: bytes.clone(), sha256: Some(sha256.clone()) };
        let license = Some("mit".into());
        hub.put(Repo {
            id: "o/small".into(),
            commit: "a".repeat(40),
            license,
            files: vec![file],
            ..Repo::default()
        });
        let text = |kind, text: &str| Layer {
            kind,
            sha256: Digest::of(text.as_bytes()).to_string(),
            bytes: text.into(),
        };
        let layers = vec![
            Layer { kind: "model", sha256, bytes },
            text("system", "You are a pirate."),
            text("params", r#"{"num_predict": 3, "stop": ["<end>"]}"#),
        ];
        hub.put_model("library/small:latest", layers);
        Self { home, hub }
    }

    fn shelf(&self, is_offline: bool) -> ShelfConfig {
        let (endpoint, storage) = (self.hub.endpoint(), self.hub.storage());
        let ledger = hob_egress::Ledger::at(self.home.path().join("ledger"), || 0);
        let connect = move || {
            let address = |text: &str| hob_egress::Address::parse(text).map_err(|e| e.to_string());
            let hubs = Hubs { hugging_face: address(&endpoint)?, ollama: address(&endpoint)? };
            let mut policy = hubs.policy().map_err(|e| e.to_string())?;
            policy.allow_named(address(&storage)?.origin().clone()).map_err(|e| e.to_string())?;
            let config = hob_egress::Config {
                offline: is_offline,
                policy,
                read_timeout: Duration::from_secs(2),
                ..hob_egress::Config::default()
            };
            let options = PullOptions {
                piece_bytes: 64 << 10,
                run_bytes: 256 << 10,
                first_wait: Duration::from_millis(5),
                failures_max: 4,
                ..PullOptions::default()
            };
            let egress = hob_egress::Egress::new(config, ledger.clone()).map_err(|e| e.to_string())?;
            Ok(Puller::new(egress, hubs, options))
        };
        ShelfConfig {
            store: self.store(),
            connect: Box::new(connect),
            places: || None,
            probe: Probe::new(|| Some(10.0)),
        }
    }

    fn store(&self) -> Store {
        Store::in_data(self.home.path())
    }

    fn start(&self) -> Running {
        start_shelf(config(), self.shelf(false))
    }

    fn slowly(&self) {
        self.hub.script(|seen| (seen.place == Place::Storage).then_some(Fault::Slow(1 << 20)));
    }
}

fn pull(server: &Running, model: &str) -> String {
    server.post("/hob/v1/shelf/pulls", &json!({"model": model})).ok()["id"].as_str().unwrap().to_owned()
}

/// The job once `is` holds of it.
fn wait(server: &Running, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let job = server.get(&format!("/hob/v1/shelf/pulls/{id}")).ok();
        if is(&job) {
            return job;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{job}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state(expected: &'static str) -> impl Fn(&Value) -> bool {
    move |job| job["state"] == expected
}

fn names(server: &Running) -> Vec<String> {
    let list = server.get("/hob/v1/shelf").ok();
    list["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
}

fn post(server: &Running, path: &str) -> crate::client::Answer {
    server.send("POST", path, &[], "").finish()
}

fn delete(server: &Running, path: &str) -> crate::client::Answer {
    server.send("DELETE", path, &[], "").finish()
}

#[test]
fn a_model_is_planned_pulled_chatted_with_copied_and_removed() {
    let place = Bench::new();
    let server = place.start();
    let plan = server.post("/hob/v1/shelf/plan", &json!({"model": "hf.co/o/small"})).ok();
    assert_eq!((&plan["name"], &plan["license"]), (&json!("hf.co/o/small:Q8_0"), &json!("mit")));
    assert_eq!(plan["bytes"], hob::builtin_bytes());
    let document = Document::of(&server);
    document.check("post", "/hob/v1/shelf/plan", &plan);
    let id = pull(&server, "hf.co/o/small");
    let job = wait(&server, &id, state("done"));
    assert_eq!((&job["done_bytes"], &job["license"]), (&plan["bytes"], &json!("mit")));
    assert_eq!(names(&server), ["hf.co/o/small:Q8_0"]);
    document.check("get", "/hob/v1/shelf/pulls/{id}", &job);
    document.check("get", "/hob/v1/shelf/pulls", &server.get("/hob/v1/shelf/pulls").ok());
    document.check("get", "/hob/v1/shelf", &server.get("/hob/v1/shelf").ok());
    let body = json!({"model": "small", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2});
    server.post("/v1/chat/completions", &body).ok();
    let one = server.get("/hob/v1/shelf/models/hf.co/o/small:Q8_0").ok();
    assert!(one["capabilities"].as_array().unwrap().contains(&json!("chat")), "{one}");
    assert!(one["is_loaded"] == true && one["quantization"].is_string(), "{one}");
    assert!(one["tokens_per_second_about"].as_f64().unwrap() > 1.0, "{one}");
    document.check("get", "/hob/v1/shelf/models/{id}", &one);
    let named = server.post("/hob/v1/shelf/copy", &json!({"from": "small", "to": "second"})).ok();
    document.check("post", "/hob/v1/shelf/copy", &named);
    assert_eq!(names(&server), ["hf.co/o/small:Q8_0", "second"]);
    assert_eq!(
        server.post("/hob/v1/shelf/copy", &json!({"from": "small", "to": "second"})).refused(409)["code"],
        "model_exists"
    );
    assert_eq!(
        server.post("/hob/v1/shelf/copy", &json!({"from": "small", "to": "ember"})).refused(409)["code"],
        "model_exists"
    );
    let gone = delete(&server, "/hob/v1/shelf/models/hf.co/o/small:Q8_0").ok();
    assert_eq!(gone["name"], "hf.co/o/small:Q8_0");
    document.check("delete", "/hob/v1/shelf/models/{id}", &gone);
    document.check(
        "delete",
        "/hob/v1/shelf/pulls/{id}",
        &delete(&server, &format!("/hob/v1/shelf/pulls/{id}")).ok(),
    );
    assert!(server.get("/hob/v1/status").ok()["loaded"].as_array().unwrap().is_empty());
    assert_eq!(delete(&server, "/hob/v1/shelf/models/hf.co/o/small").refused(404)["code"], "model_not_found");
    assert_eq!(delete(&server, "/hob/v1/shelf/models/ember").refused(409)["code"], "not_of_the_store");
    assert_eq!(names(&server), ["second"]);
}

#[test]
fn a_pull_is_paused_found_by_the_next_server_and_goes_on() {
    let place = Bench::new();
    place.slowly();
    let mut server = place.start();
    let id = pull(&server, "hf.co/o/small");
    assert_eq!(pull(&server, "hf.co/o/small"), id, "one writer for a model");
    wait(&server, &id, |job| job["done_bytes"].as_u64().unwrap() > 300_000 && job["phase"] == "downloading");
    post(&server, &format!("/hob/v1/shelf/pulls/{id}/pause")).ok();
    let paused = wait(&server, &id, state("paused"));
    assert!(paused["done_bytes"].as_u64().unwrap() < hob::builtin_bytes() && names(&server).is_empty());
    server.end();
    let server = place.start();
    let jobs = server.get("/hob/v1/shelf/pulls").ok();
    let job = &jobs["pulls"][0];
    assert_eq!((&job["state"], &job["name"]), (&json!("paused"), &json!("hf.co/o/small:Q8_0")));
    assert!(
        job["done_bytes"].as_u64().unwrap() >= 200_000 && job["total_bytes"] == hob::builtin_bytes(),
        "{job}"
    );
    let id = job["id"].as_str().unwrap();
    place.hub.heal();
    place.hub.take_seen();
    post(&server, &format!("/hob/v1/shelf/pulls/{id}/resume")).ok();
    wait(&server, id, state("done"));
    let seen = place.hub.take_seen();
    let from_start = |range: &str| range.starts_with("bytes=0-");
    assert!(
        !seen.iter().filter_map(|s| s.header("range")).any(from_start),
        "what was here is not fetched again"
    );
    assert_eq!(names(&server), ["hf.co/o/small:Q8_0"]);
    assert!(place.store().unfinished().unwrap().is_empty());
}

#[test]
fn a_pull_that_is_cancelled_leaves_nothing() {
    let place = Bench::new();
    place.slowly();
    let server = place.start();
    let left = || std::fs::read_dir(place.home.path().join("models/.partial")).map_or(0, Iterator::count);
    for is_paused in [false, true] {
        let id = pull(&server, "hf.co/o/small");
        wait(&server, &id, |job| job["done_bytes"].as_u64().unwrap() > 100_000);
        if is_paused {
            post(&server, &format!("/hob/v1/shelf/pulls/{id}/pause")).ok();
            wait(&server, &id, state("paused"));
        }
        let path = format!("/hob/v1/shelf/pulls/{id}");
        delete(&server, &path).ok();
        let begin = Instant::now();
        while server.get(&path).status != 404 {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!((left(), names(&server).len()), (0, 0));
    }
}

#[test]
fn what_goes_wrong_is_told_with_a_way_on() {
    let place = Bench::new();
    let server = place.start();
    let failed = |fault: Fault| {
        place.hub.script(move |seen| (seen.place == Place::Storage).then(|| fault.clone()));
        let id = pull(&server, "hf.co/o/small");
        let job = wait(&server, &id, state("failed"));
        assert!(job["error"]["advice"].as_str().unwrap().contains("esume"), "{job}");
        assert!(names(&server).is_empty());
        job["error"].clone()
    };
    assert!(failed(Fault::Status(429, None))["message"].as_str().unwrap().contains("429"));
    assert!(failed(Fault::Hangup)["message"].as_str().unwrap().contains("given up"));
    assert!(failed(Fault::Flip(5000))["message"].as_str().unwrap().contains("SHA-256"));
    // The same job goes on once the hub is well.
    place.hub.heal();
    let id = pull(&server, "hf.co/o/small");
    wait(&server, &id, state("done"));
    assert_eq!(server.get("/hob/v1/shelf/pulls").ok()["pulls"].as_array().unwrap().len(), 1);
    for (model, status) in [("hf.co/o/none", 404), ("../../etc", 400), ("hf.co/o/small:Q2_K", 404)] {
        server.post("/hob/v1/shelf/plan", &json!({"model": model})).refused(status);
    }
    assert_eq!(post(&server, "/hob/v1/shelf/pulls/none/pause").refused(404)["code"], "unknown_job");
    assert_eq!(
        post(&server, &format!("/hob/v1/shelf/pulls/{id}/pause")).refused(409)["code"],
        "not_possible"
    );
}

#[test]
fn offline_nobody_is_asked() {
    let place = Bench::new();
    let server = start_shelf(config(), place.shelf(true));
    assert_eq!(
        server.post("/hob/v1/shelf/plan", &json!({"model": "hf.co/o/small"})).refused(403)["code"],
        "offline"
    );
    let id = pull(&server, "hf.co/o/small");
    let job = wait(&server, &id, state("failed"));
    assert_eq!(job["error"]["code"], "offline");
    server.get("/hob/v1/shelf/catalogue").ok();
    assert!(place.hub.take_seen().is_empty());
}

#[test]
fn events_tell_of_a_pull_and_end_with_the_server() {
    let place = Bench::new();
    let mut server = place.start();
    let mut open = server.send("GET", "/hob/v1/shelf/events", &[], "");
    assert_eq!(open.chunk().unwrap(), "data: {\"pulls\":[]}\n\n");
    pull(&server, "hf.co/o/small");
    let mut states = Vec::new();
    while states.last().map(String::as_str) != Some("done") {
        let chunk = open.chunk().unwrap();
        let event: Value = serde_json::from_str(chunk.trim().strip_prefix("data: ").unwrap()).unwrap();
        states.push(event["pulls"][0]["state"].as_str().unwrap().to_owned());
    }
    server.tell_to_end();
    while open.chunk().is_some() {}
    assert!(server.end());
}

#[test]
fn a_model_in_use_stays() {
    let place = Bench::new();
    let server = place.start();
    wait(&server, &pull(&server, "hf.co/o/small"), state("done"));
    let body = json!({"model": "small", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": true,
        "max_tokens": 400, "logit_bias": {"0": -1}});
    let mut open = server.open("/v1/chat/completions", &body);
    open.chunk().unwrap();
    let path = "/hob/v1/shelf/models/small";
    let error = delete(&server, path).refused(409);
    assert!(
        error["code"] == "model_in_use" && error["message"].as_str().unwrap().contains("answering"),
        "{error}"
    );
    drop(open);
    let begin = Instant::now();
    while delete(&server, path).status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn other_programs() -> Option<Home> {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/other-programs")).to_path_buf();
    let folder = home.join(".lmstudio/models/pub/Tiny-GGUF");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("Tiny-Q8_0.gguf");
    if !file.exists() {
        std::fs::write(file, hob::builtin_file()).unwrap();
    }
    Some(Home { home, ..Home::default() })
}

#[test]
fn models_of_other_programs_are_found_and_adopted() {
    let place = Bench::new();
    let shelf = ShelfConfig { places: other_programs, ..place.shelf(true) };
    let server = start_shelf(config(), shelf);
    let document = Document::of(&server);
    let found = server.get("/hob/v1/shelf/found").ok();
    document.check("get", "/hob/v1/shelf/found", &found);
    let found = found["models"][0].clone();
    assert_eq!((&found["program"], &found["is_here"]), (&json!("LM Studio"), &json!(false)));
    let name = found["name"].as_str().unwrap();
    // Only what was found can be adopted.
    for (name, place) in [("other", found["place"].as_str().unwrap()), (name, "/etc/passwd")] {
        server.post("/hob/v1/shelf/found", &json!({"name": name, "place": place})).refused(404);
    }
    let job = server.post("/hob/v1/shelf/found", &json!({"name": name, "place": found["place"]})).ok();
    document.check("post", "/hob/v1/shelf/found", &job);
    wait(&server, job["id"].as_str().unwrap(), state("done"));
    assert_eq!(names(&server), [name]);
    assert_eq!(server.get("/hob/v1/shelf/found").ok()["models"][0]["is_here"], true);
    delete(&server, &format!("/hob/v1/shelf/models/{name}")).ok();
    assert!(Path::new(found["place"].as_str().unwrap()).exists());
}

#[test]
fn ollamas_clients_pull_make_copy_and_delete() {
    let place = Bench::new();
    let server = place.start();
    let lines = server.post("/api/pull", &json!({"model": "small"})).lines();
    let statuses: Vec<&str> = lines.iter().filter_map(|line| line["status"].as_str()).collect();
    assert_eq!((statuses[0], *statuses.last().unwrap()), ("pulling manifest", "success"));
    assert!(statuses.contains(&"writing manifest"));
    for line in lines.iter().filter(|line| line["digest"].is_string()) {
        assert!(line["completed"].as_u64() <= line["total"].as_u64(), "{line}");
    }
    assert_eq!(
        server.post("/api/pull", &json!({"model": "small", "stream": false})).ok()["status"],
        "success"
    );
    server.post("/api/pull", &json!({"model": "none", "stream": false})).refused(404);
    assert!(server.post("/api/pull", &json!({"model": "none"})).lines().last().unwrap()["error"].is_string());
    // What came with the model applies.
    let show = server.post("/api/show", &json!({"model": "small"})).ok();
    assert_eq!(show["system"], "You are a pirate.");
    assert!(show["parameters"].as_str().unwrap().contains("stop \"<end>\""), "{show}");
    let ask = |model: &str, more: Value| {
        let mut body =
            json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": false});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/api/chat", &body).ok()
    };
    // By chance an answer ends sooner.
    let plain = ask("ember", json!({"options": {"num_predict": 3}}));
    let pirate = ask("small", json!({"options": {"temperature": 0}}));
    assert_eq!(pirate["eval_count"], 3);
    assert!(pirate["prompt_eval_count"].as_u64() > plain["prompt_eval_count"].as_u64());
    let body = json!({"model": "mine", "from": "ember", "system": "Be brief.", "parameters": {"num_predict": 2, "stop": ["<a>", "<b>"]},
        "messages": [{"role": "user", "content": "Ping"}, {"role": "assistant", "content": "Pong"}]});
    assert_eq!(server.post("/api/create", &body).lines().last().unwrap()["status"], "success");
    assert_eq!(ask("mine", json!({"options": {"temperature": 0}}))["eval_count"], 2);
    let show = server.post("/api/show", &json!({"model": "mine"})).ok();
    assert!(show["messages"][1]["content"] == "Pong" && show["system"] == "Be brief.", "{show}");
    // Made anew of itself with other words, also while it is in memory.
    server
        .post("/api/create", &json!({"model": "mine", "from": "mine", "system": "Be long.", "stream": false}))
        .ok();
    assert_eq!(server.post("/api/show", &json!({"model": "mine"})).ok()["system"], "Be long.");
    for (key, value) in [
        ("quantize", json!("q4_0")),
        ("adapters", json!({"a": "sha256:0"})),
        ("parameters", json!({"temperature": "hot"})),
        ("parameters", json!({"unheard_of": 1})),
        ("template", json!("{{ .Prompt }}")),
        ("template", json!("{% for %}")),
        ("messages", json!([{"role": "dog", "content": "x"}])),
    ] {
        let mut body = json!({"model": "bad", "from": "ember"});
        body[key] = value;
        assert!(server.post("/api/create", &body).refused(400).is_string(), "{key}");
    }
    server.post("/api/create", &json!({"model": "bad", "from": "none"})).refused(404);
    server.post("/api/create", &json!({"model": "../bad", "from": "ember"})).refused(400);
    server.post("/api/create", &json!({"model": "ember", "from": "ember"})).refused(409);
    assert_eq!(server.post("/api/copy", &json!({"source": "ember", "destination": "twin"})).status, 200);
    for (name, status) in [("twin", 200), ("twin", 404), ("mine", 200), ("small", 200), ("ember", 409)] {
        let answer = server.send("DELETE", "/api/delete", &[], &json!({"model": name}).to_string()).finish();
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
}

#[test]
fn a_template_of_ones_own_applies() {
    let place = Bench::new();
    let server = place.start();
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
    server
        .post(
            "/api/create",
            &json!({"model": "mine", "from": "ember", "template": template, "stream": false}),
        )
        .ok();
    let body = json!({"model": "mine", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(server.post("/apply-template", &body).ok()["prompt"], "<user>Hi");
}

#[test]
fn a_model_is_made_of_files_that_were_handed_over() {
    let place = Bench::new();
    let server = place.start();
    let digest = format!("sha256:{}", Digest::of(hob::builtin_file()));
    let path = format!("/api/blobs/{digest}");
    let head = || server.send("HEAD", &path, &[], "").status;
    assert_eq!(head(), 404);
    assert_eq!(server.send_bytes("POST", &path, hob::builtin_file()).status, 201);
    assert_eq!(head(), 200);
    assert_eq!(server.send_bytes("POST", &path, hob::builtin_file()).status, 200);
    assert_eq!(server.send_bytes("POST", &format!("/api/blobs/sha256:{}", "0".repeat(64)), b"x").status, 400);
    assert_eq!(server.send_bytes("POST", "/api/blobs/nonsense", b"x").status, 400);
    let body =
        |name: &str| json!({"model": "made", "files": {name: digest}, "system": "Be kind.", "stream": false});
    server.post("/api/create", &body("../m.gguf")).refused(400);
    server.post("/api/create", &body("m.gguf")).ok();
    assert_eq!(head(), 404, "what became a model is not kept twice");
    server
        .post(
            "/api/chat",
            &json!({"model": "made", "messages": [{"role": "user", "content": "Hi"}], "stream": false,
        "options": {"num_predict": 2}}),
        )
        .ok();
    server.post("/api/create", &body("m.gguf")).refused(404);
}

#[test]
fn the_catalogue_says_what_fits() {
    let place = Bench::new();
    let mut config = config();
    config.machine.memory = || Some((8_000_000_000, 4_000_000_000));
    let server = start_shelf(config, place.shelf(true));
    let catalogue = server.get("/hob/v1/shelf/catalogue").ok();
    let all = catalogue["models"].as_array().unwrap();
    let fits: Vec<&Value> = all.iter().map(|m| &m["variants"][0]["memory"]["fit"]).collect();
    assert!(fits.contains(&&json!("fits")) && fits.contains(&&json!("too_large")), "{fits:?}");
    assert_eq!(catalogue["read_gb_per_second"], 10.0);
}

#[test]
fn without_a_place_for_models_that_is_said() {
    let server = crate::client::start();
    assert_eq!(server.get("/hob/v1/shelf").refused(501)["code"], "no_store");
    server.post("/api/pull", &json!({"model": "small", "stream": false})).refused(501);
}
