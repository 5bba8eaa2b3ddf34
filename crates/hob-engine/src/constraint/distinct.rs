//! `uniqueItems`: the items of an array differ from each other.
//!
//! No grammar can say so, since it depends on what was written before. So the text is followed byte by byte, and a token
//! with which an item would become equal to an earlier one of its array is taken off the mask. Which arrays that concerns is
//! told by the name under which they stand (or that they are items, or the whole): more than the schema asks for where
//! another array has the same name, never less.
//!
//! A token is refused where there still is a choice: at the end of the last string or number in which an item can differ,
//! not at the brace after it. Where the schema leaves too little to differ by (numbers in an object that have few values) the
//! answer can get to a place where nothing fits, and ends with an error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use toktrie::TokEnv;

use crate::sampling::TokenMask;

/// Values that are spelled in one way.
const WORDS: [&str; 3] = ["true", "false", "null"];

/// Where an array stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// It is the whole text.
    Root,
    /// It is an item of another array.
    Item,
    /// It is the value of the property of this name.
    Named(String),
    /// It is the value of a property of any name.
    AnyName,
}

/// The places of arrays with distinct items; with the texts of all possible items where they can be listed.
pub(super) type Places = BTreeMap<Place, Option<BTreeSet<String>>>;

/// The tokens of a vocabulary that can matter here.
pub(super) struct Spelling {
    vocabulary: TokEnv,
    /// Tokens that can end an item, or begin one that has one end.
    ending: Vec<u32>,
    /// Tokens that can open an array and fill it.
    filling: Vec<u32>,
    /// Tokens of one byte with which many a string and number goes on.
    common: Vec<u32>,
}

/// Follows a JSON text, to say which tokens would repeat an item.
#[derive(Clone)]
pub(super) struct Distinct {
    places: Arc<Places>,
    spelling: Arc<Spelling>,
    /// The tokens taken in.
    ids: Vec<u32>,
    /// The text without white space between its parts.
    text: Vec<u8>,
    open: Vec<Open>,
    inside: Inside,
}

/// An array or object that is not closed yet.
#[derive(Clone)]
enum Open {
    Array {
        /// The items so far, where they have to differ.
        items: Option<Arc<Items>>,
        /// Where the item begins that is being written.
        item: usize,
    },
    Object {
        /// The name of the property that is being written, once it is known.
        name: Option<String>,
    },
}

#[derive(Clone, Default)]
struct Items {
    /// What items are equal by.
    values: BTreeSet<String>,
    /// As they were written, each with the end of the last string or number in it.
    texts: Vec<(Vec<u8>, usize)>,
    /// Texts of all possible items, if they can be listed.
    all: Option<BTreeSet<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    /// A string that began here.
    String {
        start: usize,
        is_escaped: bool,
    },
    /// A number, `true`, `false` or `null`.
    Word,
}

/// A value that has ended.
#[derive(Clone, Copy)]
enum Ended {
    String,
    /// With the byte after it.
    Number(u8),
    Container,
}

impl Spelling {
    pub fn new(vocabulary: &TokEnv) -> Self {
        let trie = vocabulary.tok_trie();
        let having = |is_wanted: fn(&[u8]) -> bool| {
            (0..trie.vocab_size() as u32).filter(|id| is_wanted(trie.token(*id))).collect()
        };
        let ending = having(|token| {
            let has = |wanted: fn(&u8) -> bool| token.iter().any(wanted);
            let word = token.trim_ascii_start();
            has(|b| matches!(b, b'"' | b',' | b']' | b'}'))
                || has(u8::is_ascii_digit) && has(u8::is_ascii_whitespace)
                || !word.is_empty() && WORDS.iter().any(|known| known.as_bytes().starts_with(word))
        });
        let filling = having(|token| token.contains(&b'[') && token.contains(&b','));
        let common = b"a0.-_/".iter().filter_map(|byte| trie.token_id(&[*byte])).collect();
        Self { vocabulary: vocabulary.clone(), ending, filling, common }
    }

    fn bytes(&self, id: u32) -> &[u8] {
        self.vocabulary.tok_trie().token(id)
    }
}

