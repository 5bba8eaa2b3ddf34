//! Text that may leave: a draft is looked through, what is private is hidden, shown or refused as the user's rules say, and what
//! comes out is the one type that the gate takes.
//!
//! [`Cleared`] has no other way to be made than [`clear`]. A [`Draft`] is built of constants of a protocol, names of models,
//! numbers, names that programs use of tools and fields, and words: only words may hold what somebody wrote, and every one of them is
//! looked through. Names go as they are, or nothing goes.

use crate::draft::{Draft, Part, Piece, marks};
use crate::words::is_common;
use crate::{Detector, Finding, Label, Sure, Vault};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Letters of a hidden value that is looked for elsewhere, at least: shorter ones are parts of anything.
const AGAIN_CHARS: usize = 4;

/// What happens to something private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A placeholder goes in its place.
    #[default]
    Redact,
    /// It goes as it is.
    Allow,
    /// The user is asked.
    Ask,
    /// Nothing is sent.
    Block,
}

/// What happens to each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Kinds that are not named.
    #[serde(default)]
    pub otherwise: Mode,
    /// Kinds by name.
    #[serde(default, rename = "labels")]
    pub by_label: BTreeMap<Label, Mode>,
}

impl Rules {
    /// What happens to `label`.
    pub fn mode(&self, label: Label) -> Mode {
        self.by_label.get(&label).copied().unwrap_or(self.otherwise)
    }
}

/// What the user says when asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// A placeholder goes.
    Hide,
    /// It goes as it is.
    Show,
    /// These values go as they are, and placeholders in place of the others. One that is a part of another that is hidden, or
    /// the same in other capitals, is hidden with it.
    ShowOnly(BTreeSet<String>),
    /// Nothing is sent.
    Refuse,
}

impl fmt::Debug for Answer {
    /// Says how many values, never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hide => f.write_str("Hide"),
            Self::Show => f.write_str("Show"),
            Self::ShowOnly(values) => write!(f, "ShowOnly({})", values.len()),
            Self::Refuse => f.write_str("Refuse"),
        }
    }
}

/// Why nothing may leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The conversation is marked as private.
    #[error("this is marked as private: it never leaves this machine, whatever else is set")]
    Private,
    /// Something that the rules block.
    #[error("{count} of kind {label} found, which the rules block; nothing was sent")]
    Blocked {
        /// The kind.
        label: Label,
        /// How many values.
        count: usize,
    },
    /// The user refused, or nobody could be asked.
    #[error("{count} of kind {label} found, and nobody allowed them to leave; nothing was sent")]
    NotAllowed {
        /// The kind.
        label: Label,
        /// How many values.
        count: usize,
    },
    /// A name of a model with characters that none has.
    #[error("expected the name of a model (letters, digits and . _ : / @ + -), found something else")]
    Name,
    /// The name of a tool or of a field says something private. It cannot be hidden: whoever answers would use another name.
    #[error(
        "the name {name:?} of a tool or field holds something of kind {label}; give it another name; nothing was sent"
    )]
    Identifier {
        /// The name.
        name: String,
        /// The kind.
        label: Label,
    },
    /// Words with signs of which marks are made.
    #[error("the text has signs (⟦ or ⟧) by which places in it would be marked; nothing was sent")]
    Marks,
    /// The search for private things could not be made.
    #[error("the text could not be looked through ({found}); nothing was sent")]
    Unsearched {
        /// Why.
        found: String,
    },
}

/// A body that may leave, to the byte.
pub struct Cleared {
    body: String,
    /// Places of placeholders, and what would stand there, as JSON writes it.
    hides: Vec<(Range<usize>, String)>,
    /// Where lines of words end.
    breaks: Vec<usize>,
    hidden: BTreeMap<Label, usize>,
    shown: BTreeMap<Label, usize>,
    marked: Vec<Range<usize>>,
}

/// A line of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes that are sent. Those of all lines together are the whole body.
    pub sent: &'a str,
    /// What the line would be with nothing hidden, where that is something else.
    pub was: Option<String>,
}

