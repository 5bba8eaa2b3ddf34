//! How long conversations are kept: only rules let one go, and only what they name.

use crate::{Bench, chat, say};
use hob_chats::{Chats, Error, Rule};

const DAY: i64 = 86_400_000;

fn rule(folder: Option<&str>, days: Option<u32>) -> Rule {
    Rule { folder: folder.map(str::to_owned), days }
}

/// A conversation in which something was said on this day last.
fn spoken(chats: &Chats, name: &str, folder: Option<&str>, day: i64) {
    let mut one = chat(name, Some("a"));
    (one.folder, one.updated) = (folder.map(str::to_owned), day * DAY);
    chats.put(&one, &[say("a", None, &format!("words of {name}"))]).unwrap();
}

fn due(chats: &Chats, day: i64) -> Vec<String> {
    let due = chats.due(day * DAY).unwrap().into_iter();
    due.map(|listed| listed.chat.id.as_str().trim_start_matches('0').to_owned()).collect()
}

#[test]
fn only_what_a_rule_names_goes_and_only_when_it_is_old() {
    let bench = Bench::new();
    let chats = &bench.chats;
    assert!(chats.rules().unwrap().is_empty() && !chats.remove_rule(None).unwrap());
    assert!(due(chats, 1000).is_empty() && !bench.file().exists(), "asking makes no file");
    spoken(chats, "old", None, 10);
    spoken(chats, "new", None, 39);
    spoken(chats, "work", Some("Work"), 20);
    spoken(chats, "home", Some("Home"), 1);
    assert!(
        due(chats, 100_000).is_empty() && chats.expire(100_000 * DAY).unwrap().is_empty(),
        "without a rule nothing goes"
    );

    chats.set_rule(&rule(None, Some(30))).unwrap();
    assert_eq!(due(chats, 39), ["home"]);
    assert_eq!(due(chats, 40), ["home", "old"]);
    chats.set_rule(&rule(Some("Home"), None)).unwrap();
    chats.set_rule(&rule(Some("Work"), Some(5))).unwrap();
    chats.set_rule(&rule(Some("Work"), Some(10))).unwrap();
    assert_eq!(
        chats.rules().unwrap(),
        [rule(None, Some(30)), rule(Some("Home"), None), rule(Some("Work"), Some(10))]
    );
    assert_eq!(due(chats, 40), ["old", "work"]);
    assert_eq!(due(chats, 100_000), ["old", "work", "new"]);
    let gone = chats.expire(40 * DAY).unwrap();
    assert_eq!(
        gone.iter().map(|listed| listed.chat.title.as_str()).collect::<Vec<_>>(),
        ["Chat old", "Chat work"]
    );
    assert!(chats.search("words of old", 10).unwrap().is_empty());
    assert_eq!(chats.list(None, 10).unwrap().chats.len(), 2);
    assert!(chats.remove_rule(None).unwrap() && !chats.remove_rule(None).unwrap());
    assert!(due(chats, 100_000).is_empty());
    chats.verify().unwrap();
}

#[test]
fn rules_without_sense_are_refused() {
    let bench = Bench::new();
    for wrong in [rule(None, Some(0)), rule(None, Some(u32::MAX)), rule(Some(&"x".repeat(401)), Some(1))] {
        assert!(matches!(bench.chats.set_rule(&wrong), Err(Error::Field { .. })));
    }
    assert!(bench.chats.rules().unwrap().is_empty());
}

#[test]
fn rules_are_encrypted_with_the_rest() {
    let bench = crate::sealed::sealed();
    bench.chats.set_rule(&rule(Some("Zebrafinch"), Some(9))).unwrap();
    bench.chats.decrypt().unwrap();
    assert_eq!(bench.again().rules().unwrap(), [rule(Some("Zebrafinch"), Some(9))]);
}
