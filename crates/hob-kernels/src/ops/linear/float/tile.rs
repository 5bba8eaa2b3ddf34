//! What the vector kernels share: encodings, tiles of rows and tokens, the ends of rows.

/// The encodings a kernel loads, as constant parameters.
pub(super) const F32: u8 = 0;
pub(super) const F16: u8 = 1;
pub(super) const BF16: u8 = 2;

pub(super) const fn element_bytes(encoding: u8) -> usize {
    if encoding == F32 { 4 } else { 2 }
}

/// Where a tile lies, and whether it has several rows and several tokens.
pub(super) struct Tile {
    pub row: usize,
    pub token: usize,
    pub tall: bool,
    pub wide: bool,
}

/// Walks `[rows] x [tokens]` in tiles of at most `R x T`, the rest in single rows and tokens.
#[inline(always)]
pub(super) fn each_tile(
    rows: usize,
    tokens: usize,
    tile_rows: usize,
    tile_tokens: usize,
    mut tile: impl FnMut(Tile),
) {
    let mut token = 0;
    while token < tokens {
        let wide = if token + tile_tokens <= tokens { tile_tokens } else { 1 };
        let mut row = 0;
        while row < rows {
            let tall = if row + tile_rows <= rows { tile_rows } else { 1 };
            tile(Tile { row, token, tall: tall > 1, wide: wide > 1 });
            row += tall;
        }
        token += wide;
    }
}

/// The last columns of a row, fewer than a vector, filled up with zeros.
pub(super) fn padded<const E: u8, const LANES: usize>(row: &[u8]) -> [f32; LANES] {
    let mut rest = [0f32; LANES];
    for (value, bytes) in rest.iter_mut().zip(row.chunks_exact(element_bytes(E))) {
        *value = match *bytes {
            [a, b] if E == F16 => hob_quant::f16_to_f32(u16::from_le_bytes([a, b])),
            [a, b] => hob_quant::bf16_to_f32(u16::from_le_bytes([a, b])),
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => unreachable!("elements have two or four bytes"),
        };
    }
    rest
}

pub(super) fn put_all<const R: usize, const T: usize>(
    at: &Tile,
    totals: [[f32; T]; R],
    put: &mut dyn FnMut(usize, usize, f32),
) {
    for (r, totals) in totals.iter().enumerate() {
        for (t, total) in totals.iter().enumerate() {
            put(at.row + r, at.token + t, *total);
        }
    }
}
