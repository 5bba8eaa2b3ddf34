//! Words, numbers and marks of a text.

use std::ops::Range;

/// A piece of a text: a run of letters and digits, one other character, or a line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub range: Range<usize>,
    /// Blanks before it.
    pub spaced: bool,
}

/// The tokens of `text`. Blanks are none; line breaks are.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut spaced = true;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let is_word = c.is_alphanumeric() || is_mark(c);
        match tokens.last_mut() {
            Some(last) if is_word && in_word => last.range.end = end,
            _ if c.is_whitespace() && c != '\n' => spaced = true,
            _ => {
                tokens.push(Token { range: at..end, spaced });
                spaced = false;
            }
        }
        in_word = is_word;
    }
    tokens
}

/// Accents that are characters of their own.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_marks_are_told_apart() {
        let text = "Zoë's e-mail:\n  12.5 ";
        let found: Vec<(&str, bool)> =
            tokens(text).iter().map(|t| (&text[t.range.clone()], t.spaced)).collect();
        assert_eq!(
            found,
            [
                ("Zoë", true),
                ("'", false),
                ("s", false),
                ("e", true),
                ("-", false),
                ("mail", false),
                (":", false),
                ("\n", false),
                ("12", true),
                (".", false),
                ("5", false)
            ]
        );
        assert!(tokens("").is_empty() && tokens(" \t").is_empty());
    }
}
