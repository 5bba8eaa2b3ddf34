//! A request for another machine, before it is looked through: constants, names, numbers, and words.

use crate::Refusal;
use std::fmt;
use std::ops::Range;

/// Longest name of a model.
const NAME_CHARS_MAX: usize = 200;
/// Longest name of a tool or field.
const IDENTIFIER_CHARS_MAX: usize = 128;
/// What marks are made of. Text that has one of these signs itself cannot be marked.
const SIGNS: [char; 2] = ['⟦', '⟧'];

/// A piece of a body.
#[derive(Clone)]
pub(crate) enum Part {
    /// It goes as it is.
    Plain(String),
    /// A name of a program's own, in quotes: it goes as it is, if it holds nothing private.
    Identifier(String),
    /// It is looked through.
    Words(String),
    /// The same, with marks around these places.
    Marked(String, Vec<Range<usize>>),
    /// A number, which is looked through too: it goes as it is, or as a placeholder in quotes.
    Figure(String),
}

/// A part, and whether it stands in a string that is itself JSON.
#[derive(Clone)]
pub(crate) struct Piece {
    pub part: Part,
    pub is_nested: bool,
}

/// A request for another machine, before anything was hidden.
#[derive(Clone, Default)]
pub struct Draft {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) is_private: bool,
    is_nested: bool,
}

impl Draft {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks it as private. Nothing takes that back.
    pub fn mark_private(&mut self) {
        self.is_private = true;
    }

    /// Adds a constant of a protocol.
    pub fn fixed(&mut self, text: &'static str) {
        self.push(Part::Plain(text.to_owned()));
    }

    /// Adds a string that is itself JSON, as calls of tools are told: what is in it is looked through as it reads, not as it is written.
    pub fn nest(&mut self, inside: impl FnOnce(&mut Self)) {
        self.fixed("\"");
        let was_nested = std::mem::replace(&mut self.is_nested, true);
        inside(self);
        self.is_nested = was_nested;
        self.fixed("\"");
    }

    fn push(&mut self, part: Part) {
        self.pieces.push(Piece { part, is_nested: self.is_nested });
    }

    /// Adds the name of a model, in quotes.
    ///
    /// # Errors
    /// [`Refusal::Name`] for what could hold somebody's words.
    pub fn name(&mut self, name: &str) -> Result<(), Refusal> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._:/@+-".contains(c);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_name) {
            return Err(Refusal::Name);
        }
        self.push(Part::Plain(format!("\"{name}\"")));
        Ok(())
    }

    /// Adds a number of the protocol's own, such as the longest answer.
    pub fn number(&mut self, number: u64) {
        self.push(Part::Plain(number.to_string()));
    }

    /// Adds a number that somebody wrote.
    pub fn figure(&mut self, number: &serde_json::Number) {
        self.push(Part::Figure(number.to_string()));
    }

    /// Adds a number with a point, as for temperatures; one that JSON cannot have becomes `null`.
    pub fn decimal(&mut self, number: f64) {
        let text = if number.is_finite() { number.to_string() } else { "null".to_owned() };
        self.push(Part::Plain(text));
    }

    /// Adds a name that a program uses of a tool, of a field or of another of its things. What could be a sentence is words.
    pub fn identifier(&mut self, name: &str) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.:/#$@".contains(c);
        if name.is_empty() || name.len() > IDENTIFIER_CHARS_MAX || !name.chars().all(is_name) {
            return self.words(name);
        }
        self.push(Part::Identifier(format!("\"{name}\"")));
    }

    /// Adds what somebody wrote, as a string of JSON.
    pub fn words(&mut self, words: &str) {
        self.push(Part::Words(words.to_owned()));
    }

    /// Adds words of which some places are marked by number, from 1 on: `⟦1⟧` before the first, `⟦/1⟧` after it. The words are looked
    /// through as if there were no marks, and no mark stands within what is hidden: a place that cuts it takes it in, and places that
    /// meet then are one. [`Cleared::marked`](crate::Cleared::marked) says which became of them.
    ///
    /// # Errors
    /// [`Refusal::Marks`] for words that have such signs.
    ///
    /// # Panics
    /// Places that are not apart, in their order and at the bounds of characters.
    pub fn marked(&mut self, words: &str, places: &[Range<usize>]) -> Result<(), Refusal> {
        if has_marks(words) {
            return Err(Refusal::Marks);
        }
        let mut before = 0;
        for place in places {
            assert!(before <= place.start && place.start < place.end, "places are apart and in their order");
            assert!(words.get(place.clone()).is_some(), "a place has whole characters");
            before = place.end + 1;
        }
        self.push(Part::Marked(words.to_owned(), places.to_vec()));
        Ok(())
    }
}

/// Whether a text has signs of which marks are made.
pub fn has_marks(text: &str) -> bool {
    text.contains(SIGNS)
}

/// The marks before and after a place.
pub(crate) fn marks(number: usize) -> [String; 2] {
    let [open, close] = SIGNS;
    [format!("{open}{number}{close}"), format!("{open}/{number}{close}")]
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

impl Part {
    /// What somebody wrote, if it is that.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Words(text) | Self::Figure(text) | Self::Marked(text, _) => Some(text),
            Self::Plain(_) | Self::Identifier(_) => None,
        }
    }

    /// The name, if it is one, without quotes.
    pub fn identifier(&self) -> Option<&str> {
        match self {
            Self::Identifier(text) => Some(text.trim_matches('"')),
            Self::Plain(_) | Self::Words(_) | Self::Figure(_) | Self::Marked(..) => None,
        }
    }
}
