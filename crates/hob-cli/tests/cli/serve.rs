//! `hob serve` as a program: its first line, its address, its end.

use crate::{hob, program};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A server on a free port, and its address.
fn start() -> (Child, String) {
    let mut command = program();
    command.args(["serve", "--port", "0", "--threads", "1"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address =
        line.trim_end().strip_prefix("hob listens on http://").unwrap_or_else(|| panic!("{line:?}"));
    (child, address.to_owned())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn it_serves_until_it_is_told_to_stop() {
    let (mut child, address) = start();
    assert!(get(&address, "/health").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/v1/models").contains("\"ember\""));
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
}

#[test]
fn what_cannot_be_served_is_refused_at_once() {
    let open = hob(&["serve", "--host", "0.0.0.0", "--port", "0"], b"");
    assert!(open.code == Some(2) && open.stderr.contains("--api-key"), "{}", open.stderr);
    let missing = hob(&["serve", "gone.gguf"], b"");
    assert!(missing.code == Some(1) && missing.stderr.contains("gone.gguf"), "{}", missing.stderr);
    let (mut child, address) = start();
    let port = address.rsplit(':').next().unwrap();
    let taken = hob(&["serve", "--port", port], b"");
    assert!(taken.code == Some(1) && taken.stderr.contains("--port"), "{}", taken.stderr);
    child.kill().unwrap();
    child.wait().unwrap();
    for args in
        [["--keep-alive", "soon"], ["--max-loaded-memory", "4bpw"], ["--ctx", "1"], ["--parallel", "0"]]
    {
        assert_eq!(hob(&[&["serve"], &args[..]].concat(), b"").code, Some(2), "{args:?}");
    }
}
