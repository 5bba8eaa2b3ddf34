//! A complete answer of this machine of which another model writes some places anew, and nothing else.
//!
//! The model sees the answer with marks around the places and gives a text for each. What it gives is parsed strictly and held to
//! the length of the places; outside of them the answer is the same to the byte, whatever came.

use crate::{Answering, Error, Event, Finish, Question};
use hob_privacy::{Vault, has_marks, restore, strangers};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// What the model is told behind the answer, as a string of JSON. Words of this program's own, as [`Constants`](crate::Constants) are.
pub(crate) const MEND: &str = r#""The answer above was written by a smaller model that was unsure of some places. They are marked: ⟦1⟧ stands before the first place and ⟦/1⟧ behind it, ⟦2⟧ before the second, and so on. Say for each place what has to stand there instead of what does, so that the answer to the question before it is right and reads as one text. Leave out places that are right as they are. Nothing outside of the marks can be changed, and the texts have no marks in them. Words in brackets such as [EMAIL_1] stand for something that you are not told; use them as they are. Reply with one JSON object and nothing else: {\"edits\": [{\"span\": 1, \"text\": \"what has to stand there\"}]}""#;

/// The form of what it says.
pub(crate) const FORM: &str = r#"{"type":"object","properties":{"edits":{"type":"array","items":{"type":"object","properties":{"span":{"type":"integer"},"text":{"type":"string"}},"required":["span","text"],"additionalProperties":false}}},"required":["edits"],"additionalProperties":false}"#;

/// Tokens for what models think before they say it, and for the form of that.
const TOKENS: u64 = 1024;
/// Characters of a token, of which no text has more.
const TOKEN_CHARS: usize = 2;

/// An answer and the places in it that are asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// The answer.
    pub text: String,
    /// The places: byte ranges in their order, apart from each other, none of them empty.
    pub places: Vec<Range<usize>>,
    /// Whether it is a document of JSON, so that what was hidden comes back as JSON writes it.
    pub is_document: bool,
}

/// An answer of which places were asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    /// The answer as it is now.
    pub text: String,
    /// How many places were asked about.
    pub asked: usize,
    /// Those of them that say something else than before, in their order.
    pub changes: Vec<Change>,
}

/// A place of an answer that says something else than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where it is now: a byte range, which is empty where nothing stands there any more.
    pub place: Range<usize>,
    /// What stood there.
    pub before: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    span: usize,
    text: String,
}

impl Question {
    /// The question about places of an answer to this one. Nothing can be called, and how tokens are drawn is the target's business.
    #[must_use]
    pub fn repairing(&self, repair: Repair) -> Self {
        let max_tokens = Some(repair.tokens_max());
        Self { messages: self.messages.clone(), max_tokens, repair: Some(repair), ..Self::default() }
    }
}

impl Repair {
    fn chars(&self, place: &Range<usize>) -> usize {
        self.text[place.clone()].chars().count()
    }

    fn tokens_max(&self) -> u64 {
        let room: usize = self.places.iter().map(|place| hob_router::room(self.chars(place))).sum();
        TOKENS + (room / TOKEN_CHARS) as u64
    }

    /// Applies what a target wrote; placeholders of `vault` are put back. The error says what is wrong with it.
    pub(crate) fn apply(&self, written: &str, vault: &Vault) -> Result<Repaired, String> {
        let mut texts = BTreeMap::new();
        for Edit { span, text } in parse(written)?.edits {
            let place = span.checked_sub(1).and_then(|index| self.places.get(index));
            let Some(place) = place else {
                return Err(format!("an edit of place {span}, of {} places", self.places.len()));
            };
            let text =
                self.checked(&text, place, vault).map_err(|found| format!("place {span} with {found}"))?;
            if texts.insert(span - 1, text).is_some() {
                return Err(format!("place {span} twice"));
            }
        }
        Ok(self.with(&texts))
    }

