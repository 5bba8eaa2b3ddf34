//! Where in an answer its own model was in doubt, so that another model may be asked about those places alone.
//!
//! A place is a stretch of improbable tokens, widened to whole words. Few places in an answer that is doubtful as a whole are worth
//! asking about; where doubt is everywhere, the answer is.

use std::iter;
use std::ops::Range;

/// A token less probable than this is doubted.
const DOUBTED: f32 = 0.5;
/// Tokens between two doubted ones that are asked about with them: what stands between is little to hold on to.
const GAP_TOKENS: usize = 2;
/// Most places.
pub const PLACES_MAX: usize = 8;
/// Most characters of an answer that are asked about, of all of them: one part in so many.
const SHARE: usize = 2;
/// Longest word.
const WORD_BYTES_MAX: usize = 48;
/// How many times as many characters as stand in a place may be put there.
const GROWTH: usize = 3;
/// And so many more: a number may become a sentence's end, and no place an answer of its own.
const GROWTH_CHARS: usize = 60;

/// The places in `text` that its model doubts, in their order and apart from each other: byte ranges at the bounds of characters, with
/// no blanks at their ends. `tokens` are the ranges of the answer's tokens in their order, with log-probabilities. Of a document of JSON
/// only texts, numbers and words are doubted: its form was not the model's choice. `None` where nothing is doubted or too much is.
///
/// # Panics
/// Ranges of tokens outside of the text or within a character.
pub fn places(text: &str, tokens: &[(Range<usize>, f32)], is_document: bool) -> Option<Vec<Range<usize>>> {
    let (mut found, words): (Vec<Range<usize>>, _) = (Vec::new(), words(text));
    // All of it, or what stands in its members.
    let open = if is_document { values(text) } else { iter::once(0..text.len()).collect() };
    for stretch in stretches(tokens) {
        let wide = widened(&words, stretch);
        let parts = open.iter().map(|part| wide.start.max(part.start)..wide.end.min(part.end));
        for place in parts.filter(|part| part.start < part.end).map(|part| trimmed(text, part)) {
            match found.last_mut() {
                _ if place.is_empty() => {}
                Some(last) if last.end >= place.start => last.end = last.end.max(place.end),
                _ => found.push(place),
            }
        }
    }
    are_few(text, &found).then_some(found)
}

/// What stands in the members and items of a document of JSON: the insides of texts that are no names, numbers and words.
fn values(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut values, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let end = at.min(bytes.len());
                at = end + 1;
                let rest = text.get(at..).unwrap_or_default();
                if !rest.trim_start().starts_with(':') {
                    values.push(start + 1..end);
                }
            }
            b'-' | b'a'..=b'z' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                values.push(start..at);
            }
            _ => at += 1,
        }
    }
    values
}

/// Whether places in a text are some, and few enough to be asked about.
pub fn are_few(text: &str, places: &[Range<usize>]) -> bool {
    let asked: usize = places.iter().map(|place| text[place.clone()].chars().count()).sum();
    (1..=PLACES_MAX).contains(&places.len()) && asked * SHARE <= text.chars().count()
}

/// Most characters that may be put in a place of so many.
pub fn room(chars: usize) -> usize {
    chars.saturating_mul(GROWTH).saturating_add(GROWTH_CHARS)
}

/// Where doubted tokens follow each other, or nearly.
fn stretches(tokens: &[(Range<usize>, f32)]) -> Vec<Range<usize>> {
    let mut found: Vec<(usize, Range<usize>)> = Vec::new();
    // What is no number speaks for doubt.
    let is_doubted = |logprob: f32| logprob.is_nan() || logprob < DOUBTED.ln();
    for (i, (range, _)) in tokens.iter().enumerate().filter(|(_, (_, logprob))| is_doubted(*logprob)) {
        match found.last_mut() {
            Some((last, stretch)) if i - *last <= GAP_TOKENS + 1 => (*last, stretch.end) = (i, range.end),
            _ => found.push((i, range.clone())),
        }
    }
    found.into_iter().map(|(_, stretch)| stretch).collect()
}

/// A place with the rest of the words that it cuts.
fn widened(words: &[Range<usize>], place: Range<usize>) -> Range<usize> {
    let cut_at = |at: usize| words.iter().find(|word| word.start < at && at < word.end);
    let start = cut_at(place.start).map_or(place.start, |word| word.start);
    let end = cut_at(place.end).map_or(place.end, |word| word.end);
    start..end
}

