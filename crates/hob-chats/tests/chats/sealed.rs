//! Conversations that are encrypted: nothing of them lies open, nothing of them is lost, and only the secret opens them.

use crate::{Bench, chat, files, say};
use hob_chats::{Chats, Error, LockedBy, Protection, Secret, Wrapping};
use std::fs;
use std::path::{Path, PathBuf};

/// A key as from a file, which is quicker than a passphrase.
pub fn key() -> Secret {
    Secret::from_digits(&"5a".repeat(32)).unwrap()
}

pub fn in_file() -> Wrapping {
    Wrapping::File { path: PathBuf::from("/stick/hob.key") }
}

/// Encrypted conversations, unlocked.
pub fn sealed() -> Bench {
    let bench = Bench::new();
    bench.chats.encrypt(&key(), in_file()).unwrap();
    bench
}

/// The same file, as another program opens it with the key.
pub fn unlocked(folder: &Path) -> Chats {
    let chats = Chats::in_data(folder);
    chats.unlock(&key()).unwrap();
    chats
}

fn folder(bench: &Bench) -> PathBuf {
    bench.dir.path().join("chats")
}

fn names(bench: &Bench) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder(bench))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-shm") && !name.ends_with("-wal") && name != "chats.lock")
        .collect();
    names.sort();
    names
}

fn fill(chats: &Chats) {
    for n in 0..40 {
        let messages = [
            say("a", None, &format!("some text {n} ").repeat(n * 12)),
            say("b", Some("a"), "straßen & 漢字漢字"),
        ];
        chats.put(&chat(&format!("c{n}"), Some("b")), &messages).unwrap();
    }
}

