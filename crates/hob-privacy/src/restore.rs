//! Placeholders in an answer become what they stand for, also where a model changed their case or spacing, and where an answer
//! arrives in pieces.

use crate::{Label, Vault};
use regex::{Captures, Regex};
use std::ops::Deref;
use std::sync::LazyLock;

/// A placeholder as it was given out, or as models bend it: in brackets of some kind with any case and any blanks or strokes
/// inside, or bare as long as it has its underscore.
pub(crate) static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let names: Vec<String> = Label::ALL.iter().map(|label| label.name().replace('_', r"[ _-]?")).collect();
    let names = names.join("|");
    let inside = format!(r"[\s*_`]*({names})[\s\\_-]*([0-9]{{1,6}})[\s*_`]*");
    // A stroke before the bracket belongs to the placeholder only where one stands at its end too.
    Regex::new(&format!(r"(?i)\\\[{inside}\\\]|\[{inside}\]|\b({names})\\?_([0-9]{{1,6}})\b"))
        .expect("labels are letters and underscores")
});

/// Longest text that a placeholder may take in an answer.
const LONGEST: usize = 64;

/// Label and number of what [`PLACEHOLDER`] found.
pub(crate) fn place_of(captures: &Captures<'_>) -> Option<(Label, u32)> {
    let (name, number) = [1, 3, 5].into_iter().find_map(|i| captures.get(i).zip(captures.get(i + 1)))?;
    let plain =
        |text: &str| text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    let wanted = plain(name.as_str());
    let label = Label::ALL.iter().find(|label| plain(label.name()) == wanted)?;
    Some((*label, number.as_str().parse().ok()?))
}

/// `text` with every placeholder that `vault` gave out put back. Others stay as they are.
pub fn restore(text: &str, vault: &Vault) -> String {
    let put_back = |captures: &Captures<'_>| {
        let value = place_of(captures).and_then(|(label, number)| vault.value(label, number));
        value.unwrap_or(&captures[0]).to_owned()
    };
    PLACEHOLDER.replace_all(text, put_back).into_owned()
}

/// Placeholders in `text` that `vault` did not give out.
pub fn strangers<'a>(text: &'a str, vault: &'a Vault) -> impl Iterator<Item = &'a str> {
    let is_known = |captures: &Captures<'_>| {
        place_of(captures).is_some_and(|(label, number)| vault.value(label, number).is_some())
    };
    let strange = PLACEHOLDER.captures_iter(text).filter(move |captures| !is_known(captures));
    strange.filter_map(|captures| captures.get(0)).map(|found| found.as_str())
}

/// Puts values back while an answer arrives: what might become a placeholder is held back until it is told.
///
/// `V` is how it comes by the vault: `&Vault`, or an `Arc<Vault>` where it has to live as long as the answer.
#[derive(Debug)]
pub struct Restorer<V> {
    vault: V,
    held: String,
    /// Whether what was given out ends inside of a word: a name there is no placeholder.
    in_word: bool,
}

impl<V: Deref<Target = Vault>> Restorer<V> {
    /// One for an answer to a text that `vault` hid.
    pub fn new(vault: V) -> Self {
        Self { vault, held: String::new(), in_word: false }
    }

    /// Takes the next piece; gives what can be shown.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let open = self.open();
        let rest = self.held.split_off(open);
        let done = std::mem::replace(&mut self.held, rest);
        self.told(&done)
    }

    /// The answer ended: gives what was held back.
    pub fn finish(mut self) -> String {
        let done = std::mem::take(&mut self.held);
        self.told(&done)
    }

    fn told(&mut self, done: &str) -> String {
        // What stands before decides whether a bare name begins here.
        let before = if self.in_word { "x" } else { " " };
        if let Some(last) = done.chars().next_back() {
            self.in_word = last.is_alphanumeric() || last == '_';
        }
        restore(&format!("{before}{done}"), &self.vault)[1..].to_owned()
    }

    /// Where what might still become a placeholder begins.
    fn open(&self) -> usize {
        let mut start = self.held.len().saturating_sub(LONGEST);
        while !self.held.is_char_boundary(start) {
            start += 1;
        }
        let tail = &self.held[start..];
        // A bracket that is not closed yet.
        let bracket = tail.rfind('[').filter(|at| !tail[*at..].contains(']'));
        let bracket = bracket.map(|at| if at > 0 && tail.as_bytes()[at - 1] == b'\\' { at - 1 } else { at });
        // A last word in which a name may be under way, with its number.
        let word = tail.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '\\' | '-' | ' ')));
        let mut at = word.map_or(0, |at| at + tail[at..].chars().next().map_or(1, char::len_utf8));
        // Of several words those that cannot begin a label go.
        while let Some(rest) = tail.get(at..).filter(|rest| !rest.is_empty() && !may_begin(rest)) {
            match rest.find([' ', '-', '\\']) {
                Some(next) => at += next + 1,
                None => at = tail.len(),
            }
        }
        // A stroke may announce a bracket.
        let stroke = tail.len() - usize::from(tail.ends_with('\\'));
        start + bracket.unwrap_or(at).min(at).min(stroke)
    }
}

/// Whether a label, underscore and number may be what begins with `text`.
fn may_begin(text: &str) -> bool {
    let text = text.trim_start_matches('\\').to_ascii_uppercase().replace([' ', '-', '\\'], "_");
    Label::ALL.iter().any(|label| {
        let name = label.name();
        let joined = name.replace('_', "");
        [name, &joined].iter().any(|name| match text.strip_prefix(name) {
            Some(rest) => rest.trim_start_matches('_').bytes().all(|c| c.is_ascii_digit()),
            None => name.starts_with(text.as_str()),
        })
    })
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