/// The words of a text. Those of scripts without blanks between words, which cannot be told apart, are none.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut begun = false;
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().is_some_and(|(_, next)| is_of_word(*next));
        // 3.5, 1,000, don't and e-mail are one word each.
        let goes_on = is_of_word(c) || begun && next && matches!(c, '.' | ',' | '\'' | '’' | '-' | ':' | '/');
        match words.last_mut() {
            Some(word) if begun && goes_on => word.end = at + c.len_utf8(),
            _ if goes_on => words.push(at..at + c.len_utf8()),
            _ => {}
        }
        begun = goes_on;
    }
    words.retain(|word| word.len() <= WORD_BYTES_MAX);
    words
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A place without the blanks at its ends.
fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let inside = &text[place.clone()];
    let start = place.start + inside.len() - inside.trim_start().len();
    start..start + inside.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tokens of a text, each the rest up to a stroke; those with a question mark in front are doubted.
    fn tokens(marked: &str) -> (String, Vec<(Range<usize>, f32)>) {
        let (mut text, mut tokens) = (String::new(), Vec::new());
        for part in marked.split('|') {
            let (said, logprob) = part.strip_prefix('?').map_or((part, -0.1), |said| (said, -1.0));
            tokens.push((text.len()..text.len() + said.len(), logprob));
            text.push_str(said);
        }
        (text, tokens)
    }

    fn found(marked: &str) -> Option<Vec<String>> {
        let (text, tokens) = tokens(marked);
        let places = places(&text, &tokens, false)?;
        Some(places.into_iter().map(|place| text[place].to_owned()).collect())
    }

    #[test]
    fn places_are_whole_words_without_blanks() {
        for (marked, expected) in [
            ("The capital of Italy is |?Par|is.", Some(vec!["Paris"])),
            ("It lies on the river |Ti|?ber|, they say", Some(vec!["Tiber"])),
            ("That is about 1|?,2|34.5 metres of rope.", Some(vec!["1,234.5"])),
            ("Pi is about 3|?.|14 in most of the books.", Some(vec!["3.14"])),
            ("We really do|?n't| know who they were.", Some(vec!["don't"])),
            ("Nobody there was ever called |?Ann|.| Really.", Some(vec!["Ann"])),
            // Tokens between two that are doubted go with them; words far from each other do not.
            ("It was in |?June| of |?19|48, as far as anybody has known.", Some(vec!["June of 1948"])),
            (
                "In |?June| they| all| went| home,| and| in |?July| they came back.",
                Some(vec!["June", "July"]),
            ),
            // A blank alone says nothing, and a character without text of its own neither.
            ("One| line|?\n|and another one", None),
            ("One| line|?| and another one", None),
            ("All sure", None),
            ("|?Mostly all| of it", None),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found(marked), expected, "{marked}");
        }
    }

    #[test]
    fn doubt_in_too_many_places_is_doubt_of_the_whole() {
        let places = |count: usize| "|?a| bbb ccc ddd| eee| fff| ggg ".repeat(count);
        assert_eq!(found(&places(PLACES_MAX)).map(|all| all.len()), Some(PLACES_MAX));
        assert_eq!(found(&places(PLACES_MAX + 1)), None);
    }

    #[test]
    fn of_a_document_only_what_stands_in_it_is_doubted() {
        let found = |marked: &str| {
            let (text, tokens) = tokens(marked);
            let places = places(&text, &tokens, true)?;
            Some(places.into_iter().map(|place| text[place].to_owned()).collect::<Vec<_>>())
        };
        let rest = r#", "note": "there is much more than that in it, and it is all sure"}"#;
        for (marked, expected) in [
            (r#"|?{"|name": "Ann Lee""#, None),
            (r#"{"|?na|me|?": "An|n Lee""#, Some(vec!["Ann"])),
            (r#"{"name": "Ann \"|?Nan|\" |Lee| of| Rome|?", "a|ge|": |?4|2"#, Some(vec!["Nan", "42"])),
            (r#"{"name": "Ann Lee|?", "is": tr|ue"#, Some(vec!["true"])),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found(&format!("{marked}|{rest}")), expected, "{marked}");
        }
    }

    #[test]
    fn scripts_without_blanks_are_not_swallowed_whole() {
        let text = "字".repeat(200);
        let tokens: Vec<_> =
            (0..200).map(|i| (3 * i..3 * i + 3, if i == 100 { -5.0 } else { 0.0 })).collect();
        assert_eq!(super::places(&text, &tokens, false), Some(iter::once(300..303).collect()));
    }

    proptest! {
        #[test]
        fn places_are_apart_and_cut_no_character(
            parts in prop::collection::vec(("\\PC{0,6}|[\"\\\\:{},a1 ]{0,6}", -3.0f32..0.0), 0..60),
            is_document in any::<bool>(),
        ) {
            let (mut text, mut tokens) = (String::new(), Vec::new());
            for (said, logprob) in parts {
                tokens.push((text.len()..text.len() + said.len(), logprob));
                text.push_str(&said);
            }
            let mut before = 0;
            for place in super::places(&text, &tokens, is_document).unwrap_or_default() {
                prop_assert!(before <= place.start && place.start < place.end && text.is_char_boundary(place.end));
                prop_assert_eq!(text[place.clone()].trim(), &text[place.clone()]);
                before = place.end + 1;
            }
        }
    }
}
