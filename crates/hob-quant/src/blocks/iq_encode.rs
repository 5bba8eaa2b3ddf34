//! The codebook formats below 4 bits, encoded. The layouts are in `iq_low.rs`, the searches in `search/codebook.rs`.

use super::iq_codebooks as books;
use crate::float::store_f16;
use crate::search::books::{Pairs, Signs};
use crate::search::codebook::{Elements, Entries, Format, best_entries};
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

pub(crate) fn encode_iq2_xxs(elements: Elements<'_>, block: &mut [u8; 66]) -> Option<()> {
    let best: Entries<8> = best_entries(elements, &iq2(&IQ2_XXS))?;
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

pub(crate) fn encode_iq2_xs(elements: Elements<'_>, block: &mut [u8; 74]) -> Option<()> {
    let best: Entries<16> = best_entries(elements, &iq2(&IQ2_XS))?;
    for (run, bytes) in block[2..66].as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let code = best.codes[run] as u16;
        *bytes = (code | u16::from(best.signs[run] & 127) << 9).to_le_bytes();
    }
    put_nibbles(&mut block[66..], &best.steps.levels);
    store_f16(block, 0, best.steps.d)
}

pub(crate) fn encode_iq2_s(elements: Elements<'_>, block: &mut [u8; 82]) -> Option<()> {
    let best: Entries<16> = best_entries(elements, &iq2(&IQ2_S))?;
    block[66..74].fill(0);
    for (run, &code) in best.codes.iter().enumerate() {
        block[2 + run] = code as u8;
        block[34 + run] = best.signs[run];
        block[66 + run / 4] |= ((code >> 8) as u8) << (2 * (run % 4));
    }
    put_nibbles(&mut block[74..], &best.steps.levels);
    store_f16(block, 0, best.steps.d)
}

pub(crate) fn encode_iq3_xxs(elements: Elements<'_>, block: &mut [u8; 98]) -> Option<()> {
    let format = Format {
        books: &IQ3_XXS,
        shared: false,
        ladder: ladder(15, 0.5, 0.5),
        extreme: 62.0,
        typical: 25.0,
        flat: 28.0,
    };
    let best: Entries<8> = best_entries(elements, &format)?;
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

pub(crate) fn encode_iq3_s(elements: Elements<'_>, block: &mut [u8; 110]) -> Option<()> {
    let format = Format {
        books: &IQ3_S,
        shared: false,
        ladder: ladder(15, 0.5, 2.0),
        extreme: 15.0,
        typical: 6.7,
        flat: 1.0,
    };
    let best: Entries<8> = best_entries(elements, &format)?;
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

pub(crate) fn encode_iq1_s(elements: Elements<'_>, block: &mut [u8; 50]) -> Option<()> {
    let best: Entries<8> = best_entries(elements, &iq1(true))?;
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

pub(crate) fn encode_iq1_m(elements: Elements<'_>, block: &mut [u8; 56]) -> Option<()> {
    let best: Entries<16> = best_entries(elements, &iq1(false))?;
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

/// Low nibbles first.
fn put_nibbles(bytes: &mut [u8], levels: &[i32]) {
    for (byte, pair) in bytes.iter_mut().zip(levels.as_chunks::<2>().0) {
        *byte = pair[0] as u8 | (pair[1] as u8) << 4;
    }
}
