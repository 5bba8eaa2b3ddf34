//! What a change of the file or its key leaves behind: nothing of it can be read, and what cannot be taken away yet keeps
//! nobody from the conversations.

use crate::sealed::{in_file, key, told, unlocked};
use crate::{Bench, chat, say};
#[cfg(unix)]
use hob_chats::{Chats, Error};
use hob_chats::{Secret, Wrapping};
use std::fs;
use std::path::{Path, PathBuf};

const CANARY: &str = "zebrafinch";

/// Conversations that lie open, and their journal, which is not empty.
fn open() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.chats.put(&chat("c", Some("a")), &[say("a", None, &format!("{CANARY} ").repeat(5000))]).unwrap();
    let journal = bench.dir.path().join("chats/chats.db-wal");
    assert!(holds_canary(&fs::read(&journal).unwrap()));
    (bench, journal)
}

fn holds_canary(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// What still lies in the blocks of a file that has no name any more.
#[cfg(unix)]
fn blocks(mut file: fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    bytes
}

fn list_leftover(key_file: &Path, name: &str) {
    let text = fs::read_to_string(key_file).unwrap();
    fs::write(key_file, text.replacen('{', &format!("{{\"leftovers\": [\"{name}\"],"), 1)).unwrap();
}

/// A folder in the place of a file that has to go.
fn stuck(folder: &Path) -> PathBuf {
    let name = "chats-0123456789abcdef.db";
    list_leftover(&folder.join("chats/chats.key"), name);
    let path = folder.join("chats").join(name);
    fs::create_dir(&path).unwrap();
    path
}

#[cfg(unix)]
#[test]
fn the_journal_of_what_lay_open_is_overwritten_before_it_goes() {
    let (bench, journal) = open();
    let before = [&journal, &bench.chats.path()].map(|path| fs::File::open(path).unwrap());
    bench.chats.encrypt(&key(), in_file()).unwrap();
    assert!(!journal.exists() && bench.chats.settle().unwrap().is_empty());
    for bytes in before.map(blocks) {
        assert!(!bytes.is_empty() && !holds_canary(&bytes));
    }
}

/// A copy as a kill leaves them: a journal, and nobody who has it open.
#[cfg(unix)]
fn killed(bench: &Bench, journal: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("chats");
    fs::create_dir(&folder).unwrap();
    for path in [&bench.chats.path(), journal] {
        fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
    }
    dir
}

#[cfg(unix)]
#[test]
fn the_journal_of_a_killed_process_is_overwritten_as_well() {
    let (bench, journal) = open();
    let dir = killed(&bench, &journal);
    let before = fs::File::open(dir.path().join("chats/chats.db-wal")).unwrap();
    let chats = Chats::in_data(dir.path());
    chats.encrypt(&key(), in_file()).unwrap();
    assert_eq!(told(&chats), told(&bench.chats));
    let bytes = blocks(before);
    assert!(!bytes.is_empty() && !holds_canary(&bytes));
}

/// A server that has the old file open is the next one after a process that was killed right after the change.
#[cfg(unix)]
#[test]
fn whoever_has_the_old_file_open_takes_no_journal_away_as_it_is() {
    let (bench, journal) = open();
    let all = told(&bench.chats);
    let dir = killed(&bench, &journal);
    Chats::in_data(dir.path()).encrypt(&key(), in_file()).unwrap();
    for entry in fs::read_dir(dir.path().join("chats")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "chats.lock" {
            fs::copy(&path, journal.with_file_name(path.file_name().unwrap())).unwrap();
        }
    }
    list_leftover(&journal.with_file_name("chats.key"), "chats.db");
    let before = fs::File::open(&journal).unwrap();
    bench.chats.unlock(&key()).unwrap();
    assert_eq!(told(&bench.chats), all);
    let bytes = blocks(before);
    assert!(!bytes.is_empty() && !holds_canary(&bytes) && !journal.exists());
    assert!(bench.chats.settle().unwrap().is_empty());
}

/// An error would mean that the old key counts, and whoever made the new one would throw it away.
#[cfg(unix)]
#[test]
fn what_cannot_be_overwritten_makes_no_error_of_a_change_that_counts() {
    let (bench, journal) = open();
    let all = told(&bench.chats);
    // Can be neither opened nor overwritten, whoever tries; SQLite takes it for nothing.
    let stuck = journal.with_file_name("chats.db-journal");
    std::os::unix::fs::symlink(&stuck, &stuck).unwrap();
    bench.chats.encrypt(&key(), in_file()).unwrap();
    assert_eq!(told(&bench.chats), all);
    assert_eq!(told(&unlocked(bench.dir.path())), all);
    let old = journal.with_file_name("chats.db");
    assert!(!old.exists() && !journal.exists());
    assert_eq!(bench.chats.settle().unwrap(), [old]);
    assert!(matches!(bench.chats.decrypt(), Err(Error::InTheWay { .. })));
    fs::remove_file(&stuck).unwrap();
    assert_eq!(told(&unlocked(bench.dir.path())), all);
    assert!(bench.chats.settle().unwrap().is_empty());
    bench.chats.decrypt().unwrap();
    assert_eq!(told(&bench.again()), all);
}

#[test]
fn what_cannot_be_taken_away_is_tried_again_and_blocks_nothing() {
    let (bench, _) = open();
    let all = told(&bench.chats);
    bench.chats.encrypt(&key(), in_file()).unwrap();
    let stuck = stuck(bench.dir.path());
    let other = unlocked(bench.dir.path());
    assert_eq!(told(&other), all);
    other.put(&chat("new", None), &[]).unwrap();
    let all = told(&other);
    let passphrase = Secret::passphrase("correct horse battery");
    other.rewrap(&passphrase, Wrapping::Passphrase).unwrap();
    other.rekey(&key(), in_file()).unwrap();
    assert_eq!(told(&other), all);
    assert_eq!(told(&unlocked(bench.dir.path())), all);
    assert_eq!(other.settle().unwrap(), std::slice::from_ref(&stuck));
    other.decrypt().unwrap();
    assert_eq!((told(&other), other.settle().unwrap()), (all.clone(), vec![stuck.clone()]));
    fs::remove_dir(&stuck).unwrap();
    // The same one comes to it in time, and a new one at once.
    for _ in 0..100 {
        other.list(None, 1).unwrap();
    }
    assert!(other.settle().unwrap().is_empty());
    assert_eq!(told(&bench.again()), all);
}
