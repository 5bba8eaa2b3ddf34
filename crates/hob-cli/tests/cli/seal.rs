//! Offline mode as the system enforces it: the proof, a sealed server that answers, and what it asked of the kernel meanwhile.

use crate::{hob, program};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

#[test]
fn no_known_way_leads_out() {
    let proof = hob(&["privacy", "seal", "--prove", "--json"], b"").json();
    assert_eq!(proof["is_sealed"], true);
    let attempts = proof["columns"]["all"]["attempts"].as_array().unwrap();
    assert!(
        attempts.len() > 20 && attempts.iter().all(|attempt| attempt["outcome"] != "through"),
        "{attempts:?}"
    );
    // Each layer is there for something: alone, none stops everything but the filter comes close.
    let through = |column: &str| {
        let attempts = proof["columns"][column]["attempts"].as_array().unwrap();
        attempts.iter().filter(|attempt| attempt["outcome"] == "through").count()
    };
    assert!(through("seccomp") <= 1 && through("landlock") > 0);
    let table = hob(&["privacy", "seal", "--prove"], b"").ok();
    assert!(table.contains("TCP over IPv4") && !table.contains("THROUGH"), "{table}");
    let level = hob(&["privacy", "seal", "--json"], b"").json();
    assert_eq!(level["enforced_by"], "kernel");
    assert_eq!(level["layers"][1]["name"], "seccomp");
}

#[test]
fn what_needs_no_network_works_sealed() {
    let mut command = program();
    let output = command
        .args(["--offline", "chat", "Say hello.", "--max-tokens", "2"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let doctor = hob(&["--offline", "doctor", "--quick", "--json"], b"").json();
    let finding = doctor.as_array().unwrap().iter().find(|f| f["name"] == "offline").unwrap();
    assert!(finding["text"].as_str().unwrap().starts_with("on; the kernel enforces it"), "{finding}");
    assert_eq!(finding["data"]["enforced_by"], "kernel");
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().strip_prefix("hob listens on http://").unwrap_or_else(|| panic!("{line:?}")).to_owned()
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A session: the page's first look, the list of models, an answer, and a pull that is refused.
fn session(address: &str) {
    assert!(ask(address, "GET /health", "").starts_with("HTTP/1.1 200"));
    assert!(ask(address, "GET /hob/v1/machine", "").contains("\"privacy\":\"offline\""));
    assert!(ask(address, "GET /v1/models", "").contains("\"ember\""));
    let body = r#"{"model":"ember","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]}"#;
    let answer = ask(address, "POST /v1/chat/completions", body);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"assistant\""), "{answer}");
    let pull = ask(address, "POST /api/pull", r#"{"model":"ollama/smollm2:135m","stream":false}"#);
    assert!(pull.contains("offline"), "{pull}");
}

const SERVE: [&str; 6] = ["--offline", "serve", "--port", "0", "--threads", "1"];

#[test]
fn a_sealed_server_answers_and_sends_no_packet() {
    let mut child = program().args(SERVE).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let address = first_line(&mut child);
    session(&address);
    // Its own network counts what left through it.
    let devices = std::fs::read_to_string(format!("/proc/{}/net/dev", child.id())).unwrap();
    let own = |id: u32| std::fs::read_link(format!("/proc/{id}/ns/net")).unwrap();
    if own(child.id()) == own(std::process::id()) {
        println!("SKIPPED counting packets: this system gives no network namespaces");
    } else {
        for line in devices.lines().skip(2) {
            let counters: Vec<&str> = line.split_once(':').unwrap().1.split_whitespace().collect();
            assert!(counters.iter().all(|counter| *counter == "0"), "{line}");
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_listener_is_the_only_socket_ever_made() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=%network,io_uring_setup", "-o"]).arg(&trace);
    let plain = program();
    strace.arg(plain.get_program()).args(SERVE);
    for (name, value) in plain.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    let Ok(mut child) = strace.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
        println!("SKIPPED: there is no strace here");
        return;
    };
    let address = first_line(&mut child);
    session(&address);
    // The server ends, and strace with it; the other way round the server would go on.
    let server = std::fs::read_to_string(&trace).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(Command::new("kill").args(["-KILL", &server]).status().unwrap().success());
    child.wait().unwrap();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let calls = |name: &str| trace.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
    assert_eq!(calls(" socket(").len(), 1, "{:?}", calls(" socket("));
    assert!(calls(" accept4(").len() > 1);
    for call in [" connect(", " sendmsg(", " recvmsg(", " io_uring_setup("] {
        assert!(calls(call).is_empty(), "{:?}", calls(call));
    }
}
