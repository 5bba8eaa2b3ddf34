//! The tokens still in the race, and the steps that shorten the list.
//!
//! The list stays in ascending id order from beginning to end: a step finds its cut in a scratch copy and then keeps
//! what lies above it. So the result does not depend on how the cut was found, and nothing sorts a whole vocabulary.
//! "Better" always means: larger logit, then lower id.

use std::cmp::Ordering;

use super::math;

/// A token and its logit after penalties.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub id: u32,
    pub logit: f32,
}

fn better_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// Distance, id and mass of a candidate in an order other than by logit.
type Keyed = (f64, u32, u64);

/// A cut search narrows the list down to this many entries before it sorts them.
const SORTED_AT_ONCE: usize = 128;
/// Logits looked at together while scanning for the largest; a power of two that fills vector registers.
const CHUNK: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    pub list: Vec<Candidate>,
    scratch: Vec<Candidate>,
    keyed: Vec<Keyed>,
    weights: Vec<f64>,
}

impl Candidates {
    /// Takes every token whose logit is not negative infinity.
    pub fn fill_all(&mut self, logits: &[f32]) {
        self.list.clear();
        let all = logits.iter().enumerate().filter(|(_, l)| **l > f32::NEG_INFINITY);
        self.list.extend(all.map(|(i, &logit)| Candidate { id: i as u32, logit }));
    }

    /// Takes the `k` best tokens whose logits are not negative infinity, in one pass over the vocabulary.
    ///
    /// Survivors gather in a buffer of `4 k`; whenever it is full it shrinks to the best `k` and its worst member
    /// becomes the bar that a chunk of logits must pass to be looked at. A later id at the bar itself loses the tie.
    pub fn fill_top_k(&mut self, logits: &[f32], k: usize) {
        let room = k.saturating_mul(4).max(64);
        if room >= logits.len() {
            self.fill_all(logits);
            return self.top_k(k);
        }
        self.scratch.clear();
        let mut bar = f32::NEG_INFINITY;
        for (c, chunk) in logits.chunks(CHUNK).enumerate() {
            if math::largest(chunk) <= bar {
                continue;
            }
            for (i, &logit) in chunk.iter().enumerate().filter(|(_, l)| **l > bar) {
                self.scratch.push(Candidate { id: (c * CHUNK + i) as u32, logit });
            }
            if self.scratch.len() >= room {
                self.scratch.select_nth_unstable_by(k - 1, better_first);
                self.scratch.truncate(k);
                bar = self.scratch[k - 1].logit;
            }
        }
        if self.scratch.len() > k {
            self.scratch.select_nth_unstable_by(k - 1, better_first);
            self.scratch.truncate(k);
        }
        self.scratch.sort_unstable_by_key(|c| c.id);
        std::mem::swap(&mut self.list, &mut self.scratch);
    }

    /// The best candidate. Panics on an empty list.
    pub fn best(&self) -> Candidate {
        *self.list.iter().min_by(|a, b| better_first(a, b)).expect("the caller keeps at least one candidate")
    }

