//! Finding what was said.

use crate::{Bench, chat, id, say};
use hob_chats::{Message, limits};

fn found(bench: &Bench, text: &str) -> Vec<String> {
    let hits = bench.chats.search(text, 100).unwrap();
    hits.into_iter().map(|hit| hit.message.to_string().trim_start_matches('0').to_owned()).collect()
}

fn bench(texts: &[&str]) -> Bench {
    let bench = Bench::new();
    let message =
        |(n, text): (usize, &&str)| Message { created: n as i64, ..say(&format!("m{n}"), None, text) };
    let messages: Vec<Message> = texts.iter().enumerate().map(message).collect();
    bench.chats.put(&chat("one", None), &messages).unwrap();
    bench
}

#[test]
fn every_word_is_in_what_is_found_newest_first() {
    let bench = bench(&[
        "Where is the Hearth?",
        "hearth again, an old one",
        "東京の天気は？",
        "Größe ÄRGER",
        "ab 12 c++ %_\\",
    ]);
    assert_eq!(found(&bench, "HEARTH"), ["m1", "m0"]);
    assert_eq!(found(&bench, "hearth old"), ["m1"]);
    assert_eq!(found(&bench, "is hearth"), ["m0"]);
    assert_eq!(found(&bench, "\"the hearth\""), ["m0"]);
    assert_eq!(found(&bench, "\"hearth the\""), [""; 0]);
    assert_eq!(found(&bench, "東京"), ["m2"]);
    assert_eq!(found(&bench, "京の天気"), ["m2"]);
    assert_eq!(found(&bench, "天"), ["m2"]);
    assert_eq!(found(&bench, "ärger größe"), ["m3"]);
    assert_eq!(found(&bench, "%_"), ["m4"]);
    assert_eq!(found(&bench, "c++ 12"), ["m4"]);
    assert_eq!(found(&bench, "_"), ["m4"]);
    assert_eq!(bench.chats.search("hearth", 1).unwrap().len(), 1);
    let hit = &bench.chats.search("again", 1).unwrap()[0];
    assert_eq!(
        (hit.title.as_str(), hit.around.as_str(), hit.created),
        ("Chat one", "hearth again, an old one", 1)
    );
}

#[test]
fn any_text_may_be_looked_for() {
    let bench = bench(&["plain words", "AND OR NOT near(x)"]);
    for odd in [
        "\"",
        "'",
        "\"\"",
        "*",
        "a*",
        "AND",
        "OR OR",
        "NOT",
        "NEAR(a b)",
        "near(x)",
        "text:",
        "{a}",
        "^a",
        "-a",
        "(",
        ")",
        "a AND",
        "\"open",
        "a\"b\"c",
        "\\",
        "%",
        "\0",
        "abc\0def",
        "x'; DROP TABLE chats; --",
        "\u{feff}",
        "🔥🔥🔥",
        "ﬁ",
    ] {
        bench.chats.search(odd, 10).unwrap_or_else(|error| panic!("{odd:?}: {error}"));
    }
    assert_eq!(found(&bench, "near(x)"), ["m1"]);
    assert!(bench.chats.search(&"x".repeat(limits::QUERY_BYTES_MAX + 1), 10).is_err());
    let long = vec!["plain"; limits::QUERY_BYTES_MAX / 6].join(" ");
    assert_eq!(found(&bench, &long), ["m0"]);
}

#[test]
fn the_index_follows_every_change() {
    let bench = bench(&["first words"]);
    bench.chats.put_messages(&id("one"), &[say("m0", None, "other sentence")]).unwrap();
    assert_eq!((found(&bench, "words").len(), found(&bench, "sentence").len()), (0, 1));
    bench.chats.put(&chat("two", None), &[say("x", None, "a sentence, too")]).unwrap();
    bench.chats.delete_message(&id("one"), &id("m0")).unwrap();
    assert_eq!(found(&bench, "sentence"), ["x"]);
    bench.chats.delete(&id("two")).unwrap();
    assert_eq!(found(&bench, "sentence"), [""; 0]);
    bench.chats.verify().unwrap();
}

/// What a connection remembers of the index is older than what others have written since, which is no damage.
#[test]
fn an_index_that_others_have_changed_is_whole() {
    let bench = bench(&["first words"]);
    bench.chats.verify().unwrap();
    let other = hob_chats::Chats::in_data(bench.dir.path());
    for n in 0..60 {
        other.put_messages(&id("one"), &[say(&format!("x{n}"), Some("m0"), "a sentence of others")]).unwrap();
    }
    bench.chats.verify().unwrap();
}
