//! What a person said about values of the kinds for which the policy says `ask`, where nobody can be asked on a terminal.
//!
//! A plan lists the values, each with an id; answers come back by these ids. An id is made of the target, the kind and the
//! value itself, so that what was said of one holds for no other value, and for nobody else: a text that says something new is
//! asked about again.

use hob_egress::Hash;
use hob_privacy::{Answer, Label};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is said about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// A placeholder goes in its place.
    Hide,
    /// It goes as it is.
    Show,
    /// Nothing is sent as long as it is in the question.
    Refuse,
}

impl Say {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::Show => "show",
            Self::Refuse => "refuse",
        }
    }

    /// What a word says.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hide, Self::Show, Self::Refuse].into_iter().find(|say| say.name() == word)
    }
}

/// A value that is asked about.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// By which it is answered.
    pub id: String,
    /// Its kind.
    pub label: Label,
    /// The value.
    pub value: String,
    /// What was said, if anything was.
    pub said: Option<Say>,
}

impl fmt::Debug for Asked {
    /// Says what kind it is, never which value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("label", &self.label).field("said", &self.said).finish_non_exhaustive()
    }
}

/// What was said about values, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent(BTreeMap<String, Say>);

impl FromIterator<(String, Say)> for Consent {
    fn from_iter<T: IntoIterator<Item = (String, Say)>>(said: T) -> Self {
        Self(said.into_iter().collect())
    }
}

impl Consent {
    /// The id of a value that may be sent to a target: SHA-256 of all three, with a zero byte after the first two.
    fn id(target: &str, label: Label, value: &str) -> String {
        Hash::of(format!("{target}\0{label}\0{value}").as_bytes()).to_string()
    }

    /// Answers for the values of a kind, and notes each of them. What nobody answered is taken as hidden, so that the rest
    /// can be looked at; it must not be sent like that.
    pub(crate) fn hear(
        &self,
        target: &str,
        label: Label,
        values: &BTreeSet<&str>,
        asked: &mut Vec<Asked>,
    ) -> Answer {
        let mut shows = BTreeSet::new();
        let mut is_refused = false;
        for &value in values {
            let id = Self::id(target, label, value);
            let said = self.0.get(&id).copied();
            match said {
                Some(Say::Show) => _ = shows.insert(value.to_owned()),
                Some(Say::Refuse) => is_refused = true,
                Some(Say::Hide) | None => {}
            }
            asked.push(Asked { id, label, value: value.to_owned(), said });
        }
        if is_refused { Answer::Refuse } else { Answer::ShowOnly(shows) }
    }
}
