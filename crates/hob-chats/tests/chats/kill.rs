//! Writers that are killed, and several at a time.

use crate::sealed::{in_file, key, sealed, told};
use crate::{Bench, all, chat, files, id, say};
use hob_chats::{Chats, LockedBy, Message, Protection};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Set for a test that runs as another process: the data folder and the name of the conversation.
const FOLDER: &str = "HOB_CHATS_TEST_FOLDER";
const NAME: &str = "HOB_CHATS_TEST_NAME";
/// Set for one that turns encryption on and off.
const TURNS: &str = "HOB_CHATS_TEST_TURNS";

/// Kills of one run.
const KILLS: usize = 200;
/// Kills of a process that turns encryption on and off, which takes longer.
const TURNING_KILLS: usize = 40;

/// Writes without end, and says what is kept once it is. Alone it does nothing.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let name = std::env::var(NAME).unwrap();
    let chats = as_it_lies(Path::new(&folder));
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

/// The conversations, with the key if they are encrypted.
fn as_it_lies(folder: &Path) -> Chats {
    let chats = Chats::in_data(folder);
    // It may be decrypted between the two.
    while chats.protection().unwrap() == (Protection::Sealed { by: LockedBy::File, is_unlocked: false }) {
        let _ = chats.unlock(&key());
    }
    chats
}

/// Turns encryption on, gives it another key, and turns it off, without end. Alone it does nothing.
#[test]
fn child_that_turns() {
    let Some(folder) = std::env::var_os(FOLDER).filter(|_| std::env::var_os(TURNS).is_some()) else { return };
    let chats = as_it_lies(Path::new(&folder));
    let mut out = std::io::stdout();
    loop {
        match chats.protection().unwrap() {
            Protection::Open => chats.encrypt(&key(), in_file()).unwrap(),
            Protection::Sealed { .. } => {
                chats.rekey(&key(), in_file()).unwrap();
                chats.decrypt().unwrap();
            }
        }
        writeln!(out, "\nkept turn").unwrap();
        out.flush().unwrap();
    }
}

fn turning(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child_that_turns", "--exact", "--nocapture"]).env(FOLDER, folder).env(TURNS, "1");
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn start(folder: &Path, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child_that_writes", "--exact", "--nocapture"]).env(FOLDER, folder).env(NAME, name);
    // What it complains of belongs to what this test says where it fails.
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// The messages that the child says are kept.
fn kept(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("kept ").map(str::to_owned))
}

/// The file is whole. Where it isn't, whether that lasts says where to look.
fn assert_whole(bench: &Bench, when: &str) {
    let again = || {
        (
            bench.chats.verify().map_err(|e| e.to_string()),
            as_it_lies(bench.dir.path()).verify().map_err(|e| e.to_string()),
        )
    };
    bench
        .chats
        .verify()
        .unwrap_or_else(|error| panic!("{when}: {error}; again and by another: {:?}", again()));
}

#[test]
fn nothing_that_was_acknowledged_is_lost_to_a_kill() {
    kill_writers(&Bench::new());
}

#[test]
fn nothing_that_was_acknowledged_is_lost_to_a_kill_when_it_is_encrypted() {
    kill_writers(&sealed());
}

fn kill_writers(bench: &Bench) {
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
        let chats = as_it_lies(bench.dir.path());
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
    share(&Bench::new());
}

#[test]
fn many_writers_share_an_encrypted_file() {
    share(&sealed());
}

fn share(bench: &Bench) {
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
        assert_eq!(told.len(), 20, "{name} has ended before");
        let found = all(&bench.chats, &id(name));
        assert!(told.iter().all(|m| found.iter().any(|f| f.id == id(m))), "{name}");
    }
    for thread in 0..4 {
        assert_eq!(bench.chats.branch(&id(&format!("t{thread}"))).unwrap().len(), 25);
    }
    assert_whole(bench, "three were killed");
}

/// Whoever turns encryption on or off is killed at any moment: all conversations are there, and where they are encrypted nothing
/// lies open beside them.
#[test]
fn turning_encryption_on_and_off_survives_a_kill() {
    let bench = Bench::new();
    const CANARY: &str = "canary-7d1f0c";
    for n in 0..20 {
        let text = format!("{CANARY} {n} ").repeat(50);
        bench.chats.put(&chat(&format!("c{n}"), Some("a")), &[say("a", None, &text)]).unwrap();
    }
    let before = told(&bench.chats);
    let (mut sealed, mut turns) = (0, 0);
    for round in 0..TURNING_KILLS {
        let mut child = turning(bench.dir.path());
        let lines = kept(&mut child);
        std::thread::sleep(std::time::Duration::from_millis(30 + 37 * round as u64 % 400));
        child.kill().unwrap();
        turns += lines.count();
        child.wait().unwrap();
        let chats = as_it_lies(bench.dir.path());
        assert_eq!(told(&chats), before, "round {round}");
        chats.verify().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let is_sealed = chats.protection().unwrap() != Protection::Open;
        sealed += usize::from(is_sealed);
        drop(chats);
        let open = files(bench.dir.path()).into_iter().filter(|(_, bytes)| holds(bytes, CANARY));
        let open: Vec<_> = open.map(|(path, _)| path).collect();
        assert_eq!(open.is_empty(), is_sealed, "round {round}: {open:?}");
    }
    assert!(turns > 0 && (1..TURNING_KILLS).contains(&sealed), "{turns} turns, {sealed} encrypted");
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Another process turns encryption on and off while writers write: what they acknowledged is there.
#[test]
fn writers_go_on_while_encryption_is_turned_on_and_off() {
    let bench = Bench::new();
    bench.chats.put(&chat("first", None), &[]).unwrap();
    let mut child = turning(bench.dir.path());
    let mut turns = kept(&mut child);
    let mut told = Vec::new();
    let mut parent: Option<String> = None;
    for n in 0..400 {
        let message = format!("m{n}");
        let chats = &bench.chats;
        loop {
            let said = say(&message, parent.as_deref(), &format!("text {n}"));
            match chats.put(&chat("busy", Some(&message)), &[said]) {
                Ok(_) => break,
                // Another key each time.
                Err(hob_chats::Error::Locked { .. }) => drop(chats.unlock(&key())),
                Err(error) => panic!("{error:?}"),
            }
        }
        told.push(id(&message));
        parent = Some(message);
    }
    assert!(turns.by_ref().take(2).count() == 2, "it was turned on and off meanwhile");
    child.kill().unwrap();
    child.wait().unwrap();
    let chats = as_it_lies(bench.dir.path());
    let found: Vec<_> = all(&chats, &id("busy")).into_iter().map(|message| message.id).collect();
    assert_eq!(found, told);
    chats.verify().unwrap();
}
