//! The codebook formats below 4 bits, encoded. The layouts are in `iq_low.rs`, the searches in `search/codebook.rs`.

use super::{f16_at, field, iq_codebooks as books};
use crate::float::{f16_to_f32, store_f16};
use crate::search::books::{Pairs, Signs};
use crate::search::codebook::{Elements, Entries, Format, best_entries, follow};
use crate::search::entries::{Eights, Fours};
use crate::search::steps::Ladder;

static IQ2_XXS: [Eights<256>; 1] = [Pairs::new(&books::IQ2_XXS, books::IQ2_LEVELS, 0, Signs::Even)];
static IQ2_XS: [Eights<512>; 1] = [Pairs::new(&books::IQ2_XS, books::IQ2_LEVELS, 0, Signs::Even)];
static IQ2_S: [Eights<1024>; 1] = [Pairs::new(&books::IQ2_S, books::IQ2_LEVELS, 0, Signs::Free)];
static IQ3_XXS: [Fours<256>; 1] = [Pairs::new(&books::IQ3_XXS, books::IQ3_XXS_LEVELS, 0, Signs::Even)];
static IQ3_S: [Fours<512>; 1] = [Pairs::new(&books::IQ3_S, books::IQ3_S_LEVELS, 0, Signs::Free)];
/// Moved up by an eighth, and down.
static IQ1: [Eights<2048>; 2] = [
    Pairs::new(&books::IQ1, books::IQ1_LEVELS, 1, Signs::InEntry),
    Pairs::new(&books::IQ1, books::IQ1_LEVELS, -1, Signs::InEntry),
];

/// Steps of an eighth or so between scales call for many tries.
const TRIES: [f32; 9] = [1.0, 0.88, 0.92, 0.96, 1.04, 1.08, 1.13, 1.2, 1.3];

fn ladder(highest: i32, offset: f32, unit: f32) -> Ladder {
    Ladder { lowest: 0, highest, offset, unit, tries: &TRIES }
}

fn iq2<const E: usize>(books: &[Eights<E>]) -> Format<'_, Eights<E>> {
    Format { books, shared: false, ladder: ladder(15, 0.5, 0.25), extreme: 43.0, typical: 25.0, flat: 8.0 }
}

fn iq1(shared: bool) -> Format<'static, Eights<2048>> {
    Format { books: &IQ1, shared, ladder: ladder(7, 0.5, 0.25), extreme: 9.0, typical: 6.5, flat: 9.0 }
}

fn iq3_xxs() -> Format<'static, Fours<256>> {
    Format {
        books: &IQ3_XXS,
        shared: false,
        ladder: ladder(15, 0.5, 0.5),
        extreme: 62.0,
        typical: 25.0,
        flat: 28.0,
    }
}

fn iq3_s() -> Format<'static, Fours<512>> {
    Format {
        books: &IQ3_S,
        shared: false,
        ladder: ladder(15, 0.5, 2.0),
        extreme: 15.0,
        typical: 6.7,
        flat: 1.0,
    }
}

/// Defines how blocks of a format are made, from nothing and from a block whose scales stay.
macro_rules! codebook_format {
    ($encode:ident, $renew:ident, $sub_blocks:literal, $bytes:literal, $format:expr, $unpack:ident, $pack:ident) => {
        pub(crate) fn $encode(elements: Elements<'_>, block: &mut [u8; $bytes]) -> Option<()> {
            let best: Entries<$sub_blocks> = best_entries(elements, &$format)?;
            $pack(&best, block)
        }

        /// New entries for `x`; the scales of sub-blocks stay, that of the block follows.
        pub(crate) fn $renew(x: &[f32; 256], block: &mut [u8; $bytes]) {
            let mut entries = $unpack(block);
            follow(&mut entries, x, &$format);
            $pack(&entries, block).expect("a scale that was stored, or one that can be");
        }
    };
}

codebook_format!(encode_iq2_xxs, renew_iq2_xxs, 8, 66, iq2(&IQ2_XXS), unpack_iq2_xxs, pack_iq2_xxs);
codebook_format!(encode_iq2_xs, renew_iq2_xs, 16, 74, iq2(&IQ2_XS), unpack_iq2_xs, pack_iq2_xs);
codebook_format!(encode_iq2_s, renew_iq2_s, 16, 82, iq2(&IQ2_S), unpack_iq2_s, pack_iq2_s);
codebook_format!(encode_iq3_xxs, renew_iq3_xxs, 8, 98, iq3_xxs(), unpack_iq3_xxs, pack_iq3_xxs);
codebook_format!(encode_iq3_s, renew_iq3_s, 8, 110, iq3_s(), unpack_iq3_s, pack_iq3_s);
codebook_format!(encode_iq1_s, renew_iq1_s, 8, 50, iq1(true), unpack_iq1_s, pack_iq1_s);
codebook_format!(encode_iq1_m, renew_iq1_m, 16, 56, iq1(false), unpack_iq1_m, pack_iq1_m);

