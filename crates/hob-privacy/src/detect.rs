//! Everything that is found in a text, settled.

use crate::finding::settle;
use crate::{Finding, Label, Sure, rules};
use regex::Regex;

/// A user's own words: names of projects, of customers, whatever a rule cannot know.
#[derive(Clone, Debug, Default)]
pub struct Terms(Option<Regex>);

impl Terms {
    /// Whole words, in any case; empty ones are left out.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<String> =
            words.into_iter().map(str::trim).filter(|w| !w.is_empty()).map(|w| regex::escape(w)).collect();
        if words.is_empty() {
            return Self(None);
        }
        // `\b` beside a character that is no part of a word would never match.
        let pattern = format!(r"(?i)(?:^|[^\w])({})(?:[^\w]|$)", words.join("|"));
        Self(Regex::new(&pattern).ok())
    }

    fn find(&self, text: &str, found: &mut Vec<Finding>) {
        let mut from = 0;
        while let Some(place) = self.0.as_ref().and_then(|words| words.captures_at(text, from)?.get(1)) {
            found.push(Finding { range: place.range(), label: Label::Custom, sure: Sure::Certain, by: "your list" });
            from = place.end();
        }
    }
}

/// Finds what a text gives away.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    terms: Terms,
}

impl Detector {
    /// One that also knows `terms`.
    pub fn new(terms: Terms) -> Self {
        Self { terms }
    }

    /// What rules and the user's list find, in the order of the text; no two overlap.
    pub fn by_rules(&self, text: &str) -> Vec<Finding> {
        settle(self.raw(text))
    }

    fn raw(&self, text: &str) -> Vec<Finding> {
        let mut found = rules::find(text);
        self.terms.find(text, &mut found);
        found
    }
}
