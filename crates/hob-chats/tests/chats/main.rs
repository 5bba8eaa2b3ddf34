//! Conversations in real files: what is kept, what is refused, and what outlives a kill.

#![allow(
    missing_docs,
    clippy::new_without_default,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod canaries;
mod damage;
mod exchange;
mod keep;
mod kill;
mod leftovers;
mod model;
mod private;
mod rules;
mod sealed;
mod search;

use hob_chats::{Chat, Chats, Id, Message, Role, Settings, State};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Conversations in a folder of their own.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub chats: Chats,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chats = Chats::in_data(dir.path());
        Self { dir, chats }
    }

    /// The same file, as another program opens it.
    pub fn again(&self) -> Chats {
        Chats::in_data(self.dir.path())
    }

    pub fn file(&self) -> PathBuf {
        self.chats.path()
    }
}

pub fn id(text: &str) -> Id {
    Id::parse(&format!("{text:0>8}")).unwrap()
}

pub fn chat(name: &str, leaf: Option<&str>) -> Chat {
    Chat {
        id: id(name),
        title: format!("Chat {name}"),
        is_named: false,
        is_private: false,
        folder: None,
        created: 1,
        updated: 1,
        leaf: leaf.map(id),
        settings: Settings::default(),
    }
}

pub fn say(name: &str, parent: Option<&str>, text: &str) -> Message {
    Message {
        id: id(name),
        parent: parent.map(id),
        role: Role::User,
        text: text.into(),
        thought: String::new(),
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

/// All messages of a conversation.
pub fn all(chats: &Chats, chat: &Id) -> Vec<Message> {
    let (mut messages, mut after) = (Vec::new(), None);
    loop {
        let page = chats.messages(chat, after, 1000).unwrap();
        messages.extend(page.messages);
        after = page.next;
        if after.is_none() {
            return messages;
        }
    }
}

/// Every file below a folder with its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            found.insert(path, Vec::new());
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}
