//! What can be told by its form: a pattern, a check digit where there is one, and words that stand near.

mod contact;
mod identity;
mod money;
mod places;
mod secrets;

use crate::{Finding, Label, Sure};
use regex::Regex;
use std::sync::LazyLock;

/// Bytes before a finding in which words of its context are looked for.
const BEFORE: usize = 64;

/// Bytes behind it.
const AFTER: usize = 24;

/// A kind of number or word that has a form of its own.
pub(crate) struct Rule {
    /// For explanations.
    name: &'static str,
    label: Label,
    /// The finding is the first group, where there is one.
    pattern: &'static str,
    check: Option<fn(&str) -> bool>,
    /// Words one of which has to stand near; nothing where the form says enough.
    context: &'static str,
    sure: Sure,
}

impl Rule {
    const fn new(name: &'static str, label: Label, sure: Sure, pattern: &'static str) -> Self {
        Self { name, label, pattern, check: None, context: "", sure }
    }

    const fn checked(mut self, check: fn(&str) -> bool) -> Self {
        self.check = Some(check);
        self
    }

    const fn near(mut self, words: &'static str) -> Self {
        self.context = words;
        self
    }
}

struct Compiled {
    rule: &'static Rule,
    pattern: Regex,
    context: Option<Regex>,
}

static RULES: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    // Of two rules that are as sure of the same place the first is right: numbers with check digits go before telephones.
    let tables = [secrets::RULES, money::RULES, identity::RULES, contact::RULES, places::RULES];
    let compile = |rule: &'static Rule| Compiled {
        rule,
        pattern: Regex::new(rule.pattern).expect("patterns of the tables are tested"),
        context: (!rule.context.is_empty()).then(|| {
            Regex::new(&format!(r"(?i)\b(?:{})\b", rule.context)).expect("words of the tables are tested")
        }),
    };
    tables.into_iter().flatten().map(compile).collect()
});

/// Everything in `text` that a rule knows; findings may overlap.
pub(crate) fn find(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for Compiled { rule, pattern, context } in RULES.iter() {
        let mut from = 0;
        while let Some(captures) = pattern.captures_at(text, from) {
            let whole = captures.get(0).expect("a match has a place");
            let place = captures.get(1).unwrap_or(whole);
            let ok = rule.check.is_none_or(|check| check(place.as_str()))
                && context
                    .as_ref()
                    .is_none_or(|words| words.is_match(&around(text, place.start(), place.end())));
            // Where a number with a check digit is refused, a part of it may still be one. Of other numbers a part says nothing.
            let again = !ok && rule.sure == Sure::Certain;
            from = if again { place.start() + 1 } else { place.end().max(from + 1) };
            while !text.is_char_boundary(from) {
                from += 1;
            }
            if ok {
                found.push(Finding {
                    range: place.range(),
                    label: rule.label,
                    sure: rule.sure,
                    by: rule.name,
                });
            }
            if from > text.len() {
                break;
            }
        }
    }
    found
}

/// The text near a place, without the place itself.
fn around(text: &str, start: usize, end: usize) -> String {
    let (mut from, mut to) = (start.saturating_sub(BEFORE), (end + AFTER).min(text.len()));
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    while !text.is_char_boundary(to) {
        to += 1;
    }
    format!("{} \u{1} {}", &text[from..start], &text[end..to])
}
