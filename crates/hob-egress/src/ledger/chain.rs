//! Lines and digests: how an entry becomes a line, and how a line is read back only if nothing of it was changed.

use crate::ledger::{Entry, LedgerError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longest line; an entry has no field that grows with what is sent.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;
/// What a line begins with, before its digest.
const OPENING: &str = "{\"hash\":\"";
/// What stands between digest and entry.
const JOINT: &str = "\",";
/// Goes into every digest, so that it is the digest of nothing else.
const DOMAIN: &[u8] = b"hob ledger 1\n";

/// A SHA-256 digest, in small hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a digest of 64 small hexadecimal digits")]
pub struct NoHash;

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NoHash),
        };
        let bytes: &[u8; 64] = text.as_bytes().try_into().map_err(|_| NoHash)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest of 64 small hexadecimal digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// How far a chain goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tip {
    /// Entries.
    pub n: u64,
    /// The digest of the last one.
    pub hash: Hash,
    /// Bytes of their lines.
    pub bytes: u64,
}

/// The line of `entry`, with its end, and its digest.
pub(crate) fn written(entry: &Entry) -> Result<(String, Hash), LedgerError> {
    let json = serde_json::to_string(entry).map_err(|e| LedgerError::Entry { found: e.to_string() })?;
    let hash = digest(json.as_bytes());
    let line = format!("{OPENING}{hash}{JOINT}{}\n", &json[1..]);
    if line.len() > LINE_BYTES_MAX {
        return Err(LedgerError::Entry { found: format!("{} bytes", line.len()) });
    }
    Ok((line, hash))
}

/// The entry of a line, which has to follow `tip`; moves `tip` on. `line` is without its end.
pub(crate) fn read(line: &[u8], tip: &mut Tip) -> Result<Entry, LedgerError> {
    let refuse = |found| LedgerError::Damaged { n: tip.n + 1, found };
    let text = std::str::from_utf8(line).map_err(|_| refuse("bytes that are no text"))?;
    let rest = text.strip_prefix(OPENING).ok_or(refuse("a line that does not begin with its digest"))?;
    let (stated, rest) = rest.split_at_checked(64).ok_or(refuse("a line without a whole digest"))?;
    let stated: Hash = stated.parse().map_err(|_| refuse("a line without a whole digest"))?;
    let rest = rest.strip_prefix(JOINT).ok_or(refuse("something else after the digest"))?;
    let mut json = String::with_capacity(rest.len() + 1);
    json.push('{');
    json.push_str(rest);
    let hash = digest(json.as_bytes());
    if hash != stated {
        return Err(refuse("a digest that does not belong to the entry"));
    }
    let entry: Entry = serde_json::from_str(&json).map_err(|_| refuse("an entry of another form"))?;
    if entry.prev != tip.hash {
        return Err(refuse("an entry that does not follow the one before it"));
    }
    if entry.n != tip.n + 1 {
        return Err(refuse("a number that does not follow"));
    }
    *tip = Tip { n: entry.n, hash, bytes: tip.bytes + line.len() as u64 + 1 };
    Ok(entry)
}

fn digest(json: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(json);
    Hash(hasher.finalize().into())
}
