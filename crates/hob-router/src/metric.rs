//! How good a router is on recorded outcomes: the figures of RouteLLM (Ong et al., "RouteLLM: Learning to Route LLMs from
//! Preference Data", ICLR 2025), implemented anew.
//!
//! Eleven thresholds, the deciles of the scores, send from all to none of the questions to the larger model. APGR is the area
//! under quality over that share, between the weak model's quality (0) and the strong model's (1); CPT(50) is the share at which half
//! of the gap is closed. Scores that are equal would shift the shares, so they are put in a random order, from a seed.

use hob_base::Random;
use serde::Serialize;

/// Thresholds of a curve.
pub const THRESHOLDS: usize = 11;

/// How good the two recorded answers to a question are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Of the smaller model.
    pub weak: f64,
    /// Of the larger.
    pub strong: f64,
}

/// A point of the deferral curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Percent of the questions that the larger model gets.
    pub strong_percent: f64,
    /// Mean quality of the answers.
    pub quality: f64,
}

/// The three figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Average performance gap recovered: .5 at random.
    pub apgr: f64,
    /// Percent of the larger model's calls at which half of the gap is closed.
    pub cpt50: f64,
    /// The same for four fifths.
    pub cpt80: f64,
}

/// The figures with their 95 % intervals, and the curve.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The figures of all questions.
    #[serde(flatten)]
    pub figures: Figures,
    /// From and to, of resampled questions.
    pub apgr_interval: [f64; 2],
    /// From and to.
    pub cpt50_interval: [f64; 2],
    /// From and to.
    pub cpt80_interval: [f64; 2],
    /// The deferral curve.
    pub curve: Vec<Point>,
}

/// Places of `scores` from the lowest to the highest, equal ones in random order.
pub fn ranked(scores: &[f64], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    Random::new(seed, 0).shuffle(&mut order);
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    order
}

/// The curve of `outcomes`, which stand in the order of their scores.
pub fn curve(outcomes: &[Outcome]) -> Vec<Point> {
    let n = outcomes.len();
    let mut quality: f64 = outcomes.iter().map(|o| o.strong).sum();
    let mut points = Vec::with_capacity(THRESHOLDS);
    let mut below = 0;
    for i in 0..THRESHOLDS {
        // The decile as a rank, between two of them where need be; the last threshold lies above all scores.
        let last = i + 1 == THRESHOLDS;
        let rank = (n.saturating_sub(1) * i).div_ceil(THRESHOLDS - 1);
        let kept = if last { n } else { rank };
        for o in &outcomes[below..kept] {
            quality += o.weak - o.strong;
        }
        below = kept;
        let strong_percent = 100.0 * (n - kept) as f64 / n.max(1) as f64;
        points.push(Point { strong_percent, quality: quality / n.max(1) as f64 });
    }
    points.reverse();
    points
}

/// The figures of `outcomes` in the order of their scores; none where the larger model is no better.
pub fn figures(outcomes: &[Outcome]) -> Option<Figures> {
    let curve = curve(outcomes);
    let (weak, strong) = (curve.first()?.quality, curve.last()?.quality);
    let gap = strong - weak;
    if gap.is_nan() || gap <= 0.0 {
        return None;
    }
    let area: f64 = curve
        .windows(2)
        .map(|w| (w[1].strong_percent - w[0].strong_percent) / 100.0 * (w[0].quality + w[1].quality) / 2.0)
        .sum();
    let at = |part: f64| reached(&curve, weak + part * gap);
    Some(Figures { apgr: (area - weak) / gap, cpt50: at(0.5), cpt80: at(0.8) })
}

/// The smallest share at which the curve reaches `quality`, between points on the line that joins them.
fn reached(curve: &[Point], quality: f64) -> f64 {
    for w in curve.windows(2) {
        let [a, b] = [w[0], w[1]];
        if b.quality >= quality && b.quality > a.quality {
            let part = ((quality - a.quality) / (b.quality - a.quality)).clamp(0.0, 1.0);
            return a.strong_percent + part * (b.strong_percent - a.strong_percent);
        }
    }
    100.0
}

/// Questions drawn again and again with replacement. Draws are made when they are needed, so that many take no memory.
#[derive(Clone, Copy, Debug)]
pub struct Resamples {
    rows: usize,
    count: usize,
    seed: u64,
}

/// The first stream of random numbers that draws take.
const STREAMS: u64 = 1 << 20;

impl Resamples {
    /// `count` draws of `rows` questions.
    pub fn new(rows: usize, count: usize, seed: u64) -> Self {
        Self { rows, count, seed }
    }