impl Distinct {
    pub fn new(places: Arc<Places>, spelling: Arc<Spelling>) -> Self {
        let (ids, text, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { places, spelling, ids, text, open, inside: Inside::Nothing }
    }

    /// How the items of an array at `place` are told apart, if they have to differ.
    fn items(&self, place: &Place) -> Option<Arc<Items>> {
        let is_named = matches!(place, Place::Named(_));
        let any = || is_named.then(|| self.places.get(&Place::AnyName)).flatten();
        let all = self.places.get(place).or_else(any)?;
        Some(Arc::new(Items { all: all.clone(), ..Items::default() }))
    }

    /// Takes from `mask` what would repeat an item.
    pub fn narrow(&mut self, mask: &mut TokenMask) {
        let spelling = Arc::clone(&self.spelling);
        let is_listed = self.guarded().any(|items| items.all.is_some());
        let concerned = if self.guarded().next().is_none() {
            Some(&spelling.filling)
        } else {
            // Inside a word and where items are listed few tokens fit: all of them are looked at.
            (self.inside != Inside::Word && !is_listed).then_some(&spelling.ending)
        };
        let concerned: Vec<u32> = match concerned {
            Some(some) => some.iter().copied().filter(|id| mask.is_allowed(*id)).collect(),
            None => mask.iter().collect(),
        };
        for id in concerned {
            if self.repeats(id) {
                mask.forbid(id);
            }
        }
    }

    /// Tokens after which all is written in which an item could differ from an earlier one, but for its end: what they lead to
    /// has to be seen.
    pub fn risky(&self) -> BTreeSet<u32> {
        let trie = self.spelling.vocabulary.tok_trie();
        let mut risky = BTreeSet::new();
        for open in &self.open {
            let Open::Array { items: Some(items), item } = open else { continue };
            let written = &self.text[*item..];
            let beginnings = items.texts.iter().flat_map(|(text, free)| {
                let upto = free.saturating_sub(usize::from(text[..*free].last() == Some(&b'"')));
                // Zero has two forms, and little that can follow.
                let other = [(b"0".as_slice(), b"-0".as_slice()), (b"-0", b"0")]
                    .map(|(one, other)| (text == one).then_some(other));
                [Some(&text[..upto]), other[0], other[1]]
            });
            for beginning in beginnings.flatten() {
                if let Some(rest) = beginning.strip_prefix(written).filter(|rest| !rest.is_empty()) {
                    risky.extend(trie.token_id(rest));
                }
            }
        }
        risky
    }

    /// Tokens of which one usually fits after a beginning that may go on.
    pub fn common(&self) -> &[u32] {
        &self.spelling.common
    }

    /// Whether an item would be repeated if the token `id` came next.
    pub fn repeats(&mut self, id: u32) -> bool {
        // Bytes are only ever added to the text.
        let (length, open, inside) = (self.text.len(), self.open.clone(), self.inside);
        let spelling = Arc::clone(&self.spelling);
        let repeats = !self.follow(spelling.bytes(id));
        self.text.truncate(length);
        (self.open, self.inside) = (open, inside);
        repeats
    }

    /// Takes the next token in; `false` if an item repeats an earlier one, and nothing more is to be asked then.
    pub fn take(&mut self, id: u32) -> bool {
        self.ids.push(id);
        let spelling = Arc::clone(&self.spelling);
        self.follow(spelling.bytes(id))
    }

    /// Takes back the last `count` tokens.
    pub fn rollback(&mut self, count: usize) {
        let ids = std::mem::take(&mut self.ids);
        *self = Self::new(Arc::clone(&self.places), Arc::clone(&self.spelling));
        for id in &ids[..ids.len().saturating_sub(count)] {
            self.take(*id);
        }
    }

    /// Goes on by these bytes; `false` if an item repeats an earlier one, or can only do so.
    fn follow(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.step(*byte)) && !self.has_no_way_out()
    }

    fn guarded(&self) -> impl Iterator<Item = &Items> {
        self.open.iter().filter_map(|open| match open {
            Open::Array { items, .. } => items.as_deref().filter(|i| !i.texts.is_empty() || i.all.is_some()),
            Open::Object { .. } => None,
        })
    }

    /// Whether what is written of an item leads to items alone that are there already.
    fn has_no_way_out(&self) -> bool {
        self.open.iter().any(|open| {
            let Open::Array { items: Some(items), item } = open else { return false };
            let Some(all) = &items.all else { return false };
            let written = &self.text[*item..];
            let mut reached = all.iter().filter(|text| text.as_bytes().starts_with(written)).peekable();
            !written.is_empty()
                && reached.peek().is_some()
                && reached.all(|text| items.texts.iter().any(|(there, _)| there == text.as_bytes()))
        })
    }