    fn max_logit(&self) -> f64 {
        f64::from(self.list.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.logit)))
    }

    /// `exp(logit - max)` of every candidate, in list order, and their sum in f64.
    fn weigh(&mut self) -> f64 {
        let max = self.max_logit();
        self.weights.clear();
        self.weights.extend(self.list.iter().map(|c| math::exp(f64::from(c.logit) - max)));
        math::sum(&self.weights)
    }

    /// Keeps the `k` best.
    pub fn top_k(&mut self, k: usize) {
        if k == 0 || k >= self.list.len() {
            return;
        }
        self.scratch.clone_from(&self.list);
        let (_, cut, _) = self.scratch.select_nth_unstable_by(k - 1, better_first);
        let cut = *cut;
        self.keep_down_to(cut);
    }

    fn keep_down_to(&mut self, cut: Candidate) {
        self.list.retain(|c| better_first(c, &cut) != Ordering::Greater);
    }

    /// Keeps the fewest best whose probabilities sum to at least `p`.
    pub fn top_p(&mut self, p: f64) {
        if p >= 1.0 || self.list.len() < 2 {
            return;
        }
        let max = self.max_logit();
        let mass = |c: &Candidate| units(math::exp(f64::from(c.logit) - max));
        self.scratch.clone_from(&self.list);
        let total: u64 = self.scratch.iter().map(mass).sum();
        if let Some(cut) = cut_at_mass(&mut self.scratch, share(total, p), better_first, mass) {
            self.keep_down_to(cut);
        }
    }

    /// Keeps those at least `p` times as likely as the best.
    pub fn min_p(&mut self, p: f64) {
        if p > 0.0 {
            // Even the smallest f32 is a normal f64, as `ln` asks for.
            let bar = self.max_logit() + math::ln(p);
            self.list.retain(|c| f64::from(c.logit) >= bar);
        }
    }

    /// Keeps those within `n` standard deviations of the best; mean and deviation over the list, in f64.
    pub fn top_n_sigma(&mut self, n: f64) {
        let count = self.list.len() as f64;
        let mean = self.list.iter().map(|c| f64::from(c.logit)).sum::<f64>() / count;
        let variance = self.list.iter().map(|c| (f64::from(c.logit) - mean).powi(2)).sum::<f64>() / count;
        let bar = self.max_logit() - n * variance.sqrt();
        self.list.retain(|c| f64::from(c.logit) >= bar);
    }

    /// `-sum p ln p` in nats.
    fn entropy(&self, sum: f64) -> f64 {
        let probabilities = self.weights.iter().map(|w| w / sum);
        -probabilities.filter(|p| *p >= f64::MIN_POSITIVE).map(|p| p * math::ln(p)).sum::<f64>()
    }

    /// Keeps those whose surprise is closest to the entropy, the fewest that reach mass `p`; lower ids win ties.
    pub fn typical_p(&mut self, p: f64) {
        if p >= 1.0 || self.list.len() < 2 {
            return;
        }
        let sum = self.weigh();
        let entropy = self.entropy(sum);
        let (max, log_sum) = (self.max_logit(), math::ln(sum));
        let distance = |c: &Candidate| (log_sum - (f64::from(c.logit) - max) - entropy).abs();
        self.keyed.clear();
        self.keyed.extend(self.list.iter().zip(&self.weights).map(|(c, w)| (distance(c), c.id, units(*w))));
        let total: u64 = self.keyed.iter().map(|k| k.2).sum();
        let order = |a: &Keyed, b: &Keyed| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if let Some((far, id, _)) = cut_at_mass(&mut self.keyed, share(total, p), order, |k| k.2) {
            self.list.retain(|c| distance(c).total_cmp(&far).then(c.id.cmp(&id)) != Ordering::Greater);
        }
    }

    /// Removes all but the least likely of those with probability at least `threshold`, if there are two or more.
    pub fn xtc(&mut self, threshold: f64) {
        let bar = threshold * self.weigh();
        let weights = &self.weights;
        let likely = || self.list.iter().zip(weights).filter(|(_, w)| **w >= bar).map(|(c, _)| c);
        if likely().count() < 2 {
            return;
        }
        let last = *likely().max_by(|a, b| better_first(a, b)).expect("counted above");
        let mut weights = self.weights.iter();
        self.list.retain(|c| weights.next().is_none_or(|w| *w < bar) || c.id == last.id);
    }

    /// Divides every logit by `t` (above 0).
    pub fn temperature(&mut self, t: f32) {
        // Distances to the best are scaled, not the logits: a tiny temperature must not overflow them.
        let max = self.max_logit();
        for c in &mut self.list {
            let scaled = (f64::from(c.logit) - max) / f64::from(t);
            c.logit = (scaled as f32).max(f32::MIN);
        }
    }

    /// The temperature inside `[low, high]` at which the normalised entropy of the list puts it.
    pub fn dynamic_temperature(&mut self, low: f64, high: f64, exponent: f64) -> f32 {
        let sum = self.weigh();
        let normalised = self.entropy(sum) / math::ln((self.list.len() as f64).max(2.0));
        let power = if normalised > 1e-300 { math::exp(exponent * math::ln(normalised)) } else { 0.0 };
        (low + (high - low) * power) as f32
    }

    /// Removes tokens whose surprise exceeds `mu` bits, always keeping the best. Returns the logit that stands for a
    /// surprise of zero, so that a survivor's surprise before the cut is `(that - logit) / ln 2`.
    pub fn truncate_surprise(&mut self, mu: f64) -> f64 {
        let zero = math::ln(self.weigh()) + self.max_logit();
        let best = self.best().id;
        let bar = zero - mu * std::f64::consts::LN_2;
        self.list.retain(|c| c.id == best || f64::from(c.logit) >= bar);
        zero
    }

    /// The logit of a token in the list. Panics if it is not there.
    pub fn logit_of(&self, id: u32) -> f64 {
        let at = self.list.binary_search_by_key(&id, |c| c.id).expect("the id was drawn from this list");
        f64::from(self.list[at].logit)
    }

    /// The token whose stretch of the cumulative distribution, in id order, contains `unit` of `[0, 1)`.
    pub fn draw(&mut self, unit: f64) -> u32 {
        let target = self.weigh() * unit;
        let mut mass = 0.0;
        let mut last = self.list[0].id;
        for (c, w) in self.list.iter().zip(&self.weights) {
            mass += w;
            if *w > 0.0 {
                last = c.id;
                if mass > target {
                    break;
                }
            }
        }
        last
    }
}

/// The part `p` of a total mass, rounded up, so that a share of nothing still asks for one token.
fn share(total: u64, p: f64) -> u64 {
    ((total as f64 * p).ceil() as u64).max(1)
}

/// A weight (at most 1) in units of `2^-44`. Integer sums do not depend on the order in which a cut search meets them,
/// and the weights of `2^18` tokens stay below `2^62`.
fn units(weight: f64) -> u64 {
    (weight * (1u64 << 44) as f64) as u64
}

/// The entry at which the masses, summed in `order`, first reach `target`; `None` if they never do.
///
/// A quickselect that turns left or right by mass instead of by count: linear in the number of entries.
fn cut_at_mass<T: Copy>(
    mut rest: &mut [T],
    target: u64,
    order: impl Fn(&T, &T) -> Ordering + Copy,
    mass: impl Fn(&T) -> u64,
) -> Option<T> {
    let mut found = 0u64;
    while rest.len() > SORTED_AT_ONCE {
        let middle = rest.len() / 2;
        rest.select_nth_unstable_by(middle, order);
        let (better, worse) = rest.split_at_mut(middle);
        let with_better = found + better.iter().map(&mass).sum::<u64>();
        if with_better >= target {
            rest = better;
        } else {
            (rest, found) = (worse, with_better);
        }
    }
    rest.sort_unstable_by(order);
    rest.iter().copied().find(|entry| {
        found += mass(entry);
        found >= target
    })
}