    /// A text for a place with what was hidden put back.
    fn checked(&self, text: &str, place: &Range<usize>, vault: &Vault) -> Result<String, String> {
        let text = text.trim();
        let room = hob_router::room(self.chars(place));
        if text.chars().count() > room {
            return Err(format!("more than {room} characters"));
        }
        if has_marks(text) {
            return Err("marks in it".into());
        }
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err("control characters in it".into());
        }
        if strangers(text, vault).any(|stranger| !self.text.contains(stranger)) {
            return Err("a placeholder that nobody gave out".into());
        }
        Ok(if self.is_document { restore(text, &vault.escaped()) } else { restore(text, vault) })
    }

    /// The answer with texts in the places of these indices.
    fn with(&self, texts: &BTreeMap<usize, String>) -> Repaired {
        let (mut text, mut from, mut changes) = (String::new(), 0, Vec::new());
        for (index, place) in self.places.iter().enumerate() {
            let before = &self.text[place.clone()];
            let after = texts.get(&index).map_or(before, String::as_str);
            text.push_str(&self.text[from..place.start]);
            let start = text.len();
            text.push_str(after);
            if after != before {
                changes.push(Change { place: start..text.len(), before: before.to_owned() });
            }
            from = place.end;
        }
        text.push_str(&self.text[from..]);
        Repaired { text, asked: self.places.len(), changes }
    }
}

/// What a target wrote, which may stand between marks of code.
fn parse(written: &str) -> Result<Edits, String> {
    let text = written.trim();
    let inside = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    let text = inside.and_then(|text| text.strip_suffix("```")).unwrap_or(text);
    serde_json::from_str(text).map_err(|error| {
        format!("no document of edits (a problem in line {}, column {})", error.line(), error.column())
    })
}

