//! A process of its own is sealed and tries to break out, as root and as nobody.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use hob_seal::prove::{Attempt, Inside, Outcome, Outside};
use hob_seal::{Error, Layer, Layers, seal, seal_with};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The variable that says what the process inside has to do: a role, and places.
const ROLE: &str = "HOB_TEST_SEAL";
const NOBODY: u32 = 65_534;

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        let (role, places) = role.split_once('\n').unwrap();
        return inside(role, places);
    }
    // Threads would keep a process from being sealed, so this is a program of its own and not the usual one for tests.
    let tests: [(&str, fn()); 6] = [
        ("the_ways_are_open_without_a_seal", the_ways_are_open_without_a_seal),
        ("everything_is_refused_to_whoever_runs_it", everything_is_refused_to_whoever_runs_it),
        ("the_filter_alone_stops_what_leads_out", the_filter_alone_stops_what_leads_out),
        ("a_listener_goes_on_letting_others_in", a_listener_goes_on_letting_others_in),
        ("open_connections_are_refused", open_connections_are_refused),
        ("threads_are_refused", threads_are_refused),
    ];
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        if !args.iter().any(|arg| arg == "--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return;
    }
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    for (name, test) in
        tests.iter().filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())))
    {
        println!("{name}");
        test();
    }
}

/// This program once more, in a role; `user` other than ours where we may choose.
fn command(program: &Path, role: &str, places: &str, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    command.env(ROLE, format!("{role}\n{places}")).stdout(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

fn inside(role: &str, places: &str) {
    let inside = Inside::parse(places);
    match role {
        "reach" => {
            std::process::exit(inside.reach().map_or_else(|e| e.raw_os_error().unwrap_or(255), |()| 0))
        }
        "serve" => serve(),
        "open" => match seal() {
            Err(Error::Open { descriptor: 0 }) => println!("refused"),
            other => println!("{other:?}"),
        },
        "threads" => {
            std::thread::spawn(std::thread::park);
            println!("{}", matches!(seal(), Err(Error::Threads { count: 2 })));
        }
        layers => {
            let none = Layers { namespace: false, seccomp: false, landlock: false, refuse_open: false };
            let layers = match layers {
                "none" => none,
                "seccomp" => Layers { seccomp: true, ..none },
                _ => Layers { refuse_open: false, ..Layers::ALL },
            };
            let level = seal_with(layers).unwrap();
            println!("{level}");
            let program = std::env::current_exe().unwrap();
            let attempts = inside.attempts(|| command(&program, "reach", places, None));
            for Attempt { name, outcome } in attempts {
                let (kind, reason) = match outcome {
                    Outcome::Refused(reason) => ("refused", reason),
                    Outcome::Untried(reason) => ("untried", reason),
                    Outcome::Through => ("through", String::new()),
                };
                println!("{kind}\t{name}\t{reason}");
            }
        }
    }
}

/// Listens, is sealed, and answers once, from another thread.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let level = seal().unwrap();
    assert!(level.has(Layer::Seccomp), "{level}");
    let answer = move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(b"pong").unwrap();
        assert_eq!(TcpListener::bind("127.0.0.1:0").unwrap_err().raw_os_error(), Some(1));
    };
    std::thread::spawn(answer).join().unwrap();
}

fn own() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// What a process inside reports: its level, and what came of each attempt.
fn tried(program: &Path, role: &str, user: Option<u32>) -> (String, Vec<(String, String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let outside = Outside::open(folder.path()).unwrap();
    let mut command = command(program, role, &outside.places().unwrap(), user);
    let _passing = outside.equip(&mut command).unwrap();
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{role} as {user:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let level = lines.next().unwrap().to_owned();
    let fields = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap())
    };
    (level, lines.map(fields).collect())
}

/// A copy that anybody may start.
fn for_everybody() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("prove");
    std::fs::copy(own(), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    (folder, copy)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// An attempt that cannot work anyway would prove nothing.
fn the_ways_are_open_without_a_seal() {
    let (level, attempts) = tried(&own(), "none", None);
    assert!(level.starts_with("the program alone"), "{level}");
    for name in [
        "TCP over IPv4",
        "UDP over IPv4, as DNS asks",
        "an abstract Unix socket",
        "a Unix socket in a folder",
        "a new listener",
        "a netlink socket",
        "sending on an inherited socket",
        "the same with a message",
        "connecting an inherited socket",
        "taking a connection that is passed",
        "passing a descriptor out",
        "TCP from a program that is started",
        "TCP from another thread",
    ] {
        let found = attempts.iter().find(|(_, tried, _)| tried == name);
        assert!(found.is_some_and(|(outcome, ..)| outcome == "through"), "{name}: {found:?}");
    }
}

fn everything_is_refused_to_whoever_runs_it() {
    let (_folder, copy) = for_everybody();
    let mut users = vec![None];
    if is_root() {
        users.push(Some(NOBODY));
    } else {
        println!("SKIPPED as root: this test is not run by root");
    }
    for user in users {
        let (level, attempts) = tried(&copy, "all", user);
        println!("as {user:?}: {level}");
        assert!(level.contains("seccomp ("), "{level}");
        if !level.contains("landlock (version") {
            println!("SKIPPED other programs' memory: there is no Landlock here");
        }
        assert!(attempts.len() > 20);
        for (outcome, name, reason) in attempts {
            let needs_landlock =
                name == "writing another program's memory" && !level.contains("landlock (version");
            let is_fine = outcome == "refused" || (outcome == "untried" && name.contains("IPv6"));
            assert!(is_fine || needs_landlock, "as {user:?}: {name}: {outcome} {reason}");
        }
    }
}

fn the_filter_alone_stops_what_leads_out() {
    let (_, attempts) = tried(&own(), "seccomp", None);
    // Files under /proc are the one thing that a filter of calls cannot tell from others.
    for (outcome, name, reason) in
        attempts.iter().filter(|(_, name, _)| name != "writing another program's memory")
    {
        let is_fine = outcome == "untried" || ["EPERM", "ENOSYS"].contains(&reason.as_str());
        assert!(is_fine, "{name}: {outcome} {reason}");
    }
}

fn a_listener_goes_on_letting_others_in() {
    use std::io::{BufRead, BufReader};
    let mut child = command(&own(), "serve", "", None).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"pong");
    assert!(child.wait().unwrap().success());
}

fn open_connections_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut command = command(&own(), "open", "", None);
    let output = command.stdin(OwnedFd::from(connection)).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "refused\n");
}

fn threads_are_refused() {
    let output = command(&own(), "threads", "", None).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "true\n");
}
