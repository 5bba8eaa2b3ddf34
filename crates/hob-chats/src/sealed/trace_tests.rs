//! What was deleted is in no page and in no frame, for whoever has the key.

use super::cipher::{FRAME, FramePage, HEADER, Keys, PAGE};
use super::key::Secret;
use super::leftovers::with_journal;
use super::state::Wrapping;
use crate::{Chat, Chats, Id, Message, Role, Settings, State};
use std::path::Path;

const CANARY: &str = "Zebrafinch-5521";

fn id(text: &str) -> Id {
    Id::parse(&format!("{text:0>8}")).unwrap()
}

fn chat(name: &str, title: &str) -> Chat {
    Chat {
        id: id(name),
        title: title.into(),
        is_named: true,
        is_private: false,
        folder: Some(title.into()),
        created: 1,
        updated: 1,
        leaf: None,
        settings: Settings { system: title.into(), ..Settings::default() },
    }
}

fn say(name: &str, parent: Option<&str>, text: String) -> Message {
    Message {
        id: id(name),
        parent: parent.map(id),
        role: Role::User,
        thought: text.clone(),
        text,
        attachments: Vec::new(),
        created: 0,
        state: State::Done,
        error: None,
        model: None,
        finish: None,
        stats: None,
        thought_ms: None,
        calls: Vec::new(),
    }
}

/// All pages of the database and of its journal, opened; each has to open.
fn opened(chats: &Chats) -> Vec<u8> {
    let vault = chats.pool().vault().unwrap();
    let keys = Keys::new(&vault.key, vault.id);
    let path = chats.path();
    let mut text = Vec::new();
    for (number, page) in std::fs::read(&path).unwrap().chunks(PAGE).enumerate() {
        let mut page: [u8; PAGE] = page.try_into().unwrap();
        keys.open_page(number as u64, &mut page).unwrap();
        text.extend(page);
    }
    let journal = with_journal(&path).nth(1).unwrap();
    let journal = std::fs::read(journal).unwrap_or_default();
    for (number, frame) in journal.get(32..).unwrap_or_default().chunks(FRAME).enumerate() {
        let (header, page) = frame.split_at(HEADER);
        let mut page: [u8; PAGE] = page.try_into().unwrap();
        let what = FramePage {
            frame: number as u64,
            page: header[..4].try_into().unwrap(),
            salts: journal[16..24].try_into().unwrap(),
        };
        keys.open_frame(&what, &mut page).unwrap();
        text.extend(page);
    }
    text
}

/// Places that hold a part of the canary: the index of texts cuts words into pieces of three letters.
fn found(bytes: &[u8]) -> usize {
    [CANARY, &CANARY.to_lowercase(), "55212", "h-5521"]
        .iter()
        .map(|part| bytes.windows(part.len()).filter(|window| *window == part.as_bytes()).count())
        .sum()
}

fn begin(folder: &Path) -> Chats {
    let chats = Chats::in_data(folder);
    chats.encrypt(&Secret::new_key().unwrap(), Wrapping::File { path: "key".into() }).unwrap();
    for n in 0..30 {
        let messages = [say("a", None, format!("something else {n} ").repeat(60))];
        chats.put(&chat(&format!("c{n}"), "other"), &messages).unwrap();
    }
    let long = format!("{CANARY}2 ").repeat(900);
    let messages = [say("a", None, CANARY.into()), say("b", Some("a"), long)];
    chats.put(&chat("gone", &format!("About {CANARY}")), &messages).unwrap();
    chats
}

#[test]
fn a_deleted_conversation_leaves_no_trace_in_any_page() {
    let folder = tempfile::tempdir().unwrap();
    let chats = begin(folder.path());
    assert!(found(&opened(&chats)) > 1000, "the test can find it");
    chats.delete(&id("gone")).unwrap();
    assert_eq!(found(&opened(&chats)), 0);
    assert!(chats.search("Zebrafinch", 10).unwrap().is_empty());
    assert_eq!(chats.search("something else", 1000).unwrap().len(), 30);
}

#[test]
fn a_deleted_message_leaves_no_trace_in_any_page() {
    let folder = tempfile::tempdir().unwrap();
    let chats = begin(folder.path());
    chats.delete_message(&id("gone"), &id("a")).unwrap();
    chats.put(&chat("gone", "Another title"), &[]).unwrap();
    // What the journal holds of before is only in pages that are written over by what is put into the file.
    chats.delete(&id("gone")).unwrap();
    assert_eq!(found(&opened(&chats)), 0);
    assert!(chats.search("Zebrafinch", 10).unwrap().is_empty());
}

/// Whoever copied the file before, and learns the key of now, reads nothing in the copy.
#[test]
fn another_key_makes_old_copies_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let chats = begin(folder.path());
    let copy = std::fs::read(chats.path()).unwrap();
    chats.delete(&id("gone")).unwrap();
    chats.rekey(&Secret::new_key().unwrap(), Wrapping::File { path: "key".into() }).unwrap();
    let vault = chats.pool().vault().unwrap();
    let keys = Keys::new(&vault.key, vault.id);
    for (number, page) in copy.chunks(PAGE).enumerate() {
        let mut page: [u8; PAGE] = page.try_into().unwrap();
        assert!(keys.open_page(number as u64, &mut page).is_err());
    }
    assert_eq!(found(&opened(&chats)), 0);
}
