//! SHA-256 of contents: what a file is, whatever it is called.

use crate::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::io::Read;

/// Bytes hashed between two looks at the caller's wishes.
const STEP_BYTES: usize = 1 << 20;

/// The SHA-256 of a content. Only this type becomes part of a path that foreign data decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Reads 64 hexadecimal digits, with or without `sha256:` or Ollama's `sha256-` before them.
    ///
    /// # Errors
    /// [`Error::Digest`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = || Error::Digest { found: text.chars().take(80).collect() };
        let hex = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-")).unwrap_or(text);
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(refuse);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that a hasher came to.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of everything that `source` gives. `step` hears of every piece and may stop the work.
    pub(crate) fn of_reader(
        source: &mut impl Read,
        mut step: impl FnMut(usize) -> Result<(), Error>,
    ) -> Result<Result<Self, std::io::Error>, Error> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; STEP_BYTES];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(Ok(Self(hasher.finalize().into()))),
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    step(read)?;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// The first half in hexadecimal digits: enough to tell pieces of one download apart.
    pub(crate) fn short(&self) -> String {
        self.to_string()[..32].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = String::new();
        self.0[..6].iter().try_for_each(|byte| write!(short, "{byte:02x}"))?;
        write!(f, "Digest({short}..)")
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        for text in [empty.to_owned(), format!("sha256:{empty}"), format!("sha256-{}", empty.to_uppercase())]
        {
            assert_eq!(Digest::parse(&text).unwrap(), Digest::of(b""));
        }
        let stars = "*".repeat(64);
        for text in [
            "",
            "abc",
            &empty[..63],
            &format!("{empty}0"),
            &stars,
            &format!("../{}", &empty[..61]),
            &"é".repeat(32),
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
        let read = Digest::of_reader(&mut &b"abc"[..], |_| Ok(())).unwrap().unwrap();
        assert_eq!(read, Digest::of(b"abc"));
    }
}
