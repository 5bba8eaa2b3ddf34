//! Learning a tagger from marked texts.

use super::features::features;
use super::tokens::tokens;
use super::{KINDS, TAGS, Tagger, best_path};
use crate::{Finding, Label};
use std::ops::Range;

/// A text, what rules find in it, and what the tagger should find.
#[derive(Clone, Debug)]
pub struct Example {
    /// The text.
    pub text: String,
    /// What rules find.
    pub rules: Vec<Finding>,
    /// What is marked.
    pub marked: Vec<(Range<usize>, Label)>,
}

/// How a tagger is learned.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// Buckets of features.
    pub buckets: u32,
    /// Times that every example is seen.
    pub rounds: usize,
    /// Start of the order of examples.
    pub seed: u64,
}

impl Default for Lesson {
    fn default() -> Self {
        Self { buckets: 1 << 15, rounds: 12, seed: 1 }
    }
}

/// Weights that change, and the sums of all their values, for the mean.
struct Averaged {
    now: Vec<f32>,
    /// Changes times the step at which they came.
    late: Vec<f32>,
}

impl Averaged {
    fn new(count: usize) -> Self {
        Self { now: vec![0.0; count], late: vec![0.0; count] }
    }

    fn add(&mut self, at: usize, by: f32, step: f32) {
        self.now[at] += by;
        self.late[at] += by * step;
    }

    fn mean(&self, steps: f32) -> Vec<f32> {
        self.now.iter().zip(&self.late).map(|(now, late)| now - late / steps).collect()
    }
}

impl Tagger {
    /// A tagger that learned from `examples`.
    pub fn learn(examples: &[Example], lesson: Lesson) -> Self {
        let seen: Vec<(Vec<Vec<u32>>, Vec<usize>)> =
            examples.iter().map(|e| prepared(e, lesson.buckets)).collect();
        let mut votes = Averaged::new(lesson.buckets as usize * TAGS);
        let mut next = Averaged::new(TAGS * TAGS);
        let mut order: Vec<usize> = (0..seen.len()).collect();
        let (mut step, mut state) = (1.0f32, lesson.seed.max(1));
        for _ in 0..lesson.rounds {
            shuffle(&mut order, &mut state);
            for i in &order {
                let (features, wanted) = &seen[*i];
                let emit = |f: &Vec<u32>| {
                    let mut sums = [0.0f32; TAGS];
                    for f in f {
                        sums.iter_mut().zip(&votes.now[*f as usize * TAGS..]).for_each(|(s, v)| *s += v);
                    }
                    sums
                };
                let emitted: Vec<f32> = features.iter().flat_map(emit).collect();
                let path = best_path(&emitted, &next.now);
                let (mut before, mut before_wanted) = (0, 0);
                for ((features, found), wanted) in features.iter().zip(&path).zip(wanted) {
                    if found != wanted {
                        for f in features {
                            votes.add(*f as usize * TAGS + wanted, 1.0, step);
                            votes.add(*f as usize * TAGS + found, -1.0, step);
                        }
                    }
                    if (found, before) != (wanted, before_wanted) {
                        next.add(before_wanted * TAGS + wanted, 1.0, step);
                        next.add(before * TAGS + found, -1.0, step);
                    }
                    (before, before_wanted) = (*found, *wanted);
                }
                step += 1.0;
            }
        }
        Self::rounded(lesson.buckets, &votes.mean(step), next.mean(step))
    }

    /// Weights in steps that eight bits can count.
    fn rounded(buckets: u32, votes: &[f32], next: Vec<f32>) -> Self {
        let largest = votes.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        Self { buckets, scale, votes: votes.iter().map(|v| (v / scale).round() as i8).collect(), next }
    }
}

/// Features and tags of an example.
fn prepared(example: &Example, buckets: u32) -> (Vec<Vec<u32>>, Vec<usize>) {
    let tokens = tokens(&example.text);
    let mut tags = vec![0; tokens.len()];
    for (range, label) in &example.marked {
        let Some(kind) = KINDS.iter().position(|k| k == label) else { continue };
        let inside =
            tokens.iter().enumerate().filter(|(_, t)| t.range.start < range.end && range.start < t.range.end);
        for (n, (i, _)) in inside.enumerate() {
            tags[i] = 1 + 2 * kind + usize::from(n > 0);
        }
    }
    (features(&example.text, &tokens, &example.rules, buckets), tags)
}

/// Fisher and Yates, with a generator of George Marsaglia's (xorshift64).
fn shuffle(order: &mut [usize], state: &mut u64) {
    for i in (1..order.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        order.swap(i, (*state % (i as u64 + 1)) as usize);
    }
}
