//! Two hundred texts that stand nowhere else, in every place that people can write to: with encryption none of them is in any
//! file, in the clear or in a form that texts commonly get. Without it they are found, so that this can fail.

use crate::sealed::{in_file, key, unlocked};
use crate::{Bench, chat, files, say};
use hob_chats::{Attachment, Chats, Message, Settings, Trouble};
use std::collections::BTreeSet;
use std::path::Path;

const COUNT: usize = 200;
/// Places of a conversation and a message; each gets its own.
const PLACES: usize = 8;

fn canary(n: usize) -> String {
    // No word of one is in another, and none is in a dictionary.
    format!("qz{:05}xk{:05}vj", n * 7919 % 100_000, n * 104_729 % 100_000)
}

fn write(chats: &Chats) {
    for n in (0..COUNT).step_by(PLACES) {
        let mut one = chat(&format!("c{n}"), Some("b"));
        one.title = format!("Title {}", canary(n));
        one.folder = Some(canary(n + 1));
        one.settings = Settings { system: format!("Be {}", canary(n + 2)), ..Settings::default() };
        let question = Message {
            attachments: vec![Attachment { name: format!("{}.txt", canary(n + 3)), text: canary(n + 4) }],
            ..say("a", None, &format!("My word is {} today.", canary(n + 5)))
        };
        let answer = Message {
            thought: format!("They said {}", canary(n + 6)),
            error: Some(Trouble { message: canary(n + 7), advice: None }),
            ..say("b", Some("a"), &"an answer ".repeat(n))
        };
        chats.put(&one, &[question, answer]).unwrap();
        chats.set_private_folder(&canary(n + 1), true).unwrap();
    }
}

/// The forms in which a text may lie in a file.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let mut forms =
        vec![text.into(), text.to_uppercase().into(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
    // Where it begins within three bytes makes three texts of base64, of which the middle is always the same.
    forms.extend((0..3).map(|skip| base64(&text.as_bytes()[skip..]).into_bytes()));
    forms.push(text.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    forms
}

/// Whole groups of base64.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
    });
    groups.collect()
}

/// The canaries that are in files of a folder, by name or content.
fn found(folder: &Path) -> BTreeSet<usize> {
    let files = files(folder);
    let all: Vec<u8> = files
        .iter()
        .flat_map(|(path, bytes)| [path.to_string_lossy().as_bytes(), &[0], bytes, &[0]].concat())
        .collect();
    // Each window of four bytes is looked up once, as two hundred searches of megabytes take long.
    let mut starts: std::collections::HashMap<[u8; 4], Vec<(usize, Vec<u8>)>> =
        std::collections::HashMap::new();
    for n in 0..COUNT {
        for form in forms(&canary(n)) {
            starts.entry(form[..4].try_into().unwrap()).or_default().push((n, form));
        }
    }
    let mut found = BTreeSet::new();
    for at in 0..all.len().saturating_sub(4) {
        let Some(forms) = starts.get(&all[at..at + 4]) else { continue };
        found.extend(forms.iter().filter(|(_, form)| all[at..].starts_with(form)).map(|(n, _)| *n));
    }
    found
}

/// Everything that a day brings, with the files looked at while they are in use as well.
fn live(bench: &Bench, open: impl Fn() -> Chats) -> BTreeSet<usize> {
    let folder = bench.dir.path();
    let chats = open();
    write(&chats);
    let mut seen = found(folder);
    for n in (0..COUNT).step_by(PLACES) {
        assert_eq!(chats.search(&canary(n + 5), 10).unwrap().len(), 1, "it can be found");
        assert!(!chats.search(&canary(n + 5)[4..9], 1000).unwrap().is_empty());
    }
    assert!(chats.search("qz", 1000).unwrap().len() >= COUNT / PLACES, "short words are looked for in all");
    chats.export(None, hob_chats::Format::Markdown, &mut std::io::sink()).unwrap();
    chats.verify().unwrap();
    // Closed as after a kill: what was in the journal stays there.
    std::mem::forget(chats);
    seen.extend(found(folder));
    let chats = open();
    chats.delete(&crate::id("c0")).unwrap();
    chats.verify().unwrap();
    drop(chats);
    seen.extend(found(folder));
    seen
}

#[test]
fn no_canary_lies_open_in_any_file_when_it_is_encrypted() {
    let bench = Bench::new();
    bench.chats.encrypt(&key(), in_file()).unwrap();
    assert_eq!(live(&bench, || unlocked(bench.dir.path())), BTreeSet::new());
}

#[test]
fn no_canary_stays_when_what_lay_open_is_encrypted() {
    let bench = Bench::new();
    write(&bench.chats);
    assert_eq!(found(bench.dir.path()).len(), COUNT);
    bench.chats.encrypt(&key(), in_file()).unwrap();
    assert_eq!(found(bench.dir.path()), BTreeSet::new());
    bench.chats.decrypt().unwrap();
    drop(bench.again());
    assert_eq!(found(bench.dir.path()).len(), COUNT);
}

#[test]
fn all_canaries_are_found_when_nothing_is_encrypted() {
    let bench = Bench::new();
    let open = live(&bench, || bench.again());
    assert_eq!(open.len(), COUNT);
}

#[test]
fn the_forms_that_are_looked_for_are_those_of_texts() {
    let whole = base64(b"abcdefghi");
    assert_eq!(whole, "YWJjZGVmZ2hp");
    assert!(base64(b"xxabcdefghiy").contains(&base64(b"bcdefghi")[..8]));
    let distinct: BTreeSet<String> = (0..COUNT).map(canary).collect();
    assert_eq!(distinct.len(), COUNT);
}