fn pack_iq2_xxs(best: &Entries<8>, block: &mut [u8; 66]) -> Option<()> {
    for (group, bytes) in block[2..].as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut word = (best.steps.levels[group] as u32) << 28;
        for (i, byte) in bytes[..4].iter_mut().enumerate() {
            let run = 4 * group + i;
            *byte = best.codes[run] as u8;
            word |= u32::from(best.signs[run] & 127) << (7 * i);
        }
        bytes[4..].copy_from_slice(&word.to_le_bytes());
    }
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq2_xxs(block: &[u8; 66]) -> Entries<8> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for (group, bytes) in block[2..].as_chunks::<8>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*field::<4, 4>(bytes));
        entries.steps.levels[group] = (word >> 28) as i32;
        for (i, byte) in bytes[..4].iter().enumerate() {
            entries.codes[4 * group + i] = u32::from(*byte);
            entries.signs[4 * group + i] = (word >> (7 * i) & 127) as u8;
        }
    }
    entries
}

fn pack_iq2_xs(best: &Entries<16>, block: &mut [u8; 74]) -> Option<()> {
    for (run, bytes) in block[2..66].as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let code = best.codes[run] as u16;
        *bytes = (code | u16::from(best.signs[run] & 127) << 9).to_le_bytes();
    }
    put_nibbles(&mut block[66..], &best.steps.levels);
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq2_xs(block: &[u8; 74]) -> Entries<16> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for (run, bytes) in block[2..66].as_chunks::<2>().0.iter().enumerate() {
        let word = u16::from_le_bytes(*bytes);
        (entries.codes[run], entries.signs[run]) = (u32::from(word & 511), (word >> 9) as u8);
    }
    get_nibbles(&block[66..], &mut entries.steps.levels);
    entries
}

fn pack_iq2_s(best: &Entries<16>, block: &mut [u8; 82]) -> Option<()> {
    block[66..74].fill(0);
    for (run, &code) in best.codes.iter().enumerate() {
        block[2 + run] = code as u8;
        block[34 + run] = best.signs[run];
        block[66 + run / 4] |= ((code >> 8) as u8) << (2 * (run % 4));
    }
    put_nibbles(&mut block[74..], &best.steps.levels);
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq2_s(block: &[u8; 82]) -> Entries<16> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for run in 0..32 {
        let high = block[66 + run / 4] >> (2 * (run % 4)) & 3;
        entries.codes[run] = u32::from(block[2 + run]) | u32::from(high) << 8;
        entries.signs[run] = block[34 + run];
    }
    get_nibbles(&block[74..], &mut entries.steps.levels);
    entries
}

fn pack_iq3_xxs(best: &Entries<8>, block: &mut [u8; 98]) -> Option<()> {
    for group in 0..8 {
        let mut word = (best.steps.levels[group] as u32) << 28;
        for i in 0..4 {
            let run = 4 * group + i;
            let code = best.codes[run];
            block[2 + 2 * run] = code as u8;
            block[3 + 2 * run] = (code >> 16) as u8;
            word |= u32::from(best.signs[run] & 127) << (7 * i);
        }
        block[66 + 4 * group..70 + 4 * group].copy_from_slice(&word.to_le_bytes());
    }
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq3_xxs(block: &[u8; 98]) -> Entries<8> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for (group, word) in field::<66, 32>(block).as_chunks::<4>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*word);
        entries.steps.levels[group] = (word >> 28) as i32;
        for i in 0..4 {
            let run = 4 * group + i;
            entries.codes[run] = u32::from(block[2 + 2 * run]) | u32::from(block[3 + 2 * run]) << 16;
            entries.signs[run] = (word >> (7 * i) & 127) as u8;
        }
    }
    entries
}

fn pack_iq3_s(best: &Entries<8>, block: &mut [u8; 110]) -> Option<()> {
    block[66..74].fill(0);
    for (run, &code) in best.codes.iter().enumerate() {
        for (half, code) in [code & 0xFFFF, code >> 16].into_iter().enumerate() {
            let quad = 2 * run + half;
            block[2 + quad] = code as u8;
            block[66 + quad / 8] |= ((code >> 8) as u8) << (quad % 8);
        }
        block[74 + run] = best.signs[run];
    }
    put_nibbles(&mut block[106..], &best.steps.levels);
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq3_s(block: &[u8; 110]) -> Entries<8> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for run in 0..32 {
        let quad =
            |quad: usize| u32::from(block[2 + quad]) | u32::from(block[66 + quad / 8] >> (quad % 8) & 1) << 8;
        entries.codes[run] = quad(2 * run) | quad(2 * run + 1) << 16;
        entries.signs[run] = block[74 + run];
    }
    get_nibbles(&block[106..], &mut entries.steps.levels);
    entries
}

