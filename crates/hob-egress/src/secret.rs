//! Tokens that no log and no error message shows.

use std::fmt;

/// A credential. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a token as it stands in a file or variable: white space around it is not part of it. `None` when nothing is
    /// left or when it could not stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        is_token.then(|| Self(text.to_owned()))
    }

    /// The header's value.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The value of a header that has nothing before it.
    pub(crate) fn bare(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_shows_nothing_and_cannot_break_a_header() {
        let secret = Secret::new(" hf_planted\n").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.bearer(), "Bearer hf_planted");
        for text in ["", "  \n", "a b", "a\r\nHost: b", "ä"] {
            assert_eq!(Secret::new(text), None, "{text:?}");
        }
    }
}
