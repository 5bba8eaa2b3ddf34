//! Rotary position embedding: pairs of a head vector turned by `position * frequency`.
//!
//! For pair `k` with angle `a`: `(u, v) -> amplitude * (u cos a - v sin a, v cos a + u sin a)`. [`RopeLayout`] says which
//! elements are a pair; elements beyond twice the number of frequencies stay as they are.
//! Shapes: `x`: `[T, heads, Dh]`, in place. Angles in f32, as the published models were trained. The variants round as the
//! reference does, so all results are equal.
//! Source: Su et al., arXiv:2104.09864, section 3.4.2.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, simd};

/// Which two elements of a head vector turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// `(x[k], x[k + r/2])`: Hugging Face checkpoints and most GGUF architectures ("neox").
    Halves,
    /// `(x[2k], x[2k + 1])`: the GGUF architecture `llama` and its kin, whose Q and K rows are permuted.
    Adjacent,
}

/// Frequencies of one kind of rotary embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeTable {
    /// Radians per position for each pair; the rotary width is twice as many elements.
    pub frequencies: Vec<f32>,
    /// Factor on cosine and sine.
    pub amplitude: f32,
}

/// Cosines and sines of a run of positions: `[T, pairs]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeAngles {
    /// Pairs that turn.
    pub pairs: usize,
    /// `amplitude * cos(position * frequency)`.
    pub cos: Vec<f32>,
    /// `amplitude * sin(position * frequency)`.
    pub sin: Vec<f32>,
}

impl RopeTable {
    /// The angles at `positions`; computed once per step and used by every layer of this kind.
    pub fn angles(&self, positions: &[usize]) -> RopeAngles {
        let angle = |&p: &usize| self.frequencies.iter().map(move |f| p as f32 * f);
        RopeAngles {
            pairs: self.frequencies.len(),
            cos: positions.iter().flat_map(angle).map(|a| a.cos() * self.amplitude).collect(),
            sin: positions.iter().flat_map(angle).map(|a| a.sin() * self.amplitude).collect(),
        }
    }
}

impl Cpu {
    /// Rotates `x` (`[T, heads, head_dim]`) in place.
    pub fn rope(
        &self,
        x: &mut [f32],
        heads: usize,
        head_dim: usize,
        layout: RopeLayout,
        angles: &RopeAngles,
    ) {
        let row = heads * head_dim;
        assert!(row > 0 && 2 * angles.pairs <= head_dim, "a pair lies inside its head");
        assert_eq!(x.len() / row * angles.pairs, angles.cos.len(), "one row of angles per token");
        let RopeAngles { pairs, ref cos, ref sin } = *angles;
        if pairs == 0 {
            return;
        }
        self.spread(x, row, &|first, x| {
            let part = first * pairs..(first + x.len() / row) * pairs;
            let (cos, sin) = (&cos[part.clone()], &sin[part]);
            match self.isa {
                Isa::Scalar => {
                    let angles = cos.chunks_exact(pairs).zip(sin.chunks_exact(pairs));
                    for (token, (cos, sin)) in x.chunks_exact_mut(row).zip(angles) {
                        let heads = token.chunks_exact_mut(head_dim);
                        heads.for_each(|head| scalar::rotate(head, layout, cos, sin));
                    }
                }
                _ => simd::dispatch(self, lanes::Rope { x, row, head_dim, layout, pairs, cos, sin }),
            }
        });
    }
}
