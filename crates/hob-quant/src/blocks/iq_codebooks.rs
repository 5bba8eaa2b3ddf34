//! The codebooks of the IQ1, IQ2 and IQ3 formats, unpacked when the program is compiled.
//!
//! `iq_codebooks.bin` holds one u16 per entry, its elements' levels as digits (base 3, or 8 for IQ3), first element
//! lowest; `tools/make_iq_codebooks.py` makes it. The numbers are constants of the file format, published with ggml.

const PACKED: &[u8; 2 * 4608] = include_bytes!("iq_codebooks.bin");

/// What the three levels of the IQ2 codebooks stand for.
pub(crate) const IQ2_LEVELS: [i8; 3] = [8, 25, 43];
pub(crate) const IQ3_XXS_LEVELS: [i8; 8] = [4, 12, 20, 28, 36, 44, 52, 62];
pub(crate) const IQ3_S_LEVELS: [i8; 8] = [1, 3, 5, 7, 9, 11, 13, 15];
/// Ternary values times eight, so that the offset of an eighth that goes with them is an integer too.
pub(crate) const IQ1_LEVELS: [i8; 3] = [-8, 0, 8];

/// Magnitudes of eight elements.
pub static IQ2_XXS: [[i8; 8]; 256] = unpack(0, IQ2_LEVELS);
/// As [`IQ2_XXS`].
pub static IQ2_XS: [[i8; 8]; 512] = unpack(256, IQ2_LEVELS);
/// As [`IQ2_XXS`].
pub static IQ2_S: [[i8; 8]; 1024] = unpack(768, IQ2_LEVELS);
/// Magnitudes of four elements.
pub static IQ3_XXS: [[i8; 4]; 256] = unpack(1792, IQ3_XXS_LEVELS);
/// As [`IQ3_XXS`].
pub static IQ3_S: [[i8; 4]; 512] = unpack(2048, IQ3_S_LEVELS);
/// Eight elements in eighths, of IQ1_S and IQ1_M.
pub static IQ1: [[i8; 8]; 2048] = unpack(2560, IQ1_LEVELS);

/// The `ENTRIES` entries from number `first` on, each of `N` digits in base `LEVELS`.
const fn unpack<const N: usize, const ENTRIES: usize, const LEVELS: usize>(
    first: usize,
    levels: [i8; LEVELS],
) -> [[i8; N]; ENTRIES] {
    let mut entries = [[0; N]; ENTRIES];
    let mut e = 0;
    while e < ENTRIES {
        let at = 2 * (first + e);
        let mut digits = PACKED[at] as usize | ((PACKED[at + 1] as usize) << 8);
        let mut i = 0;
        while i < N {
            entries[e][i] = levels[digits % LEVELS];
            digits /= LEVELS;
            i += 1;
        }
        e += 1;
    }
    entries
}
