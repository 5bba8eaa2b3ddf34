//! Unicode classes of characters, as the pre-tokenizers of published models use them.
//!
//! One byte of flags per code point answers every question the scanners ask. The tables come from the regex-syntax
//! crate, so that a hand-written scanner and a compiled pattern can never disagree about a character.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, HirKind};

/// `\p{Lu}` and `\p{Lt}`.
pub(crate) const UPPER: u8 = 1;
/// `\p{Ll}`.
pub(crate) const LOWER: u8 = 2;
/// `\p{Lm}` and `\p{Lo}`.
pub(crate) const OTHER_LETTER: u8 = 4;
/// `\p{N}`.
pub(crate) const NUMBER: u8 = 8;
/// `\p{M}`.
pub(crate) const MARK: u8 = 16;
/// `\p{P}`.
pub(crate) const PUNCTUATION: u8 = 32;
/// `\p{Cc}`, `\p{Cf}` and `\p{Co}`.
pub(crate) const CONTROL: u8 = 64;
/// `\s`.
pub(crate) const SPACE: u8 = 128;
/// `\p{L}`.
pub(crate) const LETTER: u8 = UPPER | LOWER | OTHER_LETTER;

/// The table covers the planes that hold letters; beyond it only variation selectors, tags and private use exist.
const TABLE_END: usize = 0x3_2400;

static TABLE: OnceLock<Box<[u8]>> = OnceLock::new();

fn ranges(pattern: &str) -> Vec<(u32, u32)> {
    let hir = regex_syntax::parse(pattern).expect("the patterns in this file are valid");
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()
        }
        _ => Vec::new(),
    }
}

fn build() -> Box<[u8]> {
    let mut table = vec![0u8; TABLE_END].into_boxed_slice();
    let classes: [(&str, u8); 8] = [
        (r"[\p{Lu}\p{Lt}]", UPPER),
        (r"\p{Ll}", LOWER),
        (r"[\p{Lm}\p{Lo}]", OTHER_LETTER),
        (r"\p{N}", NUMBER),
        (r"\p{M}", MARK),
        (r"\p{P}", PUNCTUATION),
        (r"[\p{Cc}\p{Cf}\p{Co}]", CONTROL),
        (r"\p{White_Space}", SPACE),
    ];
    for (pattern, flag) in classes {
        for (start, end) in ranges(pattern) {
            for flags in table.iter_mut().take(end as usize + 1).skip(start as usize) {
                *flags |= flag;
            }
        }
    }
    table
}

/// The flags of a character.
#[inline]
pub(crate) fn flags(c: char) -> u8 {
    let table = TABLE.get_or_init(build);
    match table.get(c as usize) {
        Some(flags) => *flags,
        None if ('\u{E0100}'..='\u{E01EF}').contains(&c) => MARK,
        None if c >= '\u{E0001}' => CONTROL,
        None => 0,
    }
}

/// Whether the character is of category Mn, which lower-casing BERT models remove.
pub(crate) fn is_nonspacing_mark(c: char) -> bool {
    static RANGES: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    if flags(c) & MARK == 0 {
        return false;
    }
    let ranges = RANGES.get_or_init(|| ranges(r"\p{Mn}"));
    let after = ranges.partition_point(|(start, _)| *start <= u32::from(c));
    after > 0 && ranges[after - 1].1 >= u32::from(c)
}

/// Whether the character is one of the CJK ideographs that BERT spaces out.
/// Source: `_is_chinese_char` of the BERT release (Devlin et al., 2018).
pub(crate) fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B73F | 0x2_B740..=0x2_B81F
        | 0x2_B920..=0x2_CEAF | 0xF900..=0xFAFF | 0x2_F800..=0x2_FA1F)
}

/// The first character of `text` from byte `at`, with its length.
#[inline]
pub(crate) fn char_at(text: &str, at: usize) -> Option<(char, usize)> {
    let c = text.get(at..)?.chars().next()?;
    Some((c, c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_agree_with_the_standard_library_everywhere() {
        for c in '\0'..=char::MAX {
            let f = flags(c);
            // The two know different editions of Unicode; neither moves a character that it once assigned.
            if f == 0 {
                continue;
            }
            assert_eq!(f & SPACE != 0, c.is_whitespace(), "{:X}", c as u32);
            assert_eq!(f & NUMBER != 0, c.is_numeric(), "{:X}", c as u32);
            assert!(f & LETTER == 0 || c.is_alphabetic(), "{:X}", c as u32);
            assert!(f & CONTROL != 0 || !c.is_control(), "{:X}", c as u32);
            assert!(
                (f & (LETTER | NUMBER | MARK | PUNCTUATION | CONTROL)).count_ones() <= 1,
                "{:X}",
                c as u32
            );
        }
    }

    #[test]
    fn marks() {
        assert!(is_nonspacing_mark('\u{301}'));
        assert!(!is_nonspacing_mark('\u{903}'), "a spacing mark");
        assert!(!is_nonspacing_mark('e'));
    }
}
