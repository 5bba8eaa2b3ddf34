//! Activations in the order in which the panel kernel's broadcasts walk them.

#[cfg(target_arch = "x86_64")]
use super::x86_64::{BYTES_OFFSET, Tile, TileAmx, TileAvx2, TileAvx512};
use crate::Cpu;
use crate::ops::linear::activations::{Activations, Order, Steps, UNIT};
#[cfg(target_arch = "x86_64")]
use crate::{
    Isa,
    ops::linear::activations::{Step, shared_step},
    scratch::{Buffer, Plain},
};
use std::ops::Range;

/// Tiles that a thread quantises at a time: ten microseconds of work.
#[cfg(target_arch = "x86_64")]
const PART: usize = 8;

/// How a batch is quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops::linear) struct Form {
    pub steps: Steps,
    pub order: Order,
    /// What the layer's codes are stored above their values.
    pub offset: i32,
}

/// A batch of quantised tokens in tiles.
pub(in crate::ops::linear) struct Packed {
    tokens: usize,
    /// Units of a token.
    width: usize,
    tiles: Tiles,
    /// Of each token: the step of its last unit, NaN if any is. What integer sums are multiplied with.
    steps: Vec<f32>,
}

/// `[unit][tile]`, for AMX `[tile][unit]`, each in the layout of its kernel.
enum Tiles {
    #[cfg(target_arch = "x86_64")]
    Amx(Buffer<TileAmx>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Buffer<TileAvx512>),
    #[cfg(target_arch = "x86_64")]
    Avx2Bytes(Buffer<TileAvx2<i8>>),
    #[cfg(target_arch = "x86_64")]
    Avx2Words(Buffer<TileAvx2<i16>>),
    /// As they were quantised; a tile is one token.
    Units(Activations),
}

impl Packed {
    /// Quantises `x` (`[tokens, cols]`).
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Self {
        let cols = x.len() / tokens;
        let width = cols.div_ceil(UNIT);
        #[cfg(target_arch = "x86_64")]
        let input = Input { x, tokens, cols, form };
        let (tiles, steps) = match cpu.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if cpu.amx => {
                let tiles: Buffer<TileAmx> = input.tiles(cpu, width, true, super::x86_64::quantise_avx512);
                let steps = token_steps(tokens, width, |unit, token| {
                    tiles[token / TileAmx::TOKENS * width + unit].steps[token % TileAmx::TOKENS]
                });
                (Tiles::Amx(tiles), steps)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                let tiles = input.tiles(cpu, width, false, super::x86_64::quantise_avx512);
                let steps = token_steps(tokens, width, |unit, token| tile_step(&tiles, tokens, unit, token));
                (Tiles::Avx512(tiles), steps)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if form.offset <= BYTES_OFFSET => {
                let tiles = input.tiles(cpu, width, false, super::x86_64::quantise_avx2_bytes);
                let steps = token_steps(tokens, width, |unit, token| tile_step(&tiles, tokens, unit, token));
                (Tiles::Avx2Bytes(tiles), steps)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                let tiles = input.tiles(cpu, width, false, super::x86_64::quantise_avx2_words);
                let steps = token_steps(tokens, width, |unit, token| tile_step(&tiles, tokens, unit, token));
                (Tiles::Avx2Words(tiles), steps)
            }
            isa => {
                let Form { steps, order, .. } = form;
                let units = Activations::quantise(isa, &cpu.pool, x, tokens, cols, steps, order);
                let steps = token_steps(tokens, width, |unit, token| units.token(token)[unit].step());
                (Tiles::Units(units), steps)
            }
        };
        Self { tokens, width, tiles, steps }
    }

    pub(in crate::ops::linear) fn tokens(&self) -> usize {
        self.tokens
    }

    pub(in crate::ops::linear) fn units(&self) -> usize {
        self.width
    }

    /// Tokens of a tile.
    pub(super) fn tile_tokens(&self) -> usize {
        match &self.tiles {
            #[cfg(target_arch = "x86_64")]
            Tiles::Amx(_) => TileAmx::TOKENS,
            #[cfg(target_arch = "x86_64")]
            Tiles::Avx512(_) => TileAvx512::TOKENS,
            #[cfg(target_arch = "x86_64")]
            Tiles::Avx2Bytes(_) | Tiles::Avx2Words(_) => TileAvx2::<i8>::TOKENS,
            Tiles::Units(_) => 1,
        }
    }

    /// The tiles that hold `tokens`, whose start is the first of a tile.
    pub(super) fn tiles(&self, tokens: Range<usize>) -> Range<usize> {
        tokens.start / self.tile_tokens()..tokens.end.div_ceil(self.tile_tokens())
    }

    /// The step of a token all of whose units share one.
    pub(in crate::ops::linear) fn step(&self, token: usize) -> f32 {
        self.steps[token]
    }