    fn step(&mut self, byte: u8) -> bool {
        match &mut self.inside {
            Inside::String { start, is_escaped } => {
                let start = *start;
                let ends = byte == b'"' && !*is_escaped;
                *is_escaped = byte == b'\\' && !*is_escaped;
                self.text.push(byte);
                if !ends {
                    return true;
                }
                self.inside = Inside::Nothing;
                if let Some(Open::Object { name: name @ None }) = self.open.last_mut() {
                    *name = serde_json::from_slice(&self.text[start..]).ok();
                    return true;
                }
                self.leaves_a_way(Ended::String)
            }
            Inside::Word if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.') => {
                self.text.push(byte);
                true
            }
            Inside::Word => {
                self.inside = Inside::Nothing;
                // Only a number could have gone on otherwise.
                let is_number = self.text.last().is_some_and(u8::is_ascii_digit);
                (!is_number || self.leaves_a_way(Ended::Number(byte))) && self.step(byte)
            }
            Inside::Nothing if byte.is_ascii_whitespace() => true,
            Inside::Nothing => self.structure(byte),
        }
    }

    fn structure(&mut self, byte: u8) -> bool {
        match byte {
            b',' | b']' | b'}' => {
                // The end of an item of the innermost array, if that is what is open.
                let fits = byte == b'}' || self.end_item(byte);
                if byte == b',' {
                    self.text.push(byte);
                    match self.open.last_mut() {
                        Some(Open::Array { item, .. }) => *item = self.text.len(),
                        Some(Open::Object { name }) => *name = None,
                        None => {}
                    }
                    return fits;
                }
                self.open.pop();
                self.text.push(byte);
                fits && self.leaves_a_way(Ended::Container)
            }
            b'[' => {
                let place = match self.open.last() {
                    None => Place::Root,
                    Some(Open::Array { .. }) => Place::Item,
                    Some(Open::Object { name }) => Place::Named(name.clone().unwrap_or_default()),
                };
                let items = self.items(&place);
                self.text.push(byte);
                self.open.push(Open::Array { items, item: self.text.len() });
                true
            }
            b'{' => {
                self.text.push(byte);
                self.open.push(Open::Object { name: None });
                true
            }
            b'"' => {
                self.inside = Inside::String { start: self.text.len(), is_escaped: false };
                self.text.push(byte);
                true
            }
            b':' => {
                self.text.push(byte);
                true
            }
            _ => {
                self.inside = Inside::Word;
                self.text.push(byte);
                !self.is_repeated_word(byte)
            }
        }
    }

    /// Whether the word that begins with this letter is an item already: it ends in one way only.
    fn is_repeated_word(&self, first: u8) -> bool {
        let Some(Open::Array { items: Some(items), .. }) = self.open.last() else { return false };
        let word = WORDS.into_iter().find(|word| word.as_bytes()[0] == first);
        word.is_some_and(|word| items.values.contains(word))
    }

    /// Whether the value that ends here leaves every open item different from the earlier ones, or able to differ.
    fn leaves_a_way(&self, ended: Ended) -> bool {
        let innermost = self.open.len().saturating_sub(1);
        self.open.iter().enumerate().all(|(depth, open)| {
            let Open::Array { items: Some(items), item } = open else { return true };
            let written = &self.text[*item..];
            let runs_out = |(text, free): &(Vec<u8>, usize)| {
                written.len() == *free
                    && text.starts_with(written)
                    && match ended {
                        // Whatever comes next: that a name follows here is not promised.
                        Ended::String => true,
                        Ended::Number(next) => text.get(*free).is_none_or(|there| *there == next),
                        Ended::Container => false,
                    }
            };
            // At the end of an item itself, equality is by value.
            let is_whole = depth == innermost && items.values.contains(&value_of(written));
            !is_whole && !items.texts.iter().any(runs_out)
        })
    }

    /// Remembers the item that ends with `byte`; `false` if it was there before.
    fn end_item(&mut self, byte: u8) -> bool {
        let Some(Open::Array { items: Some(items), item }) = self.open.last_mut() else { return true };
        let written = &self.text[*item..];
        if written.is_empty() || byte == b'}' {
            return true;
        }
        let items = Arc::make_mut(items);
        items.texts.push((written.to_vec(), last_free(written)));
        items.values.insert(value_of(written))
    }
}

/// What an item is equal by: names in order, numbers by value; the text where a number is too large for that.
fn value_of(text: &[u8]) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            // The sum turns -0 into 0.
            Value::Number(n) => {
                out.push_str(&n.as_f64().map_or_else(|| n.to_string(), |n| (n + 0.0).to_string()))
            }
            Value::Array(items) => {
                out.push('[');
                items.iter().for_each(|item| {
                    write(item, out);
                    out.push(',');
                });
                out.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                out.push('{');
                for (name, value) in members {
                    out.push_str(&Value::String(name.clone()).to_string());
                    write(value, out);
                }
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let Ok(value) = serde_json::from_slice(text) else { return String::from_utf8_lossy(text).into_owned() };
    let mut out = String::new();
    write(&value, &mut out);
    out
}

/// The end of the last string or number that is a value in this text.
fn last_free(text: &[u8]) -> usize {
    let (mut last, mut in_string, mut is_escaped) = (0, false, false);
    for (i, byte) in text.iter().enumerate() {
        if in_string {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            in_string = !ends;
            // A name is followed by a colon.
            if ends && text.get(i + 1) != Some(&b':') {
                last = i + 1;
            }
        } else if *byte == b'"' {
            in_string = true;
        } else if byte.is_ascii_digit() {
            last = i + 1;
        }
    }
    last
}
