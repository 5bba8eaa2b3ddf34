//! Names of answers and calls: nobody can guess another's.

use crate::clock;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Hashers are seeded by the system.
static SECRET: LazyLock<[u64; 4]> =
    LazyLock::new(|| std::array::from_fn(|index| RandomState::new().hash_one(index)));

/// `prefix` and 24 digits.
pub fn new(prefix: &str) -> String {
    let mut hash = Sha256::new();
    SECRET.iter().for_each(|word| hash.update(word.to_le_bytes()));
    hash.update(clock::seed().to_le_bytes());
    let mut id = prefix.to_owned();
    hash.finalize()
        .iter()
        .take(12)
        .for_each(|byte| write!(id, "{byte:02x}").expect("strings take everything"));
    id
}

/// A digest in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take everything");
        text
    })
}

/// Bytes in base 64.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
