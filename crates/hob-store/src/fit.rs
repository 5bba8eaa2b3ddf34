//! Whether a model fits into memory, before it is here.

use crate::Entry;

/// Working memory of a pass over a few hundred tokens, as a share of the weights, with a floor. Measured models stay below.
const WORKING_SHARE: u64 = 20;
const WORKING_MIN: u64 = 64 << 20;
/// What other programs are left.
const HEADROOM: u64 = 256 << 20;

/// Memory that a model needs, estimated from its file's size and its published shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The weights.
    pub weights: u64,
    /// Keys and values; `None` where the shape is not known.
    pub kv: Option<u64>,
    /// Intermediate results.
    pub working: u64,
}

/// Whether it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Fits,
    /// Only just: other programs may be pushed out.
    Tight,
    /// It does not.
    TooLarge,
}

impl Need {
    /// What a model with a file of `bytes` needs at a context of `positions`.
    pub fn of(entry: Option<&Entry>, bytes: u64, positions: u64) -> Self {
        let kv = entry.and_then(|e| e.shape).map(|shape| shape.kv_bytes(positions));
        Self { weights: bytes, kv, working: (bytes / WORKING_SHARE).max(WORKING_MIN) }
    }

    /// All of it, as far as it is known.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.kv.unwrap_or(0)).saturating_add(self.working)
    }

    /// Whether that fits into `available` bytes.
    pub fn fit(&self, available: u64) -> Fit {
        match self.total() {
            total if total.saturating_add(HEADROOM) <= available => Fit::Fits,
            total if total <= available => Fit::Tight,
            _ => Fit::TooLarge,
        }
    }
}

impl Fit {
    /// One or two words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Tight => "tight",
            Self::TooLarge => "too large",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_compared_with_what_is_free() {
        let need = Need::of(None, 4 << 30, 4096);
        assert_eq!(need.kv, None);
        assert_eq!(need.fit(8 << 30), Fit::Fits);
        assert_eq!(need.fit(need.total()), Fit::Tight);
        assert_eq!(need.fit(4 << 30), Fit::TooLarge);
    }
}
