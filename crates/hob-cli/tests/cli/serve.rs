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

/// A browser's stand-in: writes down what it was asked to open.
#[cfg(unix)]
fn opener(folder: &std::path::Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("xdg-open");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_page_is_opened_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (home, opened) = (folder.path().join("home"), folder.path().join("opened"));
    opener(folder.path(), &format!("echo \"$1\" >> '{}'", opened.display()));
    let command = |port: &str| {
        let mut command = program();
        for name in ["SSH_CONNECTION", "SSH_TTY", "WAYLAND_DISPLAY"] {
            command.env_remove(name);
        }
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("DISPLAY", ":7").env("HOB_HOME", &home);
        command.args(["open", "--port", port]).stdin(Stdio::null());
        command
    };
    let mut child = command("0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url =
        line.trim_end().strip_prefix("hob listens on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    let again = command(url.rsplit(':').next().unwrap()).output().unwrap();
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && said.contains(&format!("opened {url}")), "{said}");
    let lines = std::fs::read_to_string(&opened).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), [&url, &url]);
    // An opener that fails is no reason to stop, but it is said.
    opener(folder.path(), "exit 3");
    let failed = command(url.rsplit(':').next().unwrap()).output().unwrap();
    let said = String::from_utf8(failed.stdout).unwrap();
    assert!(failed.status.success() && said.contains("no browser can be opened"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn without_a_terminal_hob_alone_says_what_there_is() {
    let help = hob::<&str>(&[], b"").ok();
    assert!(help.contains("hob chat") && help.contains("open"), "{help}");
}
