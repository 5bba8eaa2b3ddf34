//! Whether a quote stands in a chunk, and a value in the quote.

use super::number::widened;
use super::{Kind, Value};
use std::ops::Range;

/// Characters of a quote, at most: one that is a whole chunk says nothing about where.
const QUOTE_CHARS_MAX: usize = 400;

/// A chunk with single blanks, and where each of its bytes stands in it.
pub(super) struct Page {
    text: String,
    places: Vec<usize>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Where in the chunk the quote stands.
    pub quote: Range<usize>,
    /// What stands there.
    pub value: Value,
    /// How often the quote stands in the chunk.
    pub times: usize,
}

/// Why a cell is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// The quote does not stand in the chunk.
    Quote,
    /// The value does not stand in the quote.
    Value,
    /// It does, and is not of its kind.
    Kind,
}

impl Page {
    pub fn new(chunk: &str) -> Self {
        let (mut text, mut places) = (String::new(), Vec::new());
        for (at, c) in chunk.char_indices() {
            if c.is_whitespace() {
                if !text.ends_with(' ') {
                    text.push(' ');
                    places.push(at);
                }
            } else {
                text.push(c);
                places.extend(at..at + c.len_utf8());
            }
        }
        places.push(chunk.len());
        Self { text, places }
    }

    /// Where a quote stands, with the value in it. What a model says is taken only where the text says it too.
    pub fn cite(&self, kind: Kind, quote: &str, value: &str) -> Result<Found, Miss> {
        let quote = super::value::one_line(quote);
        let count = quote.chars().count();
        if count == 0 || count > QUOTE_CHARS_MAX {
            return Err(Miss::Quote);
        }
        let times = self.text.matches(&quote).count();
        let mut miss = Miss::Quote;
        for (at, _) in self.text.match_indices(&quote) {
            let place = at..at + quote.len();
            match self.value(kind, place.clone(), value) {
                Ok((value, its)) => {
                    // The unit of a number may stand just outside of what was quoted.
                    let (start, end) = (place.start.min(its.start), place.end.max(its.end));
                    return Ok(Found { quote: self.places[start]..self.end(end), value, times });
                }
                Err(next) => miss = next,
            }
        }
        Err(miss)
    }

    /// Where the byte before `end` ends in the chunk.
    fn end(&self, end: usize) -> usize {
        let last = self.text[..end].chars().next_back().map_or(0, char::len_utf8);
        self.places[end - last] + last
    }

    /// The value, and where it stands.
    fn value(&self, kind: Kind, quote: Range<usize>, value: &str) -> Result<(Value, Range<usize>), Miss> {
        if kind == Kind::Boolean {
            // Yes and no are judged, so they stand in no text.
            return kind.parse(value).map(|value| (value, quote)).ok_or(Miss::Kind);
        }
        let value = super::value::one_line(value);
        if value.is_empty() {
            return Err(Miss::Value);
        }
        let mut miss = Miss::Value;
        for (at, _) in self.text[quote.clone()].match_indices(&value) {
            let mut place = quote.start + at..quote.start + at + value.len();
            if kind == Kind::Number {
                place = widened(&self.text, place);
            }
            if !self.stands_alone(&place) {
                continue;
            }
            match kind.parse(&self.text[place.clone()]) {
                Some(value) => return Ok((value, place)),
                None => miss = Miss::Kind,
            }
        }
        Err(miss)
    }

    /// Whether a place is no part of a longer word or number.
    fn stands_alone(&self, place: &Range<usize>) -> bool {
        let (before, after) = (&self.text[..place.start], &self.text[place.end..]);
        let inside = &self.text[place.clone()];
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        // Digits go on behind a point, a comma, a stroke and a minus.
        let goes_on = |mut rest: Box<dyn Iterator<Item = char> + '_>| {
            let next = rest.next();
            next.is_some_and(|c| ".,:/'\u{2019}-\u{2212}".contains(c)) && is_digit(rest.next())
        };
        let (first, last) = (inside.chars().next(), inside.chars().next_back());
        let joins_before = (is_word(first) && is_word(before.chars().next_back()))
            || (is_digit(first) && goes_on(Box::new(before.chars().rev())));
        let joins_after = (is_word(last) && is_word(after.chars().next()))
            || (is_digit(last) && goes_on(Box::new(after.chars())));
        !joins_before && !joins_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cite(chunk: &str, kind: Kind, quote: &str, value: &str) -> Result<(String, String), Miss> {
        let found = Page::new(chunk).cite(kind, quote, value)?;
        Ok((chunk[found.quote].to_owned(), found.value.to_string()))
    }

    #[test]
    fn quotes_are_found_whatever_the_blanks() {
        let chunk = "The  rent\nis $1,200 a\tmonth – agreed.";
        let (quote, value) = cite(chunk, Kind::Number, "rent is $1,200 a month", "1,200").unwrap();
        assert_eq!((quote.as_str(), value.as_str()), ("rent\nis $1,200 a\tmonth", "$1200"));
        assert_eq!(cite(chunk, Kind::String, "month – agreed.", "agreed").unwrap().0, "month – agreed.");
        assert_eq!(cite(chunk, Kind::Number, "rent is $1,300", "1,300"), Err(Miss::Quote));
        assert_eq!(cite(chunk, Kind::Number, "rent is", "1,200"), Err(Miss::Value));
        assert_eq!(cite(chunk, Kind::Number, "The rent", "rent"), Err(Miss::Kind));
        assert_eq!(cite(chunk, Kind::String, "", ""), Err(Miss::Quote));
        assert_eq!(cite(chunk, Kind::Boolean, "agreed", "true").unwrap().1, "yes");
    }

    #[test]
    fn parts_of_numbers_and_words_are_none() {
        let chunk = "In 2012 Annette paid 1,234.50 and lost -5 points on 2024-05-06.";
        for (kind, value) in [
            (Kind::Number, "12"),
            (Kind::Number, "1"),
            (Kind::Number, "234.50"),
            (Kind::Number, "1,234"),
            (Kind::String, "Ann"),
            (Kind::Number, "05"),
            (Kind::Number, "2024"),
        ] {
            assert_eq!(cite(chunk, kind, chunk, value), Err(Miss::Value), "{value}");
        }
        assert_eq!(cite(chunk, Kind::Number, "lost -5 points", "5").unwrap().1, "-5");
        // What a quote leaves out counts too.
        assert_eq!(cite(chunk, Kind::Number, "paid 1,234", "1,234"), Err(Miss::Value));
        assert_eq!(cite(chunk, Kind::Date, "2024-05-06", "2024-05-06").unwrap().1, "2024-05-06");
    }
}
