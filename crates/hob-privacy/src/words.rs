//! Words that everybody uses: whoever reads them learns nothing of the writer.
//!
//! `words.txt` has the eight thousand English words that stood most often, in small letters, in classic books, in documentation of
//! Rust and Python and in published conversations; words that stood with a capital more often than without are left out, since
//! those are names.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The words, one a line.
pub(crate) const WORDS: &str = include_str!("words.txt");

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| WORDS.lines().collect());

/// Endings that make another form of a word.
const ENDINGS: [&str; 9] = ["s", "es", "ed", "d", "ing", "ly", "er", "r", "n"];

/// Whether a word in small letters is one of them, or a form of one.
pub fn is_common(lower: &str) -> bool {
    let known = |word: &str| COMMON.contains(word);
    known(lower)
        || ENDINGS.iter().any(|ending| {
            let stem = lower.strip_suffix(ending).filter(|stem| stem.len() > 2);
            stem.is_some_and(|stem| known(stem) || (ending.len() > 1 && known(&format!("{stem}e"))))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_words_are_common_and_names_are_not() {
        for word in ["the", "table", "tables", "walked", "making", "quickly"] {
            assert!(is_common(word), "{word}");
        }
        for word in ["aaliya", "khandallah", "xq", ""] {
            assert!(!is_common(word), "{word}");
        }
    }
}
