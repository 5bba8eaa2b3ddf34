//! Placeholders of a conversation, and what they stand for.
//!
//! A value has one placeholder as long as the conversation lasts, so that whoever reads the text can tell two people apart and
//! knows one again. Numbers that stand in the text already are not given out: no placeholder is ever mistaken for one that
//! somebody typed.

use crate::restore::PLACEHOLDER;
use crate::{Finding, Label};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What placeholders of one conversation stand for. It is as secret as the conversation.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Vault {
    /// Values by label and number.
    values: BTreeMap<(Label, u32), String>,
    /// Numbers by label and value.
    numbers: BTreeMap<(Label, String), u32>,
    /// Numbers that texts had before.
    taken: BTreeSet<(Label, u32)>,
}

/// A vault as a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    values: Vec<(Label, u32, String)>,
    taken: Vec<(Label, u32)>,
}

impl From<Kept> for Vault {
    fn from(kept: Kept) -> Self {
        let numbers =
            kept.values.iter().map(|(label, number, value)| ((*label, value.clone()), *number)).collect();
        let values = kept.values.into_iter().map(|(label, number, value)| ((label, number), value)).collect();
        Self { values, numbers, taken: kept.taken.into_iter().collect() }
    }
}

impl From<Vault> for Kept {
    fn from(vault: Vault) -> Self {
        let values =
            vault.values.into_iter().map(|((label, number), value)| (label, number, value)).collect();
        Self { values, taken: vault.taken.into_iter().collect() }
    }
}

impl std::fmt::Debug for Vault {
    /// Says how much it holds, never what.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Vault {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What the placeholder of this label and number stands for.
    pub fn value(&self, label: Label, number: u32) -> Option<&str> {
        self.values.get(&(label, number)).map(String::as_str)
    }

    /// All values with their placeholders.
    pub fn entries(&self) -> impl Iterator<Item = (String, &str)> {
        self.values.iter().map(|((label, number), value)| (written(*label, *number), value.as_str()))
    }

    /// The same with values as they stand inside of a string of JSON, for answers that are documents.
    pub fn escaped(&self) -> Self {
        let inside = |value: &String| {
            let quoted = serde_json::Value::from(value.as_str()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        Self {
            values: self.values.iter().map(|(key, value)| (*key, inside(value))).collect(),
            ..self.clone()
        }
    }

    /// All values with their kinds.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Label, &str)> {
        self.values.iter().map(|((label, _), value)| (*label, value.as_str()))
    }

    /// `text` with a placeholder in place of every finding. Findings are in the text's order and do not overlap.
    pub fn hide(&mut self, text: &str, findings: &[Finding]) -> String {
        self.mind(text);
        let mut hidden = String::with_capacity(text.len());
        let mut from = 0;
        for finding in findings {
            hidden.push_str(&text[from..finding.range.start]);
            hidden.push_str(&self.placeholder(finding.label, &text[finding.range.clone()]));
            from = finding.range.end;
        }
        hidden.push_str(&text[from..]);
        hidden
    }

    /// Placeholders that `text` has already are not given out.
    pub(crate) fn mind(&mut self, text: &str) {
        for captures in PLACEHOLDER.captures_iter(text) {
            if let Some(place) = crate::restore::place_of(&captures) {
                // What this conversation gave out itself is no stranger.
                if !self.values.contains_key(&place) {
                    self.taken.insert(place);
                }
            }
        }
    }

    /// The placeholder of a value.
    pub(crate) fn placeholder(&mut self, label: Label, value: &str) -> String {
        written(label, self.number(label, value))
    }

    fn number(&mut self, label: Label, value: &str) -> u32 {
        let key = (label, value.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let last = self.values.range((label, 0)..=(label, u32::MAX)).next_back().map_or(0, |((_, n), _)| *n);
        let number =
            (last + 1..).find(|n| !self.taken.contains(&(label, *n))).expect("there are many numbers");
        self.values.insert((label, number), value.to_owned());
        self.numbers.insert(key, number);
        number
    }
}

/// How a placeholder is written.
fn written(label: Label, number: u32) -> String {
    format!("[{label}_{number}]")
}
