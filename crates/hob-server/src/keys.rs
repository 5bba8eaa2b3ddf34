//! API keys: kept as digests, compared without telling by the time it takes how close a guess was.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// The keys that open the server; without any it is open.
#[derive(Clone, Default)]
pub struct Keys {
    digests: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("count", &self.digests.len()).finish()
    }
}

impl Keys {
    /// Takes keys in; their text is not kept. Blank ones are left out.
    pub fn new<T: AsRef<str>>(keys: impl IntoIterator<Item = T>) -> Self {
        let keys = keys.into_iter();
        let digests =
            keys.filter(|key| !key.as_ref().trim().is_empty()).map(|key| digest(key.as_ref().trim()));
        Self { digests: digests.collect() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether a request with these headers may come in.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        self.is_empty() || given(headers).is_some_and(|key| self.knows(key))
    }

    fn knows(&self, key: &str) -> bool {
        let given = digest(key);
        // All are compared to their end, whichever fits.
        self.digests.iter().fold(false, |known, digest| known | is_same(digest, &given))
    }
}

/// The key in `Authorization: Bearer` or in `x-api-key`.
fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| text("x-api-key"))
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_opens() {
        let keys = Keys::new(["secret one", " two ", ""]);
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            keys.admit(&headers)
        };
        assert!(with("authorization", "Bearer secret one") && with("authorization", "bearer two"));
        assert!(with("x-api-key", "two"));
        for (name, value) in [("authorization", "Bearer secret"), ("authorization", "two"), ("x-api-key", "")]
        {
            assert!(!with(name, value), "{name}: {value}");
        }
        assert!(!keys.admit(&HeaderMap::new()) && Keys::default().admit(&HeaderMap::new()));
        assert_eq!(format!("{keys:?}"), "Keys { count: 2 }");
    }
}
