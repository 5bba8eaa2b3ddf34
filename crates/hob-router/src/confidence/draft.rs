//! A model's answer beside the known one: where it departs, and which of that lies in the places that the model doubts.

use crate::places::{places, room};
use std::ops::Range;

/// Longest answer that is compared, in parts: the table of the comparison has the square of that.
const PARTS_MAX: usize = 2000;

/// An answer that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Characters of each part: a word, or a sign or blank between words.
    lengths: Vec<usize>,
    /// Which parts are asked about; none where nothing is doubted or too much.
    pub(super) asked: Vec<bool>,
    /// Where the known answer says something else.
    departures: Vec<Departure>,
}

#[derive(Clone, Debug, PartialEq)]
struct Departure {
    parts: Range<usize>,
    /// Whether what is known may be put in its place.
    fits: bool,
}

impl Draft {
    /// Compares the answer `text`, with the ranges and log-probabilities of its tokens, with the `known` one. `None` for long ones.
    pub fn of(text: &str, tokens: &[(Range<usize>, f32)], known: &str) -> Option<Self> {
        let (said, right) = (parts(text), parts(known.trim()));
        if said.len().max(right.len()) > PARTS_MAX {
            return None;
        }
        let places = places(text, tokens, false).unwrap_or_default();
        let is_asked = |part: &Range<usize>| places.iter().any(|p| p.start < part.end && part.start < p.end);
        let chars = |part: &Range<usize>| text[part.clone()].chars().count();
        let words: Vec<&str> = said.iter().map(|part| &text[part.clone()]).collect();
        let known: Vec<&str> = right.iter().map(|part| &known.trim()[part.clone()]).collect();
        let lengths: Vec<usize> = said.iter().map(chars).collect();
        let mut departures = departures(&words, &known, &lengths);
        // What blanks stand around an answer is of no interest.
        let is_outside = |d: &Departure| d.fits && words[d.parts.clone()].concat().trim().is_empty();
        let ends = |d: &Departure| d.parts.start == 0 || d.parts.end == words.len();
        departures.retain(|d| d.parts.is_empty() || !(ends(d) && is_outside(d)));
        Some(Self { asked: said.iter().map(is_asked).collect(), lengths, departures })
    }

    /// Characters of all of it.
    pub(super) fn chars(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Characters that are asked about.
    pub(super) fn asked_chars(&self) -> usize {
        self.lengths.iter().zip(&self.asked).filter(|(_, asked)| **asked).map(|(length, _)| length).sum()
    }

    /// Whether a place that is asked about has something of a departure in it.
    pub(super) fn is_found(&self) -> bool {
        self.departures.iter().any(|departure| touches(&departure.parts, &self.asked))
    }

    /// Whether the known answer comes out where whoever knows it writes in these parts and nowhere else.
    pub(super) fn is_mended(&self, asked: &[bool]) -> bool {
        let is_within = |parts: &Range<usize>| match parts.is_empty() {
            // Something is missing between two parts; whoever may write at one of them can add it.
            true => touches(parts, asked),
            false => asked[parts.clone()].iter().all(|asked| *asked),
        };
        self.departures.iter().all(|departure| departure.fits && is_within(&departure.parts))
    }
}

/// Whether a part of a departure is asked about, or one beside it where it has none.
fn touches(parts: &Range<usize>, asked: &[bool]) -> bool {
    let around = if parts.is_empty() { parts.start.saturating_sub(1)..parts.end + 1 } else { parts.clone() };
    asked[around.start..around.end.min(asked.len())].iter().any(|asked| *asked)
}

/// Words, and each sign and blank between them.
fn parts(text: &str) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match parts.last_mut() {
            Some(last) if in_word && c.is_alphanumeric() => last.end = end,
            _ => parts.push(at..end),
        }
        in_word = c.is_alphanumeric();
    }
    parts
}

/// Where `said` and `known` differ around their longest common subsequence.
fn departures(said: &[&str], known: &[&str], lengths: &[usize]) -> Vec<Departure> {
    let width = known.len() + 1;
    let mut common = vec![0u16; (said.len() + 1) * width];
    for i in (0..said.len()).rev() {
        for j in (0..known.len()).rev() {
            common[i * width + j] = match said[i] == known[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut found, mut i, mut j) = (Vec::new(), 0, 0);
    while i < said.len() || j < known.len() {
        let (start, from) = (i, j);
        while i < said.len() || j < known.len() {
            let (here, down) = (i * width + j, (i + 1) * width + j);
            if i < said.len() && j < known.len() && said[i] == known[j] {
                break;
            }
            let drops = j == known.len() || i < said.len() && common[down] >= common[here + 1];
            if drops { i += 1 } else { j += 1 }
        }
        if (start, from) != (i, j) {
            let added: usize = known[from..j].iter().map(|part| part.chars().count()).sum();
            let fits = added <= room(lengths[start..i].iter().sum());
            found.push(Departure { parts: start..i, fits });
        }
        (i, j) = (i + 1, j + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer whose tokens are its words with the blank before them, and where `doubted` is drawn with doubt.
    fn draft(text: &str, doubted: &str, known: &str) -> Draft {
        let mut tokens = Vec::new();
        for (start, word) in text.split_inclusive(' ').scan(0, |at, word| {
            *at += word.len();
            Some((*at - word.len(), word))
        }) {
            let logprob = if word.trim() == doubted { -2.0 } else { 0.0 };
            tokens.push((start..start + word.len(), logprob));
        }
        Draft::of(text, &tokens, known).unwrap()
    }

    #[test]
    fn a_departure_in_a_place_is_found_and_mended() {
        let known = "The plural of mouse is mice, they say.";
        for (text, doubted, found, mended) in [
            ("The plural of mouse is mouses, they say.", "mouses,", true, true),
            ("The plural of mouse is mouses, they say.", "mouse", false, false),
            ("The plural of mouses is mouses, they say.", "mouses", true, false),
            ("The plural of mouse is, they say.", "is,", true, true),
            ("The plural of mouse is mice, they say.", "say.", false, true),
            ("  The plural of mouse is mice, they say. ", "none", false, true),
            ("No idea at all about any of that, sorry.", "idea", true, false),
        ] {
            let draft = draft(text, doubted, known);
            let case = format!("{text} {doubted} {draft:?}");
            assert_eq!((draft.is_found(), draft.is_mended(&draft.asked)), (found, mended), "{case}");
        }
    }

    #[test]
    fn what_does_not_fit_in_a_place_is_not_mended() {
        let long = "very ".repeat(20);
        let draft = draft("It is a big house.", "big", &format!("It is a {long}house."));
        assert!(draft.is_found() && !draft.is_mended(&draft.asked));
        assert_eq!((draft.chars(), draft.asked_chars()), (18, 3));
    }
}