    /// One unit of a token as it was quantised, and its step.
    pub(super) fn unit(&self, token: usize, unit: usize) -> (&[i8; UNIT], f32) {
        #[cfg_attr(
            not(target_arch = "x86_64"),
            allow(irrefutable_let_patterns, reason = "the only tiles there")
        )]
        let Tiles::Units(units) = &self.tiles else { unreachable!("made for another kernel") };
        let unit = &units.token(token)[unit];
        (&unit.codes, unit.step())
    }

    /// All tiles of a unit.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn avx512(&self, unit: usize) -> &[TileAvx512] {
        let Tiles::Avx512(tiles) = &self.tiles else { unreachable!("made for another kernel") };
        self.unit_of(tiles, unit)
    }

    /// All units of a tile.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::ops::linear) fn amx(&self, tile: usize) -> &[TileAmx] {
        let Tiles::Amx(tiles) = &self.tiles else { unreachable!("made for another kernel") };
        &tiles[tile * self.width..][..self.width]
    }

    /// As [`avx512`](Self::avx512), if they are bytes.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn avx2_bytes(&self, unit: usize) -> Option<&[TileAvx2<i8>]> {
        let Tiles::Avx2Bytes(tiles) = &self.tiles else { return None };
        Some(self.unit_of(tiles, unit))
    }

    /// As [`avx512`](Self::avx512).
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn avx2_words(&self, unit: usize) -> &[TileAvx2<i16>] {
        let Tiles::Avx2Words(tiles) = &self.tiles else { unreachable!("made for another kernel") };
        self.unit_of(tiles, unit)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn unit_of<'a, C: Plain, const T: usize>(
        &self,
        tiles: &'a [Tile<C, T>],
        unit: usize,
    ) -> &'a [Tile<C, T>] {
        let count = self.tokens.div_ceil(T);
        &tiles[unit * count..][..count]
    }
}

/// What is to be quantised.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Input<'a> {
    /// `[tokens, cols]`.
    x: &'a [f32],
    tokens: usize,
    cols: usize,
    form: Form,
}

/// One token's columns of one unit (at most 256), and the step of its row.
#[cfg(target_arch = "x86_64")]
pub(super) type TokenUnit<'a> = (&'a [f32], Step);

#[cfg(target_arch = "x86_64")]
impl Input<'_> {
    /// `quantise` makes one tile of its tokens' columns. They lie `[tile][unit]` if `by_tile`, else `[unit][tile]`.
    fn tiles<C: Plain, const T: usize>(
        &self,
        cpu: &Cpu,
        width: usize,
        by_tile: bool,
        quantise: impl Fn(&[TokenUnit<'_>], Form, &mut Tile<C, T>) + Sync,
    ) -> Buffer<Tile<C, T>> {
        let shared = self.shared_steps(cpu);
        let count = self.tokens.div_ceil(T);
        let mut tiles = cpu.shelf.take(width * count);
        cpu.pool.for_each_part(&mut tiles, PART, &|part, tiles| {
            for (place, tile) in (part * PART..).zip(tiles) {
                let (unit, index) =
                    if by_tile { (place % width, place / width) } else { (place / count, place % count) };
                let first = index * T;
                let mut rows = [(&self.x[..0], Step::of(0)); T];
                let present = first..(first + T).min(self.tokens);
                for (row, token) in rows.iter_mut().zip(present.clone()) {
                    let columns = unit * UNIT..((unit + 1) * UNIT).min(self.cols);
                    *row = (&self.x[token * self.cols..][columns], shared[token]);
                }
                quantise(&rows[..present.len()], self.form, tile);
            }
        });
        tiles
    }

    fn shared_steps(&self, cpu: &Cpu) -> Vec<Step> {
        let mut shared = vec![Step::of(0); self.tokens];
        cpu.pool.for_each_part(&mut shared, 16, &|part, shared| {
            let rows = self.x[part * 16 * self.cols..].chunks_exact(self.cols);
            rows.zip(shared).for_each(|(row, shared)| *shared = shared_step(row, self.form.steps));
        });
        shared
    }
}

/// Of each token: the step of its last unit, NaN if any is.
fn token_steps(tokens: usize, width: usize, step: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let of_token = |token| {
        let steps = (0..width).map(|unit| step(unit, token));
        steps.reduce(|a, b| if a.is_nan() { a } else { b }).unwrap_or(0.0)
    };
    (0..tokens).map(of_token).collect()
}

#[cfg(target_arch = "x86_64")]
fn tile_step<C: Plain, const T: usize>(
    tiles: &[Tile<C, T>],
    tokens: usize,
    unit: usize,
    token: usize,
) -> f32 {
    tiles[unit * tokens.div_ceil(T) + token / T].steps[token % T]
}
