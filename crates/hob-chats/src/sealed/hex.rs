//! Bytes as digits, for files that people may have to look at.

use std::fmt::Write;

/// Two digits for each byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that a text of digits stands for.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    digits.chunks_exact(2).map(byte).collect()
}

/// The same for a number of bytes that is known.
pub(crate) fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_back() {
        assert_eq!(text(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(bytes("007FfF"), Some(vec![0, 0x7f, 0xff]));
        assert_eq!(array::<2>("0102"), Some([1, 2]));
        for wrong in ["0", "0g", "+1", "ä"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(array::<2>("01"), None);
    }
}
