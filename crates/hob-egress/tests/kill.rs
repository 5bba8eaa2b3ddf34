//! A program that is killed at any moment: every request of which a byte arrived stands in the ledger.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use hob_egress::{Address, Config, Egress, Ledger, Policy, Post, Purpose, What};
use hob_privacy::{Answer, Detector, Draft, Rules, Terms, Vault, clear};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Where the child finds ledger and server.
const PLACE: &str = "HOB_TEST_KILL";
const KILLS: u64 = 12;

fn clock() -> i64 {
    1_800_000_000_000
}

/// Not a test by itself: sends one request after the other until it is killed.
#[test]
#[ignore = "is started by the test below"]
fn sends_until_killed() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let mut place = place.split('\n');
    let (folder, endpoint, run) = (place.next().unwrap(), place.next().unwrap(), place.next().unwrap());
    let mut policy = Policy::default();
    policy.allow_named(Address::parse(endpoint).unwrap().origin().clone()).unwrap();
    let egress = Egress::new(Config { policy, ..Config::default() }, Ledger::at(folder, clock)).unwrap();
    for number in 0.. {
        let mut draft = Draft::new();
        draft.words(&"text ".repeat(number % 500));
        let detector = Detector::rules(Terms::default());
        let body = clear(&draft, &detector, &Rules::default(), &mut Vault::new(), &mut |_, _| Answer::Refuse)
            .unwrap();
        let address = Address::parse(&format!("{endpoint}/{run}/{number}")).unwrap();
        let post = Post {
            address: &address,
            body: &body,
            credential: None,
            headers: &[],
            accept: "",
            target: "stand-in",
            purpose: Purpose::Ask,
            cost_max_micro: 0,
            caps: &[],
            keep: false,
            once: None,
            bytes_max: 100,
        };
        let _ = egress.post(&post).and_then(|mut response| response.text());
    }
}

/// Answers everything with two bytes, and tells the path of each request as soon as its first line is there.
fn serve(listener: TcpListener, told: Sender<String>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let told = told.clone();
        thread::spawn(move || talk(stream, &told));
    }
}

fn talk(stream: TcpStream, told: &Sender<String>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        // Also half a line: a byte of it has left.
        told.send(line.split(' ').nth(1).unwrap_or("/half/a line").trim().to_owned()).ok()?;
        let mut length = 0;
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
    }
}

fn run_and_kill(
    folder: &str,
    endpoint: &str,
    run: u64,
    seen: &Receiver<String>,
    arrived: &mut BTreeSet<String>,
) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sends_until_killed", "--ignored", "--nocapture"]);
    command.env(PLACE, format!("{folder}\n{endpoint}\n{run}")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    arrived.insert(seen.recv_timeout(Duration::from_secs(30)).expect("the child sends nothing"));
    // Another moment of a request's way each time.
    let moment = Instant::now() + Duration::from_micros(run * 797 % 9000);
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_byte_leaves_without_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("ledger").display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (told, seen) = channel();
    thread::spawn(move || serve(listener, told));
    let mut arrived = BTreeSet::new();
    for run in 0..KILLS {
        run_and_kill(&folder, &endpoint, run, &seen, &mut arrived);
        arrived.extend(seen.try_iter());
    }
    let mut written = BTreeSet::new();
    let verified = Ledger::at(&folder, clock).read(&mut |entry, _| {
        if let What::Send(sending) = &entry.what {
            assert_eq!((sending.to.as_str(), sending.sha256.is_some()), (endpoint.as_str(), true));
            written.insert(sending.path.clone());
        }
    });
    // The last kill may have left half an entry; that is not damage.
    verified.unwrap();
    assert!(arrived.len() as u64 >= KILLS, "{arrived:?}");
    let lost: Vec<_> = arrived.difference(&written).collect();
    assert!(lost.is_empty(), "sent, and not in the ledger: {lost:?}");
}
