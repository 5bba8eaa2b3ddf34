//! Random tensor contents at the speed of a disk: random bits, with scales put where a format keeps them.
//!
//! Every code of the formats here is valid, so a block is random bytes with its scales overwritten. How large a scale must
//! be for values of a wanted magnitude is measured by decoding a few blocks rather than worked out per format.
//!
//! Weights must average to zero: a matrix whose elements share an offset maps every vector towards the constant one, and
//! after a few layers nothing else is left. Most codes reach one further below zero than above, hence the random signs.

use half::{bf16, f16};
use hob_quant::{TensorType, dequantize_row};

use hob_base::Random;

/// Blocks decoded to learn what magnitude a scale of one gives.
const SAMPLE_BLOCKS: usize = 256;
/// Different scales within a tensor, from 0.6 to 1.35 of the mean.
const STEPS: usize = 16;
/// Entries of a table of floats or of packed codes; an entry takes 12 random bits.
const ENTRIES: usize = 4096;

/// Makes the bytes of one tensor, piece by piece.
pub(super) enum Filler {
    /// Blocks whose scales are overwritten.
    Blocks { ty: TensorType, random: Random, scales: Scales },
    /// Units drawn from a table of their encodings: floats, or bytes of packed codes.
    Table { random: Random, table: Vec<u8>, width: usize },
}

/// The encodings of [`STEPS`] scales for each place where a block has one.
pub(super) struct Scales(Vec<(usize, [[u8; 2]; STEPS])>);

impl Scales {
    /// Scales around `mean`.
    fn new(ty: TensorType, mean: f32) -> Self {
        // Formats with an offset beside their scale are centred by that.
        let centred = scale_fields(ty).len() > 1;
        let sign = |i: usize| if centred || i % 4 < 2 { 1.0 } else { -1.0 };
        let jitter = |i: usize| sign(i) * mean * (0.6 + 0.05 * i as f32);
        let encode =
            |multiple: f32| std::array::from_fn(|i| f16::from_f32(multiple * jitter(i)).to_le_bytes());
        Self(scale_fields(ty).iter().map(|&(at, multiple)| (at, encode(multiple))).collect())
    }
}

/// Where a block keeps its f16 scales, and how large each is beside the first: minima and offsets centre the values.
fn scale_fields(ty: TensorType) -> &'static [(usize, f32)] {
    match ty {
        TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 | TensorType::IQ4_NL | TensorType::IQ4_XS => {
            &[(0, 1.0)]
        }
        TensorType::IQ1_S
        | TensorType::IQ2_XXS
        | TensorType::IQ2_XS
        | TensorType::IQ2_S
        | TensorType::IQ3_XXS
        | TensorType::IQ3_S => &[(0, 1.0)],
        TensorType::Q4_1 => &[(0, 1.0), (2, -7.5)],
        TensorType::Q5_1 => &[(0, 1.0), (2, -15.5)],
        TensorType::Q2_K => &[(80, 1.0), (82, 1.5)],
        TensorType::Q3_K => &[(108, 1.0)],
        TensorType::Q4_K => &[(0, 1.0), (2, 7.5)],
        TensorType::Q5_K => &[(0, 1.0), (2, 15.5)],
        TensorType::Q6_K => &[(208, 1.0)],
        TensorType::TQ1_0 => &[(52, 1.0)],
        TensorType::TQ2_0 => &[(64, 1.0)],
        _ => &[],
    }
}

impl Filler {
    /// Weights of type `ty` with mean zero (nearly) and root mean square `rms`.
    pub fn weights(ty: TensorType, rms: f32, mut random: Random) -> Self {
        match ty {
            // A uniform distribution on (-a, a) has root mean square a / sqrt(3).
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => {
                let width = 3f32.sqrt() * rms;
                Self::floats(ty, -width, width, random)
            }
            _ => {
                let unit = Scales::new(ty, 1.0);
                let mut blocks = vec![0; SAMPLE_BLOCKS * ty.block_bytes()];
                fill_blocks(ty, &unit, 1.0, &mut random, &mut blocks);
                let mut values = vec![0.0; SAMPLE_BLOCKS * ty.block_size()];
                dequantize_row(ty, &blocks, &mut values);
                let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
                let scale = rms / square.sqrt() as f32;
                Self::Blocks { ty, random, scales: Scales::new(ty, scale) }.with_exponent(scale)
            }
        }
    }

