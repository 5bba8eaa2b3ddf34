//! DRY ("don't repeat yourself"): `logit -= multiplier * base ^ (n - allowed_length)` for the token that would make
//! the longest repetition of the text's end one token longer, where `n >= allowed_length` is the length repeated so far.
//!
//! A repetition never reaches back across a sequence breaker, and a single-token breaker is never penalised.
//! Source: ggml-org/llama.cpp#9702.

use std::collections::BTreeMap;

use super::config::DryConfig;
use super::shift;

/// The largest penalty; logits stay finite whatever the base and the length.
const PENALTY_MAX: f64 = 1e9;

/// Applies the penalty; `window` holds the tokens so far, oldest first.
pub(super) fn penalise(config: &DryConfig, window: &[u32], logits: &mut [f32]) {
    let reach = reach(window, &config.sequence_breakers);
    if config.multiplier == 0.0 || reach < config.allowed_length as usize {
        return;
    }
    for (id, length) in longest_matches(window, reach) {
        let is_breaker = || config.sequence_breakers.iter().any(|b| *b == [id]);
        if length < config.allowed_length as usize || is_breaker() {
            continue;
        }
        if let Some(logit) = logits.get_mut(id as usize) {
            shift(logit, -penalty(config, length) as f32);
        }
    }
}

/// How many tokens follow the last complete breaker.
fn reach(window: &[u32], breakers: &[Vec<u32>]) -> usize {
    let after_breaker = |n: &usize| breakers.iter().any(|b| window[..window.len() - n].ends_with(b));
    (0..window.len()).find(after_breaker).unwrap_or(window.len())
}

/// For every token that followed an earlier occurrence of the text's end: the length of the longest such occurrence.
///
/// Entry `z[i]` of the Z function of the reversed text is how far the text that ends `i` tokens before its end agrees
/// with its end, which makes the whole search linear.
fn longest_matches(window: &[u32], reach: usize) -> BTreeMap<u32, usize> {
    let n = window.len();
    let at = |i: usize| window[n - 1 - i];
    let mut z = vec![0usize; n];
    let mut longest = BTreeMap::new();
    let (mut left, mut right) = (0, 0);
    for i in 1..n {
        let mut length = if i < right { z[i - left].min(right - i) } else { 0 };
        while i + length < n && at(length) == at(i + length) {
            length += 1;
        }
        if i + length > right {
            (left, right) = (i, i + length);
        }
        z[i] = length;
        let counted = length.min(reach);
        if counted > 0 {
            let entry = longest.entry(at(i - 1)).or_insert(0);
            *entry = counted.max(*entry);
        }
    }
    longest
}

fn penalty(config: &DryConfig, length: usize) -> f64 {
    let mut value = f64::from(config.multiplier);
    for _ in config.allowed_length as usize..length {
        value *= f64::from(config.base);
        if value >= PENALTY_MAX || config.base == 1.0 {
            break;
        }
    }
    value.min(PENALTY_MAX)
}
