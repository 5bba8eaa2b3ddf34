//! Names of conversations and messages.

use crate::Error;
use crate::limits::{ID_MAX, ID_MIN};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a conversation or of a message: 8 to 32 ASCII letters and digits. Nothing shorter, so that paths of the
/// server can have words in the same place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(String);

impl Id {
    /// The id that a text is.
    ///
    /// # Errors
    /// [`Error::Id`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_id =
            (ID_MIN..=ID_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if is_id {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Id { found: text.chars().take(ID_MAX + 1).collect() })
    }

    /// The id as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}
