//! The part of an address behind the question mark.

use crate::problem::Problem;
use axum::http::Uri;
use hob_chats::limits::PAGE_MAX;

/// Conversations, messages or hits when nothing is said.
const LIMIT_DEFAULT: usize = 100;

/// Names and values.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The query of an address.
    ///
    /// # Errors
    /// It is no UTF-8 once it is decoded.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        let decoded: Option<Vec<_>> = decoded.collect();
        decoded.map(Self).ok_or_else(|| Problem::invalid("query", "expected UTF-8 in the address"))
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A value that is a number from 0 on.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number >= 0);
        let wrong = || {
            Problem::invalid(
                name,
                format!("{name}: expected a number, found {:?}", value.chars().take(40).collect::<String>()),
            )
        };
        number.map(Some).ok_or_else(wrong)
    }

    /// How many are wanted.
    ///
    /// # Errors
    /// As [`Query::number`].
    pub fn limit(&self) -> Result<usize, Problem> {
        let limit =
            self.number("limit")?.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX));
        Ok(limit.clamp(1, PAGE_MAX))
    }
}

/// `%20` and `+` as what they stand for.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Option<Query> {
        Query::of(&format!("/x?{text}").parse().unwrap()).ok()
    }

    #[test]
    fn values_are_decoded() {
        let q = query("q=a+b%20%E6%BC%A2&id=1&id=2&flag&limit=7&n=x").unwrap();
        assert_eq!((q.get("q"), q.get("flag"), q.get("none")), (Some("a b 漢"), Some(""), None));
        assert_eq!(q.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(q.limit().unwrap(), 7);
        assert!(q.number("n").is_err() && q.number("none").unwrap().is_none());
        assert_eq!(query("limit=99999999").unwrap().limit().unwrap(), PAGE_MAX);
        for wrong in ["q=%", "q=%f", "q=%zz", "q=%ff"] {
            assert!(query(wrong).is_none(), "{wrong}");
        }
    }
}
