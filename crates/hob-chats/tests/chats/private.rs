//! Folders that are marked as private: what lies in them stays, and where nobody can know, everything does.

use crate::sealed::{in_file, key, sealed, unlocked};
use crate::{Bench, chat, id, say};
use hob_chats::{Chats, Error};

fn lies(chats: &Chats, name: &str, folder: Option<&str>, is_private: bool) {
    let mut one = chat(name, Some("a"));
    (one.folder, one.is_private) = (folder.map(str::to_owned), is_private);
    chats.put(&one, &[say("a", None, "words")]).unwrap();
}

fn stays(chats: &Chats, chat: &str, folder: Option<&str>) -> bool {
    chats.must_stay(Some(&id(chat)), folder).unwrap()
}

#[test]
fn what_lies_in_a_marked_folder_stays_until_it_is_taken_out() {
    let bench = Bench::new();
    let chats = &bench.chats;
    assert!(!stays(chats, "one", Some("Doctor")) && !chats.set_private_folder("Doctor", false).unwrap());
    assert!(chats.private_folders().unwrap().is_empty() && !bench.file().exists(), "asking makes no file");
    lies(chats, "one", Some("Doctor"), false);
    lies(chats, "two", None, false);
    lies(chats, "own", None, true);
    assert!(!stays(chats, "one", None) && !stays(chats, "two", None) && stays(chats, "own", None));
    assert!(chats.set_private_folder("Doctor", true).unwrap());
    assert!(!chats.set_private_folder("Doctor", true).unwrap(), "once is enough");
    assert!(chats.set_private_folder("Bank", true).unwrap());
    assert_eq!(bench.again().private_folders().unwrap(), ["Bank", "Doctor"]);
    assert!(stays(chats, "one", None) && !stays(chats, "two", None));
    // What whoever asks says counts too: the move may be on its way, or the conversation not be kept yet.
    assert!(stays(chats, "two", Some("Doctor")) && stays(chats, "unknown", Some("Bank")));
    // Capitals and blanks are easily mistaken.
    assert!(!stays(chats, "unknown", None) && stays(chats, "two", Some("doctor ")));
    assert!(chats.must_stay(None, Some("Bank")).unwrap() && !chats.must_stay(None, None).unwrap());
    // So is an accent that is a character of its own.
    assert!(chats.set_private_folder("\u{c4}rzte", true).unwrap());
    assert!(stays(chats, "unknown", Some("A\u{308}rzte")) && stays(chats, "unknown", Some("a\u{308}rzte")));
    assert!(
        !stays(chats, "unknown", Some("Arzte")) && chats.set_private_folder("A\u{308}rzte", false).unwrap()
    );
    // A folder that it is said to have left still holds it until that is written down.
    assert!(stays(chats, "one", Some("Elsewhere")));
    lies(chats, "one", Some("Elsewhere"), false);
    lies(chats, "two", Some("Doctor"), false);
    assert!(!stays(chats, "one", None) && stays(chats, "two", None));
    // The mark outlives what lay there.
    chats.delete(&id("two")).unwrap();
    lies(chats, "three", Some("Doctor"), false);
    assert!(stays(chats, "three", None));
    assert!(chats.set_private_folder("Doctor", false).unwrap());
    assert!(!stays(chats, "three", None) && chats.must_stay(None, Some("Bank")).unwrap());
    chats.verify().unwrap();
}

#[test]
fn marks_are_encrypted_with_the_rest_and_nobody_who_is_locked_out_learns_that_something_may_go() {
    let bench = Bench::new();
    lies(&bench.chats, "one", Some("Doctor"), false);
    bench.chats.set_private_folder("Doctor", true).unwrap();
    bench.chats.encrypt(&key(), in_file()).unwrap();
    assert!(stays(&bench.chats, "one", None));
    bench.chats.lock();
    for asked in [
        bench.chats.must_stay(Some(&id("two")), None),
        bench.chats.must_stay(None, Some("Open")),
        bench.again().must_stay(None, None),
    ] {
        assert!(matches!(asked, Err(Error::Locked { .. })), "{asked:?}");
    }
    let again = unlocked(bench.dir.path());
    assert_eq!(again.private_folders().unwrap(), ["Doctor"]);
    again.decrypt().unwrap();
    assert!(stays(&bench.again(), "one", None));
    let broken = Bench::new();
    std::fs::create_dir_all(broken.file().parent().unwrap()).unwrap();
    std::fs::write(broken.file(), "no database ".repeat(100)).unwrap();
    assert!(broken.chats.must_stay(None, None).is_err());
}

#[test]
fn names_that_no_folder_has_are_refused() {
    let bench = sealed();
    for name in ["", "  ", &"x".repeat(401)] {
        let refused = bench.chats.set_private_folder(name, true).unwrap_err();
        assert!(matches!(refused, Error::Field { field: "folder", .. }), "{refused}");
    }
    assert!(bench.chats.private_folders().unwrap().is_empty());
}
