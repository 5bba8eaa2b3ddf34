//! Seeded random numbers, the same on every machine: for weights, prompts and orders, never for secrets.

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a counter through a mixing function.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of `stream` under `seed`; streams are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        Self(mixed.next() ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// 64 random bits.
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "a stream of bits, not of items")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, from 32 of the bits.
    pub fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.next() as u32) * u64::from(limit)) >> 32) as u32
    }

    /// A place in a list of `len`, which is not empty.
    pub fn index(&mut self, len: usize) -> usize {
        ((u128::from(self.next()) * len as u128) >> 64) as usize
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for word in words {
            *word = self.next().to_le_bytes();
        }
        let last = self.next().to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// A number in `0..1`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        // Never 0, which has no logarithm.
        let (radius, turn) = (1.0 - self.unit(), self.unit());
        ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()) as f32
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
        let mut random = Random::new(0, 0);
        assert!((0..1000).all(|_| random.below(7) < 7));
        let mut bytes = [0; 13];
        random.fill(&mut bytes);
        assert_ne!(bytes[8..], [0; 5]);
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let mut random = Random::new(1, 2);
        let x: Vec<f64> = (0..100_000).map(|_| f64::from(random.normal())).collect();
        let moment = |n: i32| x.iter().map(|x| x.powi(n)).sum::<f64>() / x.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.15);
    }

    #[test]
    fn a_shuffle_keeps_everything_and_repeats() {
        let order = |seed| {
            let mut items: Vec<usize> = (0..100).collect();
            Random::new(seed, 0).shuffle(&mut items);
            items
        };
        let mut sorted = order(5);
        assert_eq!(order(5), sorted);
        assert_ne!(order(6), sorted);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
