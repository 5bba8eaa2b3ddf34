//! Activations in the order in which the panel kernel's broadcasts walk them.

use crate::ops::linear::activations::{Activations, UNIT};
use crate::ops::linear::codes::Token;
use crate::{Isa, Pool};
use std::ops::Range;
use std::sync::Arc;

/// A batch of tokens in tiles: `[unit][tile][quad of columns][token of the tile][4]`, codes widened to 16 bits where the
/// kernel multiplies pairs.
pub(in crate::ops::linear) struct Packed {
    source: Arc<Activations>,
    tokens: Vec<Token>,
    tile: usize,
    bytes: Vec<i8>,
    words: Vec<i16>,
    /// `[unit][tile][token of the tile]`: step, and minus the sum of codes.
    marks: Vec<(f32, i32)>,
}

/// Quads of columns in a unit.
#[cfg(target_arch = "x86_64")]
pub(super) const QUADS: usize = UNIT / 4;

impl Packed {
    pub(in crate::ops::linear) fn new(
        isa: Isa,
        pool: &Pool,
        source: Arc<Activations>,
        tokens: Vec<Token>,
    ) -> Self {
        let tile = match isa {
            Isa::Avx512 => 12,
            Isa::Avx2 => 4,
            _ => 1,
        };
        let tiles = source.tokens.div_ceil(tile);
        let mut packed = Self {
            tile,
            bytes: Vec::new(),
            words: Vec::new(),
            marks: vec![(0.0, 0); source.width * tiles * tile],
            source,
            tokens,
        };
        for (place, mark) in packed.marks.iter_mut().enumerate() {
            let (unit, token) = (place / (tiles * tile), place % (tiles * tile));
            if token < packed.source.tokens {
                let unit = &packed.source.token(token)[unit];
                *mark = (unit.steps[0], unit.negative_sum());
            }
        }
        match isa {
            Isa::Avx2 => packed.words = packed.laid_out(pool, tiles, i16::from),
            Isa::Avx512 => packed.bytes = packed.laid_out(pool, tiles, |code| code),
            _ => {}
        }
        packed
    }

    fn laid_out<C: Copy + Default + Send>(
        &self,
        pool: &Pool,
        tiles: usize,
        code: impl Fn(i8) -> C + Sync,
    ) -> Vec<C> {
        let tile_len = UNIT * self.tile;
        let mut out = vec![C::default(); self.source.width * tiles * tile_len];
        pool.for_each_part(&mut out, tile_len, &|part, out| {
            let (unit, tile) = (part / tiles, part % tiles);
            for t in 0..self.tile {
                let token = tile * self.tile + t;
                if token >= self.source.tokens {
                    break;
                }
                let codes = self.source.token(token)[unit].codes.as_chunks::<4>().0;
                let quads = out.as_chunks_mut::<4>().0.iter_mut().skip(t).step_by(self.tile);
                quads.zip(codes).for_each(|(quad, codes)| *quad = codes.map(&code));
            }
        });
        out
    }

    pub(super) fn tokens(&self) -> usize {
        self.source.tokens
    }

    pub(super) fn units(&self) -> usize {
        self.source.width
    }

    pub(super) fn tile_tokens(&self) -> usize {
        self.tile
    }

    fn all_tiles(&self) -> usize {
        self.source.tokens.div_ceil(self.tile)
    }

    /// The tiles that hold `tokens`, whose start is the first of a tile.
    pub(super) fn tiles(&self, tokens: Range<usize>) -> Range<usize> {
        tokens.start / self.tile..tokens.end.div_ceil(self.tile)
    }

    pub(super) fn token(&self, token: usize) -> Token {
        self.tokens[token]
    }

    /// One unit of a token as it was quantised.
    pub(super) fn unit(&self, token: usize, unit: usize) -> &[i8; UNIT] {
        &self.source.token(token)[unit].codes
    }

    /// A tile's codes, steps and negated sums in one unit.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn bytes(&self, unit: usize, tile: usize) -> &[i8] {
        &self.bytes[(unit * self.all_tiles() + tile) * UNIT * self.tile..][..UNIT * self.tile]
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn words(&self, unit: usize, tile: usize) -> &[i16] {
        &self.words[(unit * self.all_tiles() + tile) * UNIT * self.tile..][..UNIT * self.tile]
    }

    /// Step and negated sum of codes of each token of a tile.
    #[inline]
    pub(super) fn marks(&self, unit: usize, tile: usize) -> &[(f32, i32)] {
        &self.marks[(unit * self.all_tiles() + tile) * self.tile..][..self.tile]
    }
}
