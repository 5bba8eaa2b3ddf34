//! Where two models would go on differently.

use hob::Tokenizer;
use hob_eval::Scored;
use serde::Serialize;

/// Tokens before a place that are shown.
const BEFORE: usize = 24;

/// A place where the models rank different tokens first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flip {
    /// The end of what was read.
    pub before: String,
    /// How the reference would go on.
    pub reference: String,
    /// How the other model would.
    pub other: String,
    /// How the text does.
    pub text: String,
    /// Divergence there, in nats.
    pub divergence: f64,
}

/// The places with the largest divergence so far.
pub struct Flips {
    most: usize,
    places: Vec<Place>,
}

struct Place {
    divergence: f64,
    before: Vec<u32>,
    /// Of the reference, of the other model, and of the text.
    next: [u32; 3],
}

impl Flips {
    /// Keeps the `most` farthest.
    pub fn new(most: usize) -> Self {
        Self { most, places: Vec::new() }
    }

    /// Looks at one more token.
    pub fn hear(&mut self, scored: Scored<'_>) {
        let Scored { before, next, tops: [reference, other], divergence } = scored;
        let full = self.places.len() == self.most;
        let is_near = self.places.last().is_some_and(|last| full && divergence <= last.divergence);
        if reference == other || self.most == 0 || is_near {
            return;
        }
        let before = before[before.len().saturating_sub(BEFORE)..].to_vec();
        let at = self.places.partition_point(|place| place.divergence >= divergence);
        self.places.insert(at, Place { divergence, before, next: [reference, other, next] });
        self.places.truncate(self.most);
    }

    /// In words, the farthest first.
    pub fn told(&self, tokenizer: &Tokenizer) -> Vec<Flip> {
        let words = |ids: &[u32]| tokenizer.decode(ids, false);
        let flip = |place: &Place| {
            let [reference, other, text] = place.next.map(|id| words(&[id]));
            Flip { before: words(&place.before), reference, other, text, divergence: place.divergence }
        };
        self.places.iter().map(flip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_are_kept_in_order() {
        let mut flips = Flips::new(2);
        for (tops, divergence) in [([1, 2], 0.3), ([1, 1], 9.0), ([1, 3], 0.1), ([1, 4], 0.5)] {
            flips.hear(Scored { before: &[7; 40], next: 5, tops, divergence });
        }
        let kept: Vec<_> = flips.places.iter().map(|p| (p.next, p.divergence)).collect();
        assert_eq!(kept, [([1, 4, 5], 0.5), ([1, 2, 5], 0.3)]);
        assert_eq!(flips.places[0].before.len(), BEFORE);
        let mut none = Flips::new(0);
        none.hear(Scored { before: &[], next: 5, tops: [1, 2], divergence: 1.0 });
        assert!(none.places.is_empty());
    }
}