    /// MXFP4 has no f16 scale but an exponent, which [`fill_blocks`] takes from the table's place.
    fn with_exponent(self, scale: f32) -> Self {
        match self {
            Self::Blocks { ty: TensorType::MXFP4, random, .. } => {
                let exponent = [exponent_byte(scale), 0];
                Self::Blocks { ty: TensorType::MXFP4, random, scales: Scales(vec![(0, [exponent; STEPS])]) }
            }
            other => other,
        }
    }

    /// Floats of type `ty`, uniform between `low` and `high`.
    pub fn floats(ty: TensorType, low: f32, high: f32, random: Random) -> Self {
        let value = |i: usize| low + (high - low) * (i as f32 + 0.5) / ENTRIES as f32;
        let values = (0..ENTRIES).map(value);
        let table = match ty {
            TensorType::F16 => values.flat_map(|v| f16::from_f32(v).to_le_bytes()).collect(),
            TensorType::BF16 => values.flat_map(|v| bf16::from_f32(v).to_le_bytes()).collect(),
            _ => values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>(),
        };
        Self::Table { random, table, width: ty.block_bytes() }
    }

    /// Bytes of packed integer codes of `bits` bits, with an offset of `2^(bits - 1)` below 8; their mean is zero and
    /// their root mean square [`code_rms`]. The lowest code of 4 and 8 bits is left out, as symmetric quantisers do.
    pub fn codes(bits: u32, random: Random) -> Self {
        let byte = |i: usize| match bits {
            // Three bits choose a field: -2 once, -1 twice, 0 once, 1 four times.
            2 => (0..4).fold(0, |byte, k| byte | [0, 1, 1, 2, 3, 3, 3, 3][i >> (3 * k) & 7] << (2 * k)),
            // Six bits choose a nibble: each of -7..=7 four times, and 0 four times more.
            4 => (0..2).fold(0, |byte, k| byte | nibble(i >> (6 * k) & 63) << (4 * k)),
            _ if i < 4080 => ((i % 255) as i32 - 127) as u8,
            _ => 0,
        };
        Self::Table { random, table: (0..ENTRIES).map(byte).collect(), width: 1 }
    }

    /// Bytes of a unit that pieces must be a multiple of.
    pub fn unit(&self) -> usize {
        match self {
            Self::Blocks { ty, .. } => ty.block_bytes(),
            Self::Table { width, .. } => *width,
        }
    }

    /// Fills `piece`, a whole number of units.
    pub fn fill(&mut self, piece: &mut [u8]) {
        match self {
            Self::Blocks { ty, random, scales } => {
                random.fill(piece);
                patch(*ty, scales, random, piece);
            }
            Self::Table { random, table, width: 1 } => draw::<1>(random, table, piece),
            Self::Table { random, table, width: 2 } => draw::<2>(random, table, piece),
            Self::Table { random, table, .. } => draw::<4>(random, table, piece),
        }
    }
}

/// A biased 4-bit code for six random bits.
fn nibble(i: usize) -> u8 {
    if i < 60 { 1 + (i % 15) as u8 } else { 8 }
}

/// Root mean square of the codes that [`Filler::codes`] makes.
pub(super) fn code_rms(bits: u32) -> f32 {
    match bits {
        2 => 1.25f32.sqrt(),
        4 => (4.0 * 280.0 / 64.0f32).sqrt(),
        // The mean of the squares up to n is n (n + 1) / 3 over both signs.
        _ => (127.0 * 128.0 / 3.0f32).sqrt(),
    }
}