/// Everything that is kept, as an export.
pub fn told(chats: &Chats) -> String {
    let mut out = Vec::new();
    chats.export(None, hob_chats::Format::Json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_was_open_is_sealed_opened_and_sealed_anew() {
    let bench = Bench::new();
    fill(&bench.chats);
    let before = told(&bench.chats);
    assert_eq!(bench.chats.protection().unwrap(), Protection::Open);
    bench.chats.encrypt(&key(), in_file()).unwrap();
    let state = Protection::Sealed { by: LockedBy::File, is_unlocked: true };
    assert_eq!((bench.chats.protection().unwrap(), told(&bench.chats)), (state, before.clone()));
    assert!(matches!(bench.chats.encrypt(&key(), in_file()), Err(Error::IsSealed { .. })));
    let sealed = names(&bench);
    assert!(sealed.len() == 2 && sealed[0].starts_with("chats-") && sealed[1] == "chats.key", "{sealed:?}");
    bench.chats.verify().unwrap();
    assert_eq!(bench.chats.search("漢字漢字", 1000).unwrap().len(), 40);

    // Another one, which has no key yet.
    let other = bench.again();
    assert!(matches!(other.list(None, 10), Err(Error::Locked { by: LockedBy::File, .. })));
    assert!(matches!(other.put(&chat("new", None), &[]), Err(Error::Locked { .. })));
    let wrong = Secret::from_digits(&"5b".repeat(32)).unwrap();
    assert!(matches!(other.unlock(&wrong), Err(Error::WrongSecret { by: LockedBy::File, .. })));
    let wrong = Secret::passphrase("no such passphrase");
    assert!(matches!(other.unlock(&wrong), Err(Error::WrongSecret { .. })));
    assert!(matches!(other.decrypt(), Err(Error::Locked { .. })));
    other.unlock(&key()).unwrap();
    assert_eq!(told(&other), before);

    // Another key of the pages, and another passphrase for it.
    let passphrase = Secret::passphrase("correct horse battery");
    other.rekey(&passphrase, Wrapping::Passphrase).unwrap();
    assert_ne!(names(&bench), sealed);
    assert!(matches!(bench.chats.list(None, 1), Err(Error::Locked { by: LockedBy::Passphrase, .. })));
    bench.chats.unlock(&passphrase).unwrap();
    let newer = Secret::passphrase("another horse");
    let file = names(&bench);
    bench.chats.rewrap(&newer, Wrapping::Passphrase).unwrap();
    assert_eq!(names(&bench), file);
    assert_eq!(told(&other), before, "whoever has the key need not ask again");
    assert!(matches!(bench.again().unlock(&passphrase), Err(Error::WrongSecret { .. })));

    let last = bench.again();
    last.unlock(&newer).unwrap();
    last.decrypt().unwrap();
    assert_eq!((names(&bench), told(&bench.again())), (vec!["chats.db".to_owned()], before.clone()));
    assert_eq!(told(&bench.chats), before);
    bench.chats.put(&chat("new", None), &[]).unwrap();
    bench.chats.verify().unwrap();
    assert!(matches!(bench.chats.decrypt(), Err(Error::NotSealed { .. })));
}

/// SQLite writes such a change into the journal before it is complete, some pages several times, and gives the frames their
/// salts and sums at its end.
#[test]
fn a_change_that_is_larger_than_the_cache_comes_back() {
    let bench = sealed();
    let words = |n: usize| {
        (0..800).map(|k| format!("w{:x} ", (n * 7919 + k * 104_729) % 1_000_003)).collect::<String>()
    };
    for chat_name in ["one", "two"] {
        let names: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
        let parents = std::iter::once(None).chain(names.iter().map(Some));
        let messages: Vec<_> = names
            .iter()
            .zip(parents)
            .enumerate()
            .map(|(n, (name, parent))| say(name, parent.map(String::as_str), &words(n)))
            .collect();
        bench.chats.put(&chat(chat_name, Some("m249")), &messages).unwrap();
    }
    let journal =
        files(bench.dir.path()).into_iter().find(|(path, _)| path.to_string_lossy().ends_with("-wal"));
    assert!(journal.unwrap().1.len() > 4 << 20, "it was larger than the cache");
    bench.chats.verify().unwrap();
    let kept = told(&bench.chats);
    assert!(kept.contains(&words(249)));
    assert_eq!(told(&unlocked(bench.dir.path())), kept);

    // After a power cut the journal is read from its beginning.
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("chats")).unwrap();
    for (path, bytes) in
        files(&folder(&bench)).into_iter().filter(|(path, _)| !path.to_string_lossy().ends_with("-shm"))
    {
        fs::write(copy.path().join("chats").join(path.file_name().unwrap()), bytes).unwrap();
    }
    let copy = unlocked(copy.path());
    copy.verify().unwrap();
    assert_eq!(told(&copy), kept);
}

#[test]
fn a_lost_key_is_told_and_nothing_begins_anew_beside_it() {
    let bench = sealed();
    fill(&bench.chats);
    drop(bench.again());
    let key_file = folder(&bench).join("chats.key");
    let kept = fs::read(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();
    let other = bench.again();
    for error in [other.list(None, 1).map(drop), other.put(&chat("new", None), &[]).map(drop)] {
        assert!(matches!(error, Err(Error::NoKeyFile { .. })), "{error:?}");
    }
    fs::write(&key_file, &kept).unwrap();
    assert_eq!(unlocked(bench.dir.path()).list(None, 1000).unwrap().chats.len(), 40);
    let sealed = bench.chats.path();
    fs::rename(&sealed, bench.dir.path().join("elsewhere")).unwrap();
    assert!(matches!(unlocked(bench.dir.path()).list(None, 1), Err(Error::Io { .. })));
}

#[test]
fn what_is_shredded_is_gone_with_its_key() {
    let bench = sealed();
    fill(&bench.chats);
    bench.chats.shred().unwrap();
    assert!(names(&bench).is_empty(), "{:?}", names(&bench));
    assert!(bench.chats.list(None, 10).unwrap().chats.is_empty());
    assert!(matches!(bench.chats.shred(), Err(Error::NotSealed { .. })));
    bench.chats.put(&chat("new", None), &[]).unwrap();
    assert_eq!(bench.again().list(None, 10).unwrap().chats.len(), 1);
}

#[test]
fn a_file_in_the_way_is_not_overwritten() {
    let bench = sealed();
    fill(&bench.chats);
    let open = folder(&bench).join("chats.db");
    fs::write(&open, "a backup of mine").unwrap();
    assert!(matches!(bench.chats.decrypt(), Err(Error::InTheWay { .. })));
    assert_eq!(fs::read(&open).unwrap(), b"a backup of mine");
    assert_eq!(
        bench.again().protection().unwrap(),
        Protection::Sealed { by: LockedBy::File, is_unlocked: false }
    );
    assert_eq!(bench.chats.list(None, 1000).unwrap().chats.len(), 40);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    fill(&bench.chats);
    for is_sealed in [true, false] {
        if is_sealed {
            bench.chats.encrypt(&key(), in_file()).unwrap();
        } else {
            bench.chats.decrypt().unwrap();
        }
        bench.chats.put(&chat("new", None), &[]).unwrap();
        for path in files(bench.dir.path()).into_keys() {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }
}

/// One byte of the file is changed, in each of its pages: what was kept is told as it was, or an error is.
#[test]
fn a_changed_byte_never_gives_another_text() {
    let bench = sealed();
    fill(&bench.chats);
    let (before, file) = (told(&bench.chats), bench.chats.path());
    // Closing the last connection puts the journal's pages into the file.
    let Bench { dir, chats } = bench;
    drop(chats);
    let whole = fs::read(&file).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 60 && files(dir.path()).into_keys().all(|path| !path.ends_with("-wal")));
    let (mut noticed, mut checked) = (0, 0);
    for page in 0..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096 + (page * 131) % 4068] ^= 0x20;
        fs::write(&file, &bytes).unwrap();
        let chats = unlocked(dir.path());
        let mut out = Vec::new();
        match chats.export(None, hob_chats::Format::Json, &mut out) {
            Ok(()) => assert_eq!(String::from_utf8(out).unwrap(), before, "page {page}"),
            Err(error) => {
                assert!(matches!(error, Error::Damaged { .. }), "page {page}: {error:?}");
                noticed += 1;
            }
        }
        // Pages that are free are read by nobody.
        checked += usize::from(chats.verify().is_err());
    }
    assert!(noticed > 20 && checked > pages / 2, "{noticed} and {checked} of {pages}");
}

#[test]
fn keys_and_texts_are_in_no_debug_output() {
    let bench = sealed();
    let text = format!("{:?} {:?} {:?}", bench.chats, key(), Secret::passphrase("correct horse"));
    // Of the key's bytes four in a row: two are in the name of a file now and then.
    assert!(
        !text.contains("5a5a5a5a") && !text.contains("90, 90, 90, 90") && !text.contains("horse"),
        "{text}"
    );
}