impl Cleared {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        self.body.as_bytes()
    }

    /// How many different values of each kind have placeholders.
    pub fn hidden(&self) -> &BTreeMap<Label, usize> {
        &self.hidden
    }

    /// How many different values of each kind were found and go as they are, because the rules or the user want it.
    pub fn shown(&self) -> &BTreeMap<Label, usize> {
        &self.shown
    }

    /// The places with marks in words that were marked, by their numbers from 1 on: those that were wanted, and what is hidden and they
    /// would have cut.
    pub fn marked(&self) -> &[Range<usize>] {
        &self.marked
    }

    /// What is sent, line by line, with what was hidden.
    pub fn preview(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        let (mut from, mut hides) = (0, self.hides.iter().peekable());
        for end in self.breaks.iter().copied().chain([self.body.len()]) {
            let (mut was, mut at) = (String::new(), from);
            while let Some((place, value)) = hides.next_if(|(place, _)| place.end <= end) {
                was.push_str(&self.body[at..place.start]);
                was.push_str(value);
                at = place.end;
            }
            let is_same = at == from;
            was.push_str(&self.body[at..end]);
            if from < end {
                lines.push(Line { sent: &self.body[from..end], was: (!is_same).then_some(was) });
            }
            from = end;
        }
        lines
    }
}

impl fmt::Debug for Cleared {
    /// Says how much it is, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleared")
            .field("bytes", &self.body.len())
            .field("hidden", &self.hidden)
            .finish_non_exhaustive()
    }
}

/// Looks through `draft` and hides what `rules` do not let through; `vault` remembers what placeholders stand for. `ask` hears the
/// kinds that the user wants to be asked about, with their values.
///
/// # Errors
/// [`Refusal`]: nothing may leave then, and `vault` is as it was.
pub fn clear(
    draft: &Draft,
    detector: &Detector,
    rules: &Rules,
    vault: &mut Vault,
    ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
) -> Result<Cleared, Refusal> {
    if draft.is_private {
        return Err(Refusal::Private);
    }
    let words: Vec<&str> = draft.pieces.iter().filter_map(|piece| piece.part.words()).collect();
    let mut found: Vec<Vec<Finding>> = words.iter().map(|text| detector.find(text)).collect();
    let mut values: BTreeMap<Label, BTreeSet<&str>> = BTreeMap::new();
    for (text, finding) in
        words.iter().zip(&found).flat_map(|(text, list)| list.iter().map(move |f| (*text, f)))
    {
        values.entry(finding.label).or_default().insert(&text[finding.range.clone()]);
    }
    let shows = decide(&values, rules, ask)?;
    for (text, list) in words.iter().zip(&mut found) {
        list.retain(|finding| !shows.has(finding.label, &text[finding.range.clone()]));
    }
    let mut next = vault.clone();
    words.iter().for_each(|text| next.mind(text));
    let labels = hidden_values(&words, &found, &next, &shows);
    let names = draft.pieces.iter().filter_map(|piece| piece.part.identifier());
    names.clone().try_for_each(|name| check(name, &labels, detector))?;
    hide_again(&words, &mut found, &labels)?;
    let (hidden, shown) = (hidden(&words, &found), shows.count(&values));
    let (hides, breaks, marked) = (Vec::new(), Vec::new(), Vec::new());
    let mut cleared = Cleared { body: String::new(), hides, breaks, hidden, shown, marked };
    let mut found = found.iter();
    for Piece { part, is_nested } in &draft.pieces {
        let depth = 1 + usize::from(*is_nested);
        match part {
            Part::Plain(text) | Part::Identifier(text) => cleared.body.push_str(&escaped(text, depth - 1)),
            Part::Words(text) => {
                cleared.push(text, found.next().map_or(&[][..], Vec::as_slice), &[], &mut next, depth);
            }
            Part::Marked(text, places) => {
                let found = found.next().map_or(&[][..], Vec::as_slice);
                let places = around(places, found);
                cleared.push(text, found, &places, &mut next, depth);
                cleared.marked.extend(places);
            }
            Part::Figure(text) => match found.next().map_or(&[][..], Vec::as_slice) {
                [] => cleared.body.push_str(text),
                found => cleared.push(text, found, &[], &mut next, depth),
            },
        }
    }
    *vault = next;
    Ok(cleared)
}

/// How many different values of each kind are hidden.
fn hidden(words: &[&str], found: &[Vec<Finding>]) -> BTreeMap<Label, usize> {
    let mut values: BTreeMap<Label, BTreeSet<&str>> = BTreeMap::new();
    for (text, list) in words.iter().zip(found) {
        for finding in list {
            values.entry(finding.label).or_default().insert(&text[finding.range.clone()]);
        }
    }
    values.into_iter().map(|(label, values)| (label, values.len())).collect()
}

/// What goes as it is.
#[derive(Default)]
struct Shows {
    kinds: BTreeSet<Label>,
    values: BTreeMap<Label, BTreeSet<String>>,
}

