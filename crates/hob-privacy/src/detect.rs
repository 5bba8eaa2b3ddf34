//! Everything that is found in a text, settled.

use crate::finding::settle;
use crate::tagger::{Token, tokens};
use crate::words::is_common;
use crate::{Finding, Label, Sure, Tagger, rules};
use regex::Regex;
use std::collections::HashMap;

/// A user's own words: names of projects, of customers, whatever a rule cannot know.
#[derive(Clone, Debug, Default)]
pub struct Terms(Option<Regex>);

/// Words that cannot be looked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the words of your own cannot be looked for ({0}); fewer or shorter ones can")]
pub struct NoTerms(String);

impl Terms {
    /// Whole words, in any case; empty ones are left out.
    ///
    /// # Errors
    /// [`NoTerms`] when there are too many of them: leaving them out in silence would let through what they name.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, NoTerms> {
        let words: Vec<String> =
            words.into_iter().map(str::trim).filter(|w| !w.is_empty()).map(regex::escape).collect();
        if words.is_empty() {
            return Ok(Self(None));
        }
        // `\b` beside a character that is no part of a word would never match.
        let pattern = format!(r"(?i)(?:^|[^\w])({})(?:[^\w]|$)", words.join("|"));
        Regex::new(&pattern).map(|pattern| Self(Some(pattern))).map_err(|e| NoTerms(e.to_string()))
    }

    fn find(&self, text: &str, found: &mut Vec<Finding>) {
        let mut from = 0;
        while let Some(place) = self.0.as_ref().and_then(|words| words.captures_at(text, from)?.get(1)) {
            found.push(Finding {
                range: place.range(),
                label: Label::Custom,
                sure: Sure::Certain,
                by: "your list",
            });
            from = place.end();
        }
    }
}

/// Letters of a name that is looked for again, at least: shorter ones are words too often.
const NAME_LETTERS: usize = 4;

/// Other places of the names that were found: a person named once with both names is `Miller` later.
fn named_again(text: &str, found: &[Finding]) -> Vec<Finding> {
    let mut names: HashMap<&str, Label> = HashMap::new();
    for finding in found {
        let name = &text[finding.range.clone()];
        let parts: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        // Words of a company's name are words of others too.
        let says =
            finding.label == Label::Person || (finding.label == Label::Organisation && parts.len() == 1);
        let is_name =
            |part: &&&str| part.chars().count() >= NAME_LETTERS && part.starts_with(char::is_uppercase);
        parts.iter().filter(is_name).filter(|_| says).for_each(|part| {
            names.insert(part, finding.label);
        });
    }
    let again = |token: Token| {
        let label = *names.get(&text[token.range.clone()])?;
        Some(Finding { range: token.range, label, sure: Sure::Weak, by: "named before" })
    };
    if names.is_empty() { Vec::new() } else { tokens(text).into_iter().filter_map(again).collect() }
}

/// How far a [`Detector`] goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// What is known to say something of people.
    #[default]
    Known,
    /// Also every word that is not common and every number: what nobody has thought of stays here too.
    Unknown,
}

/// Words that are not common, words with a capital inside of a sentence, and numbers.
fn unknown(text: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut begins = true;
    for token in tokens(text) {
        let word = &text[token.range.clone()];
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_word = word.chars().any(char::is_alphabetic);
        let lower = word.to_lowercase();
        let capital = word.chars().next().is_some_and(char::is_uppercase) && word != "I" && !begins;
        let label = match () {
            () if is_word && (digits > 0 || capital || !is_common(&lower)) && lower.chars().count() > 1 => {
                Some(Label::Term)
            }
            () if !is_word && digits > 0 => Some(Label::Number),
            () => None,
        };
        begins = !is_word
            && digits == 0
            && (begins || matches!(word, "." | "!" | "?" | ":" | "\n" | "\"" | ">" | "-"));
        found.extend(label.map(|label| Finding {
            range: token.range.clone(),
            label,
            sure: Sure::Weak,
            by: "not common",
        }));
    }
    found
}

/// Finds what a text gives away.
#[derive(Clone)]
pub struct Detector {
    terms: Terms,
    tagger: Option<Tagger>,
    reach: Reach,
}

impl Detector {
    /// Everything that is built in, and `terms`.
    pub fn new(terms: Terms) -> Self {
        Self { terms, tagger: Some(Tagger::built_in()), reach: Reach::Known }
    }

    /// Rules alone, and `terms`.
    pub fn rules(terms: Terms) -> Self {
        Self { terms, tagger: None, reach: Reach::Known }
    }

    /// The same with another tagger.
    pub fn with_tagger(self, tagger: Tagger) -> Self {
        Self { tagger: Some(tagger), ..self }
    }

    /// The same, going so far.
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Everything that is found, in the order of the text; no two overlap.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut found = self.raw(text);
        let rules = settle(found.clone());
        if let Some(tagger) = &self.tagger {
            found.extend(tagger.find(text, &rules));
        }
        let mut found = settle(found);
        let again = named_again(text, &found);
        found.extend(again);
        if self.reach == Reach::Unknown {
            found.extend(unknown(text));
        }
        settle(found)
    }

    fn raw(&self, text: &str) -> Vec<Finding> {
        let mut found = rules::find(text);
        self.terms.find(text, &mut found);
        found
    }
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
