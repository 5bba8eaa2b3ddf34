//! Writers that are killed, and several at a time.

use crate::{Bench, all, chat, id, say};
use hob_chats::{Chats, Message};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Set for a test that runs as another process: the data folder and the name of the conversation.
const FOLDER: &str = "HOB_CHATS_TEST_FOLDER";
const NAME: &str = "HOB_CHATS_TEST_NAME";

/// Kills of one run.
const KILLS: usize = 200;

/// Writes without end, and says what is kept once it is. Alone it does nothing.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let name = std::env::var(NAME).unwrap();
    let chats = Chats::in_data(Path::new(&folder));
    let mut parent = None;
    let mut out = std::io::stdout();
    for n in 0.. {
        let message = format!("{name}x{n}");
        let said = Message {
            created: n,
            ..say(&message, parent.as_deref(), &format!("text {n} {}", "x".repeat(n as usize % 700)))
        };
        chats.put(&chat(&name, Some(&message)), &[said]).unwrap();
        writeln!(out, "\nkept {message}").unwrap();
        out.flush().unwrap();
        parent = Some(message);
    }
}

fn start(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child_that_writes", "--exact", "--nocapture"]).env(FOLDER, folder).env(NAME, name);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The messages that the child says are kept.
fn kept(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("kept ").map(str::to_owned))
}

#[test]
fn nothing_that_was_acknowledged_is_lost_to_a_kill() {
    let bench = Bench::new();
    // A number that wanders through all moments of a write.
    let mut wandering = 0x2545_f491_u64;
    for round in 0..KILLS {
        let name = format!("r{round}");
        let mut child = start(bench.dir.path(), &name);
        let mut lines = kept(&mut child);
        wandering = wandering.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut told: Vec<String> = lines.by_ref().take((wandering >> 60) as usize % 4 + 1).collect();
        for n in 0..(wandering >> 40) % 400_000 {
            std::hint::black_box(n);
        }
        child.kill().unwrap();
        // What it said before it died counts as well.
        told.extend(lines);
        child.wait().unwrap();
        let chats = bench.again();
        let found = all(&chats, &id(&name));
        let missing: Vec<&String> = told.iter().filter(|m| !found.iter().any(|f| f.id == id(m))).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} of {told:?}");
        assert!(found.len() <= told.len() + 1, "at most one message was kept and not yet said");
        assert_eq!(chats.branch(&id(&name)).unwrap().len(), found.len());
        chats.verify().unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

/// Processes and threads write into one file at the same time; each finds its own.
#[test]
fn many_writers_share_the_file() {
    let bench = Bench::new();
    let names = ["p1", "p2", "p3"];
    let mut children: Vec<Child> = names.iter().map(|name| start(bench.dir.path(), name)).collect();
    let lines: Vec<_> = children.iter_mut().map(kept).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let chats = &bench.chats;
            scope.spawn(move || {
                for n in 0..25 {
                    let name = format!("t{thread}");
                    let parent = (n > 0).then(|| format!("m{}", n - 1));
                    let message = format!("m{n}");
                    chats
                        .put(&chat(&name, Some(&message)), &[say(&message, parent.as_deref(), "x")])
                        .unwrap();
                    chats.list(None, 10).unwrap();
                }
            });
        }
    });
    let told: Vec<Vec<String>> = lines.into_iter().map(|lines| lines.take(20).collect()).collect();
    children.iter_mut().for_each(|child| child.kill().unwrap());
    children.iter_mut().for_each(|child| assert!(!child.wait().unwrap().success()));
    for (name, told) in names.iter().zip(told) {
        let found = all(&bench.chats, &id(name));
        assert!(told.len() == 20 && told.iter().all(|m| found.iter().any(|f| f.id == id(m))), "{name}");
    }
    for thread in 0..4 {
        assert_eq!(bench.chats.branch(&id(&format!("t{thread}"))).unwrap().len(), 25);
    }
    bench.chats.verify().unwrap();
}