impl Shows {
    fn has(&self, label: Label, value: &str) -> bool {
        self.kinds.contains(&label) || self.values.get(&label).is_some_and(|values| values.contains(value))
    }

    /// How many values of each kind.
    fn count(&self, values: &BTreeMap<Label, BTreeSet<&str>>) -> BTreeMap<Label, usize> {
        let count = |(label, values): (&Label, &BTreeSet<&str>)| {
            (*label, values.iter().filter(|value| self.has(*label, value)).count())
        };
        values.iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}

/// What goes as it is, by the rules or because the user wants it.
fn decide(
    values: &BTreeMap<Label, BTreeSet<&str>>,
    rules: &Rules,
    ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
) -> Result<Shows, Refusal> {
    let mut shows = Shows::default();
    // First what needs nobody, so that nobody is asked in vain.
    for (label, found) in values {
        match rules.mode(*label) {
            Mode::Block => return Err(Refusal::Blocked { label: *label, count: found.len() }),
            Mode::Allow => _ = shows.kinds.insert(*label),
            Mode::Redact | Mode::Ask => {}
        }
    }
    for (label, found) in values.iter().filter(|(label, _)| rules.mode(**label) == Mode::Ask) {
        match ask(*label, found) {
            Answer::Hide => {}
            Answer::Show => _ = shows.kinds.insert(*label),
            Answer::ShowOnly(values) => _ = shows.values.insert(*label, values),
            Answer::Refuse => return Err(Refusal::NotAllowed { label: *label, count: found.len() }),
        }
    }
    Ok(shows)
}

/// In small letters: what is hidden here, or was earlier in the conversation.
fn hidden_values(
    words: &[&str],
    found: &[Vec<Finding>],
    vault: &Vault,
    shows: &Shows,
) -> BTreeMap<String, Label> {
    let earlier = vault.values().filter(|(label, value)| !shows.has(*label, value));
    let here = words
        .iter()
        .zip(found)
        .flat_map(|(text, list)| list.iter().map(|f| (f.label, &text[f.range.clone()])));
    let values =
        earlier.chain(here).flat_map(|(label, value)| looked_for(label, value).map(move |v| (v, label)));
    values.collect()
}

/// A name of a program's own goes as it is or not at all. It is looked at as it is and as words, for whoever writes
/// `ask_zeus` means Zeus; what is hidden elsewhere may stand in it whole, or as one of its words.
fn check(name: &str, hidden: &BTreeMap<String, Label>, detector: &Detector) -> Result<(), Refusal> {
    let refuse = |label| Err(Refusal::Identifier { name: name.to_owned(), label });
    let (lower, words) = (name.to_lowercase(), words_of(name));
    for text in [name, &words.join(" ")] {
        if let Some(found) = detector.find(text).iter().find(|found| found.sure == Sure::Certain) {
            return refuse(found.label);
        }
    }
    let is_in = |value: &str| {
        lower.match_indices(value).any(|(at, found)| stands_alone(&lower, at..at + found.len()))
            || words.iter().any(|word| word == value)
    };
    match hidden.iter().find(|(value, _)| is_in(value)) {
        Some((_, label)) => refuse(*label),
        None => Ok(()),
    }
}

/// The words of `mail_to_ann` and `mailToAnn`, in small letters.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// What is hidden in one place, or was earlier in the conversation, is hidden wherever it stands.
fn hide_again(
    words: &[&str],
    found: &mut [Vec<Finding>],
    labels: &BTreeMap<String, Label>,
) -> Result<(), Refusal> {
    if labels.is_empty() {
        return Ok(());
    }
    let mut values: Vec<&String> = labels.keys().collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let pattern = values.iter().map(|value| regex::escape(value)).collect::<Vec<_>>().join("|");
    let pattern = Regex::new(&format!("(?i){pattern}"));
    let pattern = pattern.map_err(|e| Refusal::Unsearched { found: e.to_string() })?;
    for (text, list) in words.iter().zip(found) {
        let mut from = 0;
        let mut again = Vec::new();
        while let Some(place) = pattern.find_at(text, from) {
            if !stands_alone(text, place.range()) {
                from = place.start() + text[place.start()..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            if let Some(label) = labels.get(&place.as_str().to_lowercase()) {
                let rest = without(place.range(), list);
                let seen = rest.into_iter().filter(|range| !text[range.clone()].trim().is_empty());
                again.extend(seen.map(|range| Finding {
                    range,
                    label: *label,
                    sure: Sure::Weak,
                    by: "hidden before",
                }));
            }
            from = place.end();
        }
        list.extend(again);
        list.sort_by_key(|finding| finding.range.start);
    }
    Ok(())
}

/// `places` with the whole of what they cut of `found`; those that meet are one.
fn around(places: &[Range<usize>], found: &[Finding]) -> Vec<Range<usize>> {
    let mut whole: Vec<Range<usize>> = Vec::new();
    for place in places {
        let cut = found.iter().map(|f| &f.range).filter(|r| r.start < place.end && place.start < r.end);
        let place = cut.fold(place.clone(), |all, cut| all.start.min(cut.start)..all.end.max(cut.end));
        match whole.last_mut() {
            Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
            _ => whole.push(place),
        }
    }
    whole
}

/// In small letters: a hidden value, and of people each of their names that is no common word.
fn looked_for(label: Label, value: &str) -> impl Iterator<Item = String> {
    let names = value.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let names = names.filter(move |name| label == Label::Person && !is_common(name));
    let all = [value.to_lowercase()].into_iter().chain(names);
    all.filter(|value| value.chars().count() >= AGAIN_CHARS).collect::<Vec<_>>().into_iter()
}

/// The parts of `place` that are in none of `found`, which are in the text's order.
fn without(place: Range<usize>, found: &[Finding]) -> Vec<Range<usize>> {
    let (mut parts, mut from) = (Vec::new(), place.start);
    for other in found.iter().map(|f| &f.range).filter(|r| r.start < place.end && place.start < r.end) {
        parts.push(from..other.start.max(from));
        from = from.max(other.end);
    }
    parts.push(from..place.end.max(from));
    parts.retain(|part| !part.is_empty());
    parts
}

/// Digits of a value that is one wherever it stands.
const SURE_DIGITS: usize = 6;

/// Whether a place is no part of a longer word. Long numbers are no part of anything else.
fn stands_alone(text: &str, place: Range<usize>) -> bool {
    if text[place.clone()].chars().filter(char::is_ascii_digit).count() >= SURE_DIGITS {
        return true;
    }
    let joins = |a: Option<char>, b: Option<char>| {
        a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
    };
    let inside = &text[place.clone()];
    let before = joins(text[..place.start].chars().next_back(), inside.chars().next());
    let after = joins(inside.chars().next_back(), text[place.end..].chars().next());
    !before && !after
}

impl Cleared {
    /// Adds words as a string of JSON, `found` as placeholders and marks around `places`, none of which cuts a finding; at a depth of 2
    /// within another string.
    fn push(
        &mut self,
        text: &str,
        found: &[Finding],
        places: &[Range<usize>],
        vault: &mut Vault,
        depth: usize,
    ) {
        let quote = escaped("\"", depth - 1);
        self.body.push_str(&quote);
        let mut from = 0;
        for finding in found {
            self.push_marked(text, from..finding.range.start, places, depth);
            let value = &text[finding.range.clone()];
            let start = self.body.len();
            self.body.push_str(&vault.placeholder(finding.label, value));
            self.hides.push((start..self.body.len(), escaped(value, depth)));
            from = finding.range.end;
        }
        self.push_marked(text, from..text.len(), places, depth);
        self.body.push_str(&quote);
    }

    /// Adds a stretch between findings with the marks that stand in it, its ends included.
    fn push_marked(&mut self, text: &str, stretch: Range<usize>, places: &[Range<usize>], depth: usize) {
        let marks = places.iter().enumerate().flat_map(|(i, place)| {
            let [open, close] = marks(i + 1);
            [(place.start, open), (place.end, close)]
        });
        let mut from = stretch.start;
        for (at, mark) in marks.filter(|(at, _)| (stretch.start..=stretch.end).contains(at)) {
            self.push_plain(&text[from..at], depth);
            self.body.push_str(&mark);
            from = at;
        }
        self.push_plain(&text[from..stretch.end], depth);
    }

    fn push_plain(&mut self, text: &str, depth: usize) {
        for line in text.split_inclusive('\n') {
            self.body.push_str(&escaped(line, depth));
            if line.ends_with('\n') {
                self.breaks.push(self.body.len());
            }
        }
    }
}

/// The inside of a string of JSON, or of a string in a string.
fn escaped(text: &str, depth: usize) -> String {
    (0..depth).fold(text.to_owned(), |text, _| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    })
}

#[cfg(test)]
#[path = "clear_tests.rs"]
mod tests;
