//! Two hundred private values in every place that people and programs can write to: with encryption and the strictest setting
//! none of them is in any byte that leaves, in any line that is told, or in any file, after a normal end and after a kill in
//! the middle of answers. With neither the same search finds them, so that this can fail.

mod made;
mod search;

use crate::program;
use hob_testhub::{Api, Asked, Reply, Said};
use made::{COUNT, Canary};
use search::{Found, Place, Search, files};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Canaries of one conversation.
const BATCH: usize = 8;
/// Longest wait for a server, in steps of [`STEP`].
const STEPS_MAX: usize = 1200;
const STEP: Duration = Duration::from_millis(50);

/// Everything is sent, as far as nothing keeps it here.
const ALL_GOES: &str =
    "allow = [\"cloud\"]\n[[rule]]\nname = \"all\"\nwords_at_least = 1\nthen = { send = \"big\" }\n";

/// A machine of its own with a server, and a stand-in for a model elsewhere that repeats what it is asked.
struct Site {
    home: tempfile::TempDir,
    api: Api,
    stalls: Arc<AtomicBool>,
    server: Option<(Child, String)>,
}

impl Site {
    fn new(is_encrypted: bool, privacy: &str) -> Self {
        let stalls = Arc::new(AtomicBool::new(false));
        let does_stall = Arc::clone(&stalls);
        let api = Api::start(move |asked| {
            let letters: Vec<char> = last(asked).chars().collect();
            let pieces = letters.chunks(30).map(|piece| piece.iter().collect()).collect();
            let said = Said { text: pieces, ..Said::text(&[]) };
            match does_stall.load(Ordering::Relaxed) {
                true => Reply::Stall(said, 900, Duration::from_secs(30)),
                false => Reply::said(said),
            }
        });
        let site = Self { home: tempfile::tempdir().unwrap(), api, stalls, server: None };
        ["data", "tmp", "told"].iter().for_each(|name| fs::create_dir(site.at(name)).unwrap());
        if is_encrypted {
            site.hob(&["chats", "encrypt"]);
        }
        let url = format!("{}/v1", site.api.address());
        for (name, protocol) in [("big", "openai"), ("other", "anthropic")] {
            let target =
                ["cloud", "add", name, &url, "--model", "m", "--zone", "cloud", "--protocol", protocol];
            site.hob(&target);
        }
        site.hob(&["cloud", "mode", "hybrid"]);
        fs::write(site.at("data/policy.toml"), format!("{privacy}\n{ALL_GOES}")).unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program with nothing but this folder; what it tells goes into files.
    fn command(&self, name: &str) -> Command {
        let mut command = program();
        let told = |kind: &str| File::create(self.at(&format!("told/{name}.{kind}"))).unwrap();
        command.stdout(told("out")).stderr(told("err"));
        command.env("HOME", self.home.path()).env("HOB_HOME", self.at("data")).env("TMPDIR", self.at("tmp"));
        command.env("HOB_CHATS_PASSPHRASE", "correct horse battery");
        command
    }

    fn hob(&self, args: &[&str]) {
        let status = self.command(&args.join("-").replace(['/', ':'], "_")).args(args).status().unwrap();
        assert!(status.success(), "{args:?}: {:?}", files(&self.at("told")));
    }

    fn start(&mut self, name: &str) {
        let args = ["serve", "--port", "0", "--threads", "1", "--ctx", "1024", "--log-level", "debug"];
        let child = self.command(name).args(args).spawn().unwrap();
        let address = (0..STEPS_MAX).find_map(|_| {
            thread::sleep(STEP);
            let told = fs::read_to_string(self.at(&format!("told/{name}.out"))).unwrap();
            Some(told.lines().next()?.strip_prefix("hob listens on http://")?.to_owned())
        });
        self.server = Some((child, address.unwrap()));
    }

    fn end(&mut self, signal: &str) {
        let (mut child, _) = self.server.take().unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let _ = child.wait().unwrap();
    }

    /// Sends a request, and gives the connection on which the answer comes.
    fn send(&self, method: &str, path: &str, body: &Value) -> TcpStream {
        let address = &self.server.as_ref().unwrap().1;
        let (mut stream, body) = (TcpStream::connect(address).unwrap(), body.to_string());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    /// Head and body of the answer, which must be a good one.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (String, String) {
        let mut answer = String::new();
        self.send(method, path, body).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        (head.to_owned(), body.to_owned())
    }

    /// What left, to the byte.
    fn sent(&self) -> Vec<Place> {
        let whole = |asked: Asked| {
            let headers: String =
                asked.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            (
                format!("request {} {}", asked.index, asked.path),
                format!("{headers}\n{}", asked.body).into_bytes(),
            )
        };
        self.api.asked().into_iter().map(whole).collect()
    }

    /// Everything on the disk, with what the server told.
    fn kept(&self) -> Vec<Place> {
        files(self.home.path())
    }
}

/// What was asked last, without what stands around it.
fn last(asked: &Asked) -> String {
    let body = asked.json();
    match &body["messages"].as_array().unwrap().last().unwrap()["content"] {
        Value::String(text) => text.clone(),
        parts => parts.as_array().unwrap().iter().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// A conversation with canaries wherever somebody can write something.
struct Talk<'a> {
    id: String,
    canaries: &'a [Canary],
}

impl<'a> Talk<'a> {
    fn all(canaries: &'a [Canary]) -> Vec<Self> {
        let talk = |(n, canaries)| Talk { id: format!("chat{n:04}"), canaries };
        canaries.chunks(BATCH).enumerate().map(talk).collect()
    }

    fn says(&self, n: usize) -> &str {
        &self.canaries[n].sentence
    }

    /// All of it in one text.
    fn question(&self) -> String {
        let sentences: Vec<&str> = self.canaries.iter().map(|canary| canary.sentence.as_str()).collect();
        sentences.join(" ")
    }

    fn arguments(&self) -> Value {
        json!({"note": self.says(4), "list": [{"deep": self.says(5)}]})
    }

    /// As the page keeps it.
    fn kept(&self, answer: &str, state: &str) -> Value {
        let text = |n: usize| self.canaries[n].text.as_str();
        let message = |id: &str, parent: Value, role: &str, text: &str| json!({"id": format!("message{id}"), "parent": parent, "role": role, "text": text, "created": 3});
        let mut first = message("1", Value::Null, "user", self.says(2));
        first["attachments"] =
            json!([{"name": format!("{}.txt", text(3).replace('/', "_")), "text": self.says(3)}]);
        let mut called = message("2", "message1".into(), "assistant", "");
        (called["thought"], called["state"]) = (self.says(6).into(), "done".into());
        called["calls"] = json!([{"id": "call1", "name": "look", "arguments": self.arguments().to_string(), "result": self.says(6)}]);
        let mut said = message("4", "message3".into(), "assistant", answer);
        said["state"] = state.into();
        said["error"] = json!({"message": self.says(7), "advice": null});
        json!({
            "chat": {"id": self.id, "title": text(0), "folder": text(1), "created": 1, "updated": 2, "leaf": "message4",
                "settings": {"system": self.says(1), "tools": [{"name": "look", "description": self.says(7)}]}},
            "messages": [first, called, message("3", "message2".into(), "user", &self.question()), said],
        })
    }

    /// As a program asks it.
    fn asked(&self, model: &str) -> Value {
        let file = format!("File notes.txt:\n```\n{}\n```\n\n{}", self.says(3), self.says(2));
        let call = json!({"id": "call1", "type": "function", "function": {"name": "look", "arguments": self.arguments().to_string()}});
        let parameters = json!({"type": "object", "properties": {"note": {"type": "string", "description": self.says(0)}}});
        let tool = json!({"type": "function", "function": {"name": "look", "description": self.says(7), "parameters": parameters}});
        json!({
            "model": model, "tools": [tool], "hob": {"chat": self.id, "folder": self.canaries[1].text, "fresh": true}, "max_tokens": 500,
            "messages": [
                {"role": "system", "content": self.says(1)},
                {"role": "user", "content": file},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call1", "content": self.says(6)},
                {"role": "user", "content": self.question()},
            ],
        })
    }
}

/// Asks all of it in both interfaces, by the router and by name, and has it kept. Headers of the answers are given.
fn talk(site: &Site, talks: &[Talk<'_>]) -> Vec<Place> {
    let mut heads = Vec::new();
    for (n, talk) in talks.iter().enumerate() {
        site.ask("PUT", &format!("/hob/v1/chats/{}", talk.id), &talk.kept("", "running"));
        let model = if n % 2 == 0 { "ember" } else { "cloud/other" };
        let (head, body) = site.ask("POST", "/v1/chat/completions", &talk.asked(model));
        let target = if n % 2 == 0 { "big" } else { "other" };
        assert!(head.contains(&format!("x-hob-route: {target}\r\n")), "{head}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let said = answer["choices"][0]["message"]["content"].as_str().unwrap();
        // What was hidden has come back, so all of it went on its way.
        talk.canaries
            .iter()
            .for_each(|canary| assert!(said.contains(&canary.text), "{}: {said}", canary.text));
        heads.push((format!("head {n}"), head.into_bytes()));
        site.ask("PUT", &format!("/hob/v1/chats/{}", talk.id), &talk.kept(said, "done"));
        let found = format!("/hob/v1/chats/search?q={}", if n % 2 == 0 { "the" } else { "and" });
        site.ask("GET", &found, &Value::Null);
    }
    for path in ["/hob/v1/requests", "/hob/v1/cloud/ledger", "/hob/v1/server", "/hob/v1/status", "/metrics"] {
        heads.push((path.to_owned(), site.ask("GET", path, &Value::Null).1.into_bytes()));
    }
    heads
}

/// Two answers are on their way, one from elsewhere and one from here, and both conversations have been kept half.
fn kill_in_the_middle(site: &mut Site, talks: &[Talk<'_>]) {
    site.stalls.store(true, Ordering::Relaxed);
    let mut open = Vec::new();
    for (talk, model) in talks.iter().zip(["cloud/big", "ember"]) {
        let mut body = talk.asked(model);
        body["stream"] = true.into();
        body["hob"]["stay"] = (model == "ember").into();
        if model == "ember" {
            // What a small model has room for.
            body["messages"] = json!([{"role": "user", "content": talk.says(2)}]);
            body["tools"] = json!([]);
        }
        let mut stream = site.send("POST", "/v1/chat/completions", &body);
        let mut first = String::new();
        while !first.contains("\"content\":\"") {
            let mut piece = [0; 64];
            let read = stream.read(&mut piece).unwrap();
            assert!(read > 0, "{first}");
            first += &String::from_utf8_lossy(&piece[..read]);
        }
        open.push(stream);
        site.ask("PUT", &format!("/hob/v1/chats/{}", talk.id), &talk.kept(&talk.question(), "running"));
    }
    site.end("-KILL");
}

fn told(found: &Found, canaries: &[Canary]) -> Vec<String> {
    let name =
        |(n, place): (&usize, &String)| format!("{} {:?} in {place}", canaries[*n].kind, canaries[*n].text);
    found.iter().map(name).collect()
}

#[test]
fn no_canary_is_in_the_clear_in_what_leaves_or_lies_anywhere() {
    let canaries = made::all();
    let (search, talks) = (Search::new(&canaries), Talk::all(&canaries));
    let nothing_of_them = |what: &str, places: &[Place]| {
        let found = search.find(places);
        assert!(found.is_empty(), "{what}: {:#?}", told(&found, &canaries));
    };
    let mut site = Site::new(true, "privacy = { all_unknown = true }");
    site.start("first");
    let heads = talk(&site, &talks);
    assert_eq!(site.sent().len(), talks.len());
    nothing_of_them("headers and reports", &heads);
    nothing_of_them("what left", &site.sent());
    nothing_of_them("while it runs", &site.kept());
    site.end("-TERM");
    nothing_of_them("after its end", &site.kept());

    site.start("second");
    kill_in_the_middle(&mut site, &talks);
    assert!(
        site.kept().iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()),
        "the journal is there"
    );
    nothing_of_them("what left before the kill", &site.sent());
    nothing_of_them("after the kill", &site.kept());
    // Whoever comes next takes up what the kill left behind, and all of it is there for who has the passphrase.
    site.start("third");
    let (_, kept) = site.ask("GET", "/hob/v1/chats/chat0000/messages", &Value::Null);
    assert!(kept.contains(&canaries[4].text), "{kept}");
    site.end("-TERM");
    nothing_of_them("at last", &site.kept());
}

#[test]
fn with_nothing_hidden_and_nothing_encrypted_every_canary_is_found() {
    let canaries = made::all();
    let (search, talks) = (Search::new(&canaries), Talk::all(&canaries));
    let mut site = Site::new(false, "privacy = { otherwise = \"allow\" }");
    site.start("open");
    talk(&site, &talks);
    assert_eq!(search.find(&site.sent()).len(), COUNT);
    site.end("-TERM");
    let found = search.find(&site.kept());
    assert_eq!(found.len(), COUNT);
    assert!(found.values().all(|place| place.contains("/data/chats/")), "{:#?}", told(&found, &canaries));
}

/// How far the setting that holds unless somebody says more goes: forms and check digits are all found, names that nobody knows
/// are not. That figure is printed, since it is a property of the tagger and no promise.
#[test]
fn without_the_strict_setting_only_names_and_words_can_leave() {
    let canaries = made::all();
    let (search, talks) = (Search::new(&canaries), Talk::all(&canaries));
    let mut site = Site::new(true, "");
    site.start("usual");
    talk(&site, &talks);
    site.end("-TERM");
    let left = search.find(&site.sent());
    let told = told(&left, &canaries);
    println!("{} of {COUNT} canaries leave with the usual setting:\n{}", left.len(), told.join("\n"));
    let with_form: Vec<&usize> = left.keys().filter(|n| canaries[**n].has_form()).collect();
    assert!(with_form.is_empty(), "{told:#?}");
    assert!(search.find(&site.kept()).is_empty(), "encrypted all the same");
}
