//! Files that are none of ours, newer, or damaged: told clearly, and left as they are.

use crate::{Bench, chat, id, say};
use hob_chats::{Chats, Error};
use rusqlite::Connection;
use std::fs;

/// Everything that can be asked, and the errors that come of it.
fn ask_everything(chats: &Chats) -> Vec<Error> {
    let one = chat("one", None);
    [
        chats.list(None, 10).err(),
        chats.get(&one.id).err(),
        chats.messages(&one.id, None, 10).err(),
        chats.branch(&one.id).err(),
        chats.search("some text", 10).err(),
        chats.search("so", 10).err(),
        chats.put_messages(&one.id, &[say("new", None, "some text")]).err(),
        chats.put(&one, &[say("newer", None, "more text")]).err(),
        chats.export(None, hob_chats::Format::Json, &mut Vec::new()).err(),
        chats.delete_message(&one.id, &id("a")).err(),
        chats.delete(&one.id).err(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn what_is_no_file_of_conversations_is_left_alone() {
    let bench = Bench::new();
    let file = bench.file();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let foreign = bench.dir.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 3;")
        .unwrap();
    let newer = {
        let other = Bench::new();
        other.chats.put(&chat("one", None), &[]).unwrap();
        let db = Connection::open(other.file()).unwrap();
        db.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
        fs::read(other.file()).unwrap()
    };
    type Is = fn(&Error) -> bool;
    let cases: [(Vec<u8>, Is); 4] = [
        (b"My diary\n".repeat(1000), |e| matches!(e, Error::Damaged { .. })),
        (b"SQLite format 3\0".repeat(64), |e| matches!(e, Error::Damaged { .. })),
        (fs::read(&foreign).unwrap(), |e| matches!(e, Error::Foreign { .. })),
        (newer, |e| matches!(e, Error::Newer { found: 99, .. })),
    ];
    for (bytes, is) in cases {
        fs::write(&file, &bytes).unwrap();
        let errors = ask_everything(&bench.chats);
        assert_eq!(errors.len(), 11);
        for error in errors {
            assert!(is(&error) && error.to_string().contains("left as it is"), "{error:?}");
        }
        assert!(fs::read(&file).unwrap() == bytes, "the file was changed");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(ask_everything(&bench.chats).iter().all(|e| matches!(e, Error::NotOurs { .. })));
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    let bench = Bench::new();
    let (file, target) = (bench.file(), bench.dir.path().join("target"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&target, b"").unwrap();
    std::os::unix::fs::symlink(&target, &file).unwrap();
    assert!(matches!(bench.chats.put(&chat("one", None), &[]), Err(Error::NotOurs { .. })));
    assert!(fs::read(&target).unwrap().is_empty());
}

/// A page that is cut off or overwritten gives an error or an answer, never a panic, and what could be read before is not
/// replaced by an empty file.
#[test]
fn damaged_pages_are_told() {
    let bench = Bench::new();
    for n in 0..30 {
        let messages = [say("a", None, &format!("some text {n}").repeat(50)), say("b", Some("a"), "more")];
        bench.chats.put(&chat(&format!("c{n}"), Some("b")), &messages).unwrap();
    }
    bench.chats.put(&chat("one", Some("a")), &[say("a", None, "some text")]).unwrap();
    let file = bench.file();
    Connection::open(&file).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    drop(bench.again());
    let whole = fs::read(&file).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20);
    let mut told = 0;
    for page in 0..pages {
        for cut in [false, true] {
            let mut bytes = whole.clone();
            if cut {
                bytes.truncate((page * 4096).max(100) + 7);
            } else {
                bytes[page * 4096..][..4096].fill(0xa5);
            }
            let trial = Bench::new();
            fs::create_dir_all(trial.file().parent().unwrap()).unwrap();
            fs::write(trial.file(), &bytes).unwrap();
            let errors = ask_everything(&trial.chats);
            for error in &errors {
                assert!(!matches!(error, Error::Foreign { .. } | Error::Newer { .. }), "{error:?}");
            }
            told += usize::from(errors.iter().any(|e| matches!(e, Error::Damaged { .. })));
            let size = fs::metadata(trial.file()).unwrap().len();
            assert!(size + 4096 >= bytes.len() as u64, "{size} of {} bytes are left", bytes.len());
        }
    }
    assert!(told > pages, "{told} of {} cases were noticed", 2 * pages);
}

/// What is put after somebody moved the file away is in a new file, not in the one that has gone.
#[cfg(unix)]
#[test]
fn a_file_that_was_moved_away_is_not_written_any_more() {
    let bench = Bench::new();
    bench.chats.put(&chat("one", None), &[]).unwrap();
    fs::rename(bench.file().parent().unwrap(), bench.dir.path().join("moved")).unwrap();
    assert!(bench.chats.list(None, 10).unwrap().chats.is_empty());
    bench.chats.put(&chat("two", None), &[]).unwrap();
    let listed = bench.again().list(None, 10).unwrap().chats;
    assert_eq!(listed.iter().map(|l| l.chat.id.clone()).collect::<Vec<_>>(), [id("two")]);
}