impl Answering {
    /// Reads the answer to a question about places to its end, and gives the text with what was written anew.
    ///
    /// # Errors
    /// The network, the target, or [`Error::Edits`] for what cannot be used. What it cost is told by [`Answering::ended`] all the same.
    ///
    /// # Panics
    /// The question was about no places.
    pub fn repaired(&mut self) -> Result<Repaired, Error> {
        let repair = self.repair().cloned().expect("whoever asked about places reads edits of them");
        self.leave_hidden();
        let mut written = String::new();
        let wrong = |target: &str, found: String| Error::Edits { target: target.to_owned(), found };
        while let Some(event) = self.next()? {
            match event {
                Event::Text(piece) => written.push_str(&piece),
                Event::Thought(_) => {}
                Event::Call(_) => return Err(wrong(self.target(), "a call of a tool".into())),
            }
        }
        match self.ended().finish {
            Finish::Stop => {}
            Finish::Length => return Err(wrong(self.target(), "edits that were cut at their limit".into())),
            Finish::Refused => return Err(wrong(self.target(), "no edits: it refused".into())),
        }
        repair.apply(&written, self.vault()).map_err(|found| wrong(self.target(), found))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use hob_privacy::{Detector, Terms};
    use proptest::prelude::*;

    fn repair() -> Repair {
        let text = "In Rome the Seine flows, and ann@example.org knows it.".to_owned();
        let places = ["Rome", "ann@example.org"].map(|word| {
            let start = text.find(word).unwrap();
            start..start + word.len()
        });
        Repair { text, places: places.into(), is_document: false }
    }

    fn vault() -> Vault {
        let (mut vault, text) = (Vault::new(), repair().text);
        vault.hide(&text, &Detector::new(Terms::default()).find(&text));
        vault
    }

    #[test]
    fn edits_change_their_places_alone() {
        for (written, expected, changed) in [
            (
                r#"{"edits": [{"span": 1, "text": " Paris "}]}"#,
                "In Paris the Seine flows, and ann@example.org knows it.",
                1,
            ),
            (r#"{"edits": []}"#, "In Rome the Seine flows, and ann@example.org knows it.", 0),
            (
                "```json\n{\"edits\": [{\"span\": 2, \"text\": \"Ann ([email_1])\"}, {\"span\": 1, \"text\": \"Rome\"}]}\n```",
                "In Rome the Seine flows, and Ann (ann@example.org) knows it.",
                1,
            ),
        ] {
            let repaired = repair().apply(written, &vault()).unwrap();
            assert_eq!(
                (repaired.text.as_str(), repaired.changes.len(), repaired.asked),
                (expected, changed, 2)
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_whole() {
        let one = |span: &str, text: &str| format!(r#"{{"edits": [{{"span": {span}, "text": "{text}"}}]}}"#);
        for (written, expected) in [
            ("Paris.".to_owned(), "no document of edits"),
            ("[]".to_owned(), "no document of edits"),
            (r#"{"edits": [], "note": "done"}"#.to_owned(), "no document of edits"),
            (r#"{"edits": []} Done."#.to_owned(), "no document of edits"),
            (one("-1", "Paris"), "no document of edits"),
            (one("0", "Paris"), "an edit of place 0, of 2 places"),
            (one("3", "Paris"), "an edit of place 3, of 2 places"),
            (one("1", "⟦1⟧Paris⟦/1⟧"), "place 1 with marks in it"),
            (one("1", "Par\\u0007is"), "place 1 with control characters"),
            (one("1", "[PERSON_9]"), "place 1 with a placeholder that nobody gave out"),
            (one("1", &"x".repeat(73)), "place 1 with more than 72 characters"),
            (
                r#"{"edits": [{"span": 1, "text": "a"}, {"span": 1, "text": "b"}]}"#.to_owned(),
                "place 1 twice",
            ),
        ] {
            let found = repair().apply(&written, &vault()).unwrap_err();
            assert!(found.contains(expected), "{written}: {found}");
        }
    }

    #[test]
    fn what_was_hidden_comes_back_as_the_answer_writes_it() {
        let (mut vault, value) = (Vault::new(), "Ann \"Nan\" Lee");
        let terms = Terms::new([value]).unwrap();
        vault.hide(value, &Detector::new(terms).find(value));
        let (placeholder, _) = vault.entries().next().unwrap();
        let text = r#"{"name": "Bob"}"#.to_owned();
        let repair = Repair { places: std::iter::once(10..13).collect(), text, is_document: true };
        let written = format!(r#"{{"edits": [{{"span": 1, "text": "{placeholder}"}}]}}"#);
        assert_eq!(repair.apply(&written, &vault).unwrap().text, r#"{"name": "Ann \"Nan\" Lee"}"#);
    }

    proptest! {
        #[test]
        fn outside_of_its_places_an_answer_is_the_same_to_the_byte(
            parts in prop::collection::vec("\\PC{1,12}", 1..16),
            edits in prop::collection::vec((0usize..10, "\\PC{0,40}"), 0..6),
        ) {
            // Every second part is a place.
            let (mut text, mut places) = (String::new(), Vec::new());
            for (index, part) in parts.iter().enumerate() {
                if index % 2 == 1 {
                    places.push(text.len()..text.len() + part.len());
                }
                text.push_str(part);
            }
            let repair = Repair { text: text.clone(), places, is_document: false };
            let list: Vec<_> = edits.iter().map(|(span, text)| serde_json::json!({"span": span, "text": text})).collect();
            let written = serde_json::json!({"edits": list}).to_string();
            let Ok(repaired) = repair.apply(&written, &Vault::new()) else { return Ok(()) };
            // What is told of the changes undoes them.
            let mut undone = repaired.text.clone();
            for Change { place, before } in repaired.changes.iter().rev() {
                undone.replace_range(place.clone(), before);
            }
            prop_assert_eq!(undone, text);
            let mut rest = repaired.text.as_str();
            for (index, part) in parts.iter().enumerate() {
                let edit = edits.iter().find(|(span, _)| index % 2 == 1 && *span == index.div_ceil(2));
                let expected = edit.map_or(part.as_str(), |(_, text)| text.trim());
                prop_assert!(rest.starts_with(expected), "{:?} at {:?}", repaired, rest);
                rest = &rest[expected.len()..];
            }
            prop_assert_eq!(rest, "");
        }
    }
}
