//! Entries for eight elements: one of eight, or two of four.

use super::books::{Candidate, Pairs, Signs, Sums};

/// A set of entries to choose from for eight elements.
pub(crate) trait Codebook {
    /// What all entries' errors follow from for given elements and weights.
    type Sums;

    fn signs(&self) -> Signs;

    /// `wx` has the signs only where entries have them.
    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums;

    /// The values of an entry; without signs where they are stored apart.
    fn values(&self, code: u32) -> [f32; 8];

    /// The entry of least error with this step. `odd` asks for one turned sign. `hint` is a good entry already known.
    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, hint: u32) -> Candidate;
}

/// Three levels, entries of eight: 81 halves of four, padded.
pub(crate) type Eights<const E: usize> = Pairs<4, 3, 11, E>;

impl<const E: usize> Codebook for Eights<E> {
    type Sums = Sums<11>;

    fn signs(&self) -> Signs {
        self.signs
    }

    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums {
        Pairs::sums(self, wx, w)
    }

    fn values(&self, code: u32) -> [f32; 8] {
        let [[a, b, c, d], [e, f, g, h]] = Pairs::values(self, code);
        [a, b, c, d, e, f, g, h]
    }

    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, hint: u32) -> Candidate {
        Pairs::best(self, sums, step, odd, hint)
    }
}

/// Eight levels, entries of four: 64 halves of two. Eight elements are two entries.
pub(crate) type Fours<const E: usize> = Pairs<2, 8, 8, E>;

impl<const E: usize> Codebook for Fours<E> {
    type Sums = [Sums<8>; 2];

    fn signs(&self) -> Signs {
        self.signs
    }

    fn sums(&self, wx: &[f32; 8], w: &[f32; 8]) -> Self::Sums {
        [Pairs::sums(self, &wx[..4], &w[..4]), Pairs::sums(self, &wx[4..], &w[4..])]
    }

    fn values(&self, code: u32) -> [f32; 8] {
        let [[[a, b], [c, d]], [[e, f], [g, h]]] =
            [code & 0xFFFF, code >> 16].map(|c| Pairs::values(self, c));
        [a, b, c, d, e, f, g, h]
    }

    fn best(&self, sums: &Self::Sums, step: f32, odd: bool, hint: u32) -> Candidate {
        let hints = [hint & 0xFFFF, hint >> 16];
        let mut best = [0, 1].map(|at| Pairs::best(self, &sums[at], step, false, hints[at]));
        if odd {
            let cost = |at: usize| self.turning_cost(&sums[at], best[at].code);
            let cheaper = usize::from(cost(1) < cost(0));
            best[cheaper] = Pairs::best(self, &sums[cheaper], step, true, best[cheaper].code);
        }
        Candidate { moments: best[0].moments.plus(best[1].moments), code: best[0].code | best[1].code << 16 }
    }
}