fn draw<const WIDTH: usize>(random: &mut Random, table: &[u8], piece: &mut [u8]) {
    let table = table.as_chunks::<WIDTH>().0;
    let mut bits = 0;
    for (i, out) in piece.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
        if i % 5 == 0 {
            bits = random.next();
        }
        *out = table[bits as usize % ENTRIES];
        bits >>= 12;
    }
}

/// The biased exponent of a power of two near `scale`.
fn exponent_byte(scale: f32) -> u8 {
    (127.0 + scale.log2().round()).clamp(1.0, 254.0) as u8
}

fn fill_blocks(ty: TensorType, scales: &Scales, scale: f32, random: &mut Random, blocks: &mut [u8]) {
    random.fill(blocks);
    patch(ty, scales, random, blocks);
    if ty == TensorType::MXFP4 {
        blocks.chunks_exact_mut(ty.block_bytes()).for_each(|b| b[0] = exponent_byte(scale));
    }
}

/// Overwrites the scales of random blocks.
fn patch(ty: TensorType, scales: &Scales, random: &mut Random, blocks: &mut [u8]) {
    let width = if ty == TensorType::MXFP4 { 1 } else { 2 };
    for block in blocks.chunks_exact_mut(ty.block_bytes()) {
        let step = (random.next() >> 60) as usize;
        for (at, encodings) in &scales.0 {
            block[*at..at + width].copy_from_slice(&encodings[step][..width]);
        }
        match ty {
            // The minimum of a sub-block gets the code of its scale, so that its values lie around zero.
            TensorType::Q2_K => block[..16].iter_mut().for_each(|s| *s = ((*s & 15) | 8) * 17),
            TensorType::Q4_K | TensorType::Q5_K => {
                block.copy_within(4..8, 8);
                block[12..16].iter_mut().for_each(|s| *s = (*s & 15) * 17);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_wanted_magnitude_and_no_offset() {
        use TensorType::*;
        let all = [
            F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS,
            TQ1_0, TQ2_0, MXFP4, IQ1_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S,
        ];
        for ty in all {
            let mut filler = Filler::weights(ty, 0.02, Random::new(1, 2));
            let count = 512 * 256;
            let mut bytes = vec![0; count / ty.block_size() * ty.block_bytes()];
            filler.fill(&mut bytes);
            let mut values = vec![0.0; count];
            dequantize_row(ty, &bytes, &mut values);
            let mean = values.iter().sum::<f32>() / count as f32;
            let rms = (values.iter().map(|v| v * v).sum::<f32>() / count as f32).sqrt();
            // MXFP4 scales are powers of two, hence within sqrt(2).
            let near = if ty == MXFP4 { 0.5..1.5 } else { 0.9..1.1 };
            assert!(near.contains(&(rms / 0.02)), "{ty}: rms {rms}");
            assert!(mean.abs() < 0.04 * rms, "{ty}: mean {mean}");
            assert!(values.iter().all(|v| v.is_finite()), "{ty}");
        }
    }

    #[test]
    fn packed_codes_are_centred() {
        for bits in [2, 4, 8] {
            let mut bytes = vec![0; 1 << 16];
            Filler::codes(bits, Random::new(3, 4)).fill(&mut bytes);
            let per_byte = 8 / bits;
            let code = |byte: u8, k: u32| match bits {
                8 => f32::from(byte as i8),
                _ => f32::from((byte >> (bits * k)) & ((1 << bits) - 1)) - f32::from(1u8 << (bits - 1)),
            };
            let codes: Vec<f32> =
                bytes.iter().flat_map(|&b| (0..per_byte).map(move |k| code(b, k))).collect();
            let mean = codes.iter().sum::<f32>() / codes.len() as f32;
            let rms = (codes.iter().map(|c| c * c).sum::<f32>() / codes.len() as f32).sqrt();
            assert!((rms / code_rms(bits) - 1.0).abs() < 0.02, "{bits}: rms {rms}");
            assert!(mean.abs() < 0.02 * rms, "{bits}: mean {mean}");
        }
    }
}