    /// How often each question is there in a draw.
    fn draw(&self, number: usize) -> Vec<u16> {
        let mut random = Random::new(self.seed, STREAMS + number as u64);
        let mut times = vec![0u16; self.rows];
        for _ in 0..self.rows {
            let at = random.index(self.rows);
            times[at] = times[at].saturating_add(1);
        }
        times
    }

    /// Figures of each draw, where there are any.
    fn figures(&self, order: &[usize], outcomes: &[Outcome]) -> Vec<Option<Figures>> {
        let mut drawn = Vec::with_capacity(order.len());
        let of = |number| {
            let times = self.draw(number);
            drawn.clear();
            for i in order {
                drawn.extend(std::iter::repeat_n(outcomes[*i], usize::from(times[*i])));
            }
            figures(&drawn)
        };
        (0..self.count).map(of).collect()
    }
}

/// Where 95 % of `values` lie.
pub fn interval(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get(((values.len().max(1) - 1) as f64 * q).round() as usize).copied();
    [at(0.025).unwrap_or(f64::NAN), at(0.975).unwrap_or(f64::NAN)]
}

/// Figures of a router that gives `scores`, the highest of which go to the larger model first. None where the larger model is
/// no better than the smaller, since there is no gap to close then.
pub fn measure(scores: &[f64], outcomes: &[Outcome], resamples: &Resamples, seed: u64) -> Option<Measured> {
    let order = ranked(scores, seed);
    let sorted: Vec<Outcome> = order.iter().map(|i| outcomes[*i]).collect();
    let all = figures(&sorted)?;
    let drawn = resamples.figures(&order, outcomes);
    let of = |get: fn(&Figures) -> f64| interval(drawn.iter().flatten().map(get).collect());
    Some(Measured {
        figures: all,
        apgr_interval: of(|f| f.apgr),
        cpt50_interval: of(|f| f.cpt50),
        cpt80_interval: of(|f| f.cpt80),
        curve: curve(&sorted),
    })
}

/// By how much the APGR of `scores` is above that of `other`, on the same draws.
pub fn lead(scores: &[f64], other: &[f64], outcomes: &[Outcome], draws: &Resamples, seed: u64) -> [f64; 2] {
    let of = |scores| draws.figures(&ranked(scores, seed), outcomes);
    let pairs = of(scores).into_iter().zip(of(other));
    interval(pairs.filter_map(|(a, b)| Some(a?.apgr - b?.apgr)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(weak: u8, strong: u8) -> Outcome {
        Outcome { weak: weak.into(), strong: strong.into() }
    }

    #[test]
    fn a_curve_that_is_known_by_hand() {
        // Ten questions, in order of scores; only the two highest gain.
        let mut outcomes = vec![outcome(1, 1); 8];
        outcomes.extend([outcome(0, 1); 2]);
        let points = curve(&outcomes);
        assert_eq!((points.len(), points[0].strong_percent, points[10].strong_percent), (11, 0.0, 100.0));
        // Thresholds at ranks 0, .9, 1.8 ... 8.1, then none: 100, 90, ... 10, 0 percent.
        assert_eq!(points[1], Point { strong_percent: 10.0, quality: 0.9 });
        let found = figures(&outcomes).unwrap();
        assert!((found.cpt50 - 10.0).abs() < 1e-9 && (found.cpt80 - 16.0).abs() < 1e-9, "{found:?}");
        // Trapezoids: .1 x (0 + .5) / 2 + .1 x (.5 + 1) / 2 + .8.
        assert!((found.apgr - 0.9).abs() < 1e-9, "{found:?}");
        assert_eq!(figures(&[outcome(1, 0), outcome(1, 1)]), None);
        assert_eq!(figures(&[]), None);
    }

    #[test]
    fn chance_is_a_half_and_the_oracle_is_above() {
        let mut random = Random::new(7, 0);
        let outcomes: Vec<Outcome> =
            (0..400).map(|_| outcome(u8::from(random.unit() < 0.6), u8::from(random.unit() < 0.8))).collect();
        let mean: f64 = (0..300)
            .map(|seed| {
                let sorted: Vec<Outcome> =
                    ranked(&vec![0.0; 400], seed).iter().map(|i| outcomes[*i]).collect();
                figures(&sorted).unwrap().apgr
            })
            .sum::<f64>()
            / 300.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let gain: Vec<f64> = outcomes.iter().map(|o| o.strong - o.weak).collect();
        let draws = Resamples::new(400, 200, 1);
        let oracle = measure(&gain, &outcomes, &draws, 0).unwrap();
        assert!(oracle.figures.apgr > 0.9 && oracle.apgr_interval[0] < oracle.figures.apgr);
        let lead = lead(&gain, &vec![0.0; 400], &outcomes, &draws, 0);
        assert!(lead[0] > 0.2, "{lead:?}");
    }
}