fn pack_iq1_s(best: &Entries<8>, block: &mut [u8; 50]) -> Option<()> {
    for group in 0..8 {
        let mut word = (best.steps.levels[group] as u16) << 12 | u16::from(best.books[4 * group]) << 15;
        for i in 0..4 {
            let code = best.codes[4 * group + i];
            block[2 + 4 * group + i] = code as u8;
            word |= ((code >> 8) as u16) << (3 * i);
        }
        block[34 + 2 * group..36 + 2 * group].copy_from_slice(&word.to_le_bytes());
    }
    store_f16(block, 0, best.steps.d)
}

fn unpack_iq1_s(block: &[u8; 50]) -> Entries<8> {
    let mut entries = Entries::empty(f16_at::<0>(block));
    for (group, word) in field::<34, 16>(block).as_chunks::<2>().0.iter().enumerate() {
        let word = u16::from_le_bytes(*word);
        entries.steps.levels[group] = i32::from(word >> 12 & 7);
        for i in 0..4 {
            let run = 4 * group + i;
            entries.codes[run] = u32::from(block[2 + run]) | u32::from(word >> (3 * i) & 7) << 8;
            entries.books[run] = (word >> 15) as u8;
        }
    }
    entries
}

fn pack_iq1_m(best: &Entries<16>, block: &mut [u8; 56]) -> Option<()> {
    for (run, &code) in best.codes.iter().enumerate() {
        block[run] = code as u8;
        let nibble = (code >> 8) as u8 | best.books[run] << 3;
        block[32 + run / 2] = if run % 2 == 0 { nibble } else { block[32 + run / 2] | nibble << 4 };
    }
    let mut d = [0; 2];
    store_f16(&mut d, 0, best.steps.d)?;
    for (i, word) in block[48..].as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let scales = (0..4).fold(0, |bits, k| bits | (best.steps.levels[4 * i + k] as u16) << (3 * k));
        *word = (scales | (u16::from_le_bytes(d) >> (4 * i) & 15) << 12).to_le_bytes();
    }
    Some(())
}

fn unpack_iq1_m(block: &[u8; 56]) -> Entries<16> {
    let words: [u16; 4] = std::array::from_fn(|i| u16::from_le_bytes([block[48 + 2 * i], block[49 + 2 * i]]));
    let d = (0..4).fold(0, |d, i| d | (words[i] >> 12) << (4 * i));
    let mut entries = Entries::empty(f16_to_f32(d));
    for (i, level) in entries.steps.levels.iter_mut().enumerate() {
        *level = i32::from(words[i / 4] >> (3 * (i % 4)) & 7);
    }
    for run in 0..32 {
        let nibble = block[32 + run / 2] >> (4 * (run % 2)) & 15;
        entries.codes[run] = u32::from(block[run]) | u32::from(nibble & 7) << 8;
        entries.books[run] = nibble >> 3;
    }
    entries
}

/// Low nibbles first.
fn put_nibbles(bytes: &mut [u8], levels: &[i32]) {
    for (byte, pair) in bytes.iter_mut().zip(levels.as_chunks::<2>().0) {
        *byte = pair[0] as u8 | (pair[1] as u8) << 4;
    }
}

fn get_nibbles(bytes: &[u8], levels: &mut [i32]) {
    for (byte, pair) in bytes.iter().zip(levels.as_chunks_mut::<2>().0) {
        *pair = [i32::from(byte & 15), i32::from(byte >> 4)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a block of any bytes makes that block again.
    fn comes_back<const S: usize, const BYTES: usize>(
        unpack: fn(&[u8; BYTES]) -> Entries<S>,
        pack: fn(&Entries<S>, &mut [u8; BYTES]) -> Option<()>,
        scale: impl Fn(&mut [u8; BYTES]),
    ) {
        let mut state = 1u32;
        let mut block = [0; BYTES].map(|_: u8| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        scale(&mut block);
        let mut again = [0; BYTES];
        pack(&unpack(&block), &mut again).unwrap();
        assert_eq!(again, block);
    }

    #[test]
    fn blocks_are_read_as_they_are_written() {
        fn first<const BYTES: usize>(block: &mut [u8; BYTES]) {
            block[..2].copy_from_slice(&[0x12, 0x34]);
        }
        comes_back(unpack_iq2_xxs, pack_iq2_xxs, first);
        comes_back(unpack_iq2_xs, pack_iq2_xs, first);
        comes_back(unpack_iq2_s, pack_iq2_s, first);
        comes_back(unpack_iq3_xxs, pack_iq3_xxs, first);
        comes_back(unpack_iq3_s, pack_iq3_s, first);
        comes_back(unpack_iq1_s, pack_iq1_s, first);
        // The scale's top nibble is the block's last.
        comes_back(unpack_iq1_m, pack_iq1_m, |block| block[55] = 0x35);
    }
}
