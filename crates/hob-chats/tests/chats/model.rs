//! The same changes made to the file and to a plain model in memory leave the same conversation.

use crate::{Bench, all, chat, id, say};
use hob_chats::{Error, Message};
use proptest::prelude::*;

/// A change of one conversation; numbers are taken modulo what is there.
#[derive(Clone, Debug)]
enum Change {
    /// A message below another, or at the root.
    Add { parent: Option<usize>, text: String },
    /// Another text for a message.
    Rewrite { at: usize, text: String },
    /// A message and all below it go.
    Remove { at: usize },
    /// Another branch is shown.
    Show { at: usize },
    /// A message below one that never was.
    Stray,
}

fn change() -> impl Strategy<Value = Change> {
    let text = "[a-zé漢 ]{0,12}";
    prop_oneof![
        5 => (proptest::option::weighted(0.9, any::<usize>()), text).prop_map(|(parent, text)| Change::Add { parent, text }),
        2 => (any::<usize>(), text).prop_map(|(at, text)| Change::Rewrite { at, text }),
        1 => any::<usize>().prop_map(|at| Change::Remove { at }),
        1 => any::<usize>().prop_map(|at| Change::Show { at }),
        1 => Just(Change::Stray),
    ]
}

/// A conversation as a list of messages.
#[derive(Default)]
struct Plain {
    messages: Vec<Message>,
    leaf: Option<hob_chats::Id>,
    made: i64,
}

impl Plain {
    fn pick(&self, at: usize) -> Option<Message> {
        (!self.messages.is_empty()).then(|| self.messages[at % self.messages.len()].clone())
    }

    fn is_below(&self, message: &Message, top: &Message) -> bool {
        let mut at = Some(message.clone());
        while let Some(now) = at {
            if now.id == top.id {
                return true;
            }
            at = now.parent.and_then(|parent| self.messages.iter().find(|m| m.id == parent).cloned());
        }
        false
    }

    fn remove(&mut self, top: &Message) {
        let (gone, left): (Vec<_>, Vec<_>) =
            self.messages.clone().into_iter().partition(|m| self.is_below(m, top));
        self.messages = left;
        if gone.iter().any(|m| Some(&m.id) == self.leaf.as_ref()) {
            self.leaf = top.parent.clone();
            while let Some(child) =
                self.messages.iter().filter(|m| m.parent == self.leaf).max_by_key(|m| m.created)
            {
                self.leaf = Some(child.id.clone());
            }
        }
    }

    fn branch(&self) -> Vec<Message> {
        let mut branch: Vec<Message> = Vec::new();
        let mut at = self.leaf.clone();
        while let Some(message) = at.and_then(|id| self.messages.iter().find(|m| m.id == id).cloned()) {
            at = message.parent.clone();
            branch.insert(0, message);
        }
        branch
    }
}

/// Makes a change in both.
fn make(bench: &Bench, plain: &mut Plain, change: &Change) {
    let chats = &bench.chats;
    match change {
        Change::Add { parent, text } => {
            let parent = parent.and_then(|at| plain.pick(at)).map(|m| m.id);
            plain.made += 1;
            let message =
                Message { parent, created: plain.made, ..say(&format!("m{}", plain.made), None, text) };
            plain.leaf = Some(message.id.clone());
            let mut chat = chat("one", None);
            chat.leaf = plain.leaf.clone();
            chats.put(&chat, std::slice::from_ref(&message)).unwrap();
            plain.messages.push(message);
        }
        Change::Rewrite { at, text } => {
            let Some(message) = plain.pick(*at) else { return };
            let message = Message { text: text.clone(), ..message };
            chats.put_messages(&id("one"), std::slice::from_ref(&message)).unwrap();
            let place = plain.messages.iter().position(|m| m.id == message.id).unwrap();
            plain.messages[place] = message;
        }
        Change::Remove { at } => {
            let Some(message) = plain.pick(*at) else { return };
            let before = plain.messages.len();
            plain.remove(&message);
            let count = chats.delete_message(&id("one"), &message.id).unwrap();
            assert_eq!(count, before - plain.messages.len());
        }
        Change::Show { at } => {
            let Some(message) = plain.pick(*at) else { return };
            plain.leaf = Some(message.id.clone());
            let mut chat = chat("one", None);
            chat.leaf = plain.leaf.clone();
            chats.put(&chat, &[]).unwrap();
        }
        Change::Stray => {
            let stray = chats.put(&chat("one", None), &[say("stray", Some("never"), "")]);
            assert!(matches!(stray, Err(Error::NoParent { .. })));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_file_does_what_a_plain_model_does(changes in proptest::collection::vec(change(), 1..40)) {
        let bench = Bench::new();
        bench.chats.put(&chat("one", None), &[]).unwrap();
        let mut plain = Plain::default();
        for change in &changes {
            make(&bench, &mut plain, change);
        }
        let one = id("one");
        prop_assert_eq!(all(&bench.chats, &one), plain.messages.clone());
        prop_assert_eq!(bench.chats.get(&one).unwrap().chat.leaf, plain.leaf.clone());
        prop_assert_eq!(bench.again().branch(&one).unwrap(), plain.branch());
        for word in ["a", "éa", "漢字", "abc"] {
            let hits = bench.chats.search(word, 1000).unwrap().len();
            prop_assert_eq!(hits, plain.messages.iter().filter(|m| m.text.contains(word)).count());
        }
        bench.chats.verify().unwrap();
    }
}
