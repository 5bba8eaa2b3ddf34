//! What can go wrong, and the request that a test decides by.

use std::time::Duration;

/// Which of the two hosts was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The hub: listings, and redirects to the storage.
    Hub,
    /// Where the bytes are.
    Storage,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who was asked.
    pub place: Place,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// How many requests came before, to either place.
    pub index: usize,
    /// How many others are being answered at this moment, at the same place.
    pub busy: usize,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What happens instead of, or to, the right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another status, with `Retry-After` in seconds if given.
    Status(u16, Option<u32>),
    /// The connection ends without an answer.
    Hangup,
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// So many bytes of the body come, then nothing for so long, then the end.
    Stall(usize, Duration),
    /// The body's byte at this place (counted from the start of the answer) is another one.
    Flip(usize),
    /// The range is ignored: the whole body with status 200.
    NoRange,
    /// So many bytes a second.
    Slow(u64),
    /// A redirect to this address.
    Redirect(String),
    /// Bytes go on after those announced by the range: the whole rest of the file is sent as if it were the range.
    Long,
}
