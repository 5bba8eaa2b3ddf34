//! The printable alphabet in which byte-level vocabularies are written.
//!
//! GPT-2's tokenizer files spell each byte as one printable character: visible Latin-1 characters stand for
//! themselves, the other 68 bytes get the code points from U+0100 on, in byte order.
//! Source: the GPT-2 release (Radford et al., 2019), `bytes_to_unicode` of its encoder.

/// Code points up to this one can stand for a byte.
const CHARS: usize = 0x100 + 68;

const fn stands_for_itself(byte: usize) -> bool {
    (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE
}

/// For each code point below [`CHARS`], the byte, or 256 where it stands for none.
static BYTES: [u16; CHARS] = {
    let mut table = [256u16; CHARS];
    let mut next = 0x100;
    let mut byte = 0;
    while byte < 256 {
        if stands_for_itself(byte) {
            table[byte] = byte as u16;
        } else {
            table[next] = byte as u16;
            next += 1;
        }
        byte += 1;
    }
    table
};

/// The characters that spell `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let spell = |byte: &u8| {
        let point = BYTES.iter().position(|b| *b == u16::from(*byte)).expect("every byte has a character");
        char::from_u32(point as u32).expect("the alphabet ends below the surrogates")
    };
    bytes.iter().map(spell).collect()
}

/// Appends the bytes that `text` spells to `out`; leaves `out` as it was and returns false when a character is not
/// of the alphabet.
pub(crate) fn decode_into(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        // The alphabet ends below U+0800, so its characters have one or two bytes.
        let (point, tail) = match (first, tail.split_first()) {
            (0..=0x7F, _) => (usize::from(first), tail),
            (0xC2..=0xDF, Some((&second, tail))) if second & 0xC0 == 0x80 => {
                (usize::from(first & 0x1F) << 6 | usize::from(second & 0x3F), tail)
            }
            _ => (CHARS, tail),
        };
        match BYTES.get(point).map(|byte| u8::try_from(*byte)) {
            Some(Ok(byte)) => out.push(byte),
            _ => {
                out.truncate(start);
                return false;
            }
        }
        rest = tail;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character() {
        let mut seen: Vec<u8> = BYTES.iter().filter_map(|b| u8::try_from(*b).ok()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn known_spellings() {
        assert_eq!(encode("\n Hé".as_bytes()), "ĊĠHÃ©");
        let mut out = Vec::new();
        assert!(decode_into("ĠHelloĊ".as_bytes(), &mut out));
        assert_eq!(out, b" Hello\n");
        out.clear();
        assert!(decode_into("Ã©".as_bytes(), &mut out));
        assert_eq!(out, "é".as_bytes());
    }

    #[test]
    fn foreign_text_leaves_the_output_alone() {
        let mut out = b"kept".to_vec();
        for text in ["日本".as_bytes(), "a b".as_bytes(), b"\xFF\xFE", b"a\xC3"] {
            assert!(!decode_into(text, &mut out));
            assert_eq!(out, b"kept");
        }
    }
}
