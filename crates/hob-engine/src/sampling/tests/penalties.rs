use proptest::prelude::*;

use super::reference;
use super::*;

const V: usize = 12;

/// What the sampler's penalties do to `logits` after `tokens`.
fn penalised(config: SamplerConfig, tokens: &[u32], logits: &[f32]) -> Vec<f32> {
    let mut sampler = Sampler::new(config, V).unwrap();
    tokens.iter().for_each(|&t| sampler.accept(t));
    let mut l = logits.to_vec();
    sampler.sample(&mut l, None).unwrap();
    l
}

proptest! {
    #[test]
    fn counts_follow_the_window(
        tokens in prop::collection::vec(0u32..V as u32, 0..60),
        logits in prop::collection::vec(-5.0f32..5.0, V),
        window in prop_oneof![Just(Window::Whole), (0u32..20).prop_map(Window::Last)],
        (repeat, presence, frequency) in (0.5f32..2.0, -1.0f32..1.0, -1.0f32..1.0),
    ) {
        let config = SamplerConfig {
            repeat_penalty: repeat,
            presence_penalty: presence,
            frequency_penalty: frequency,
            penalty_window: window,
            ..plain()
        };
        let found = penalised(config, &tokens, &logits);
        let n = match window { Window::Whole => tokens.len(), Window::Last(n) => tokens.len().min(n as usize) };
        let seen = &tokens[tokens.len() - n..];
        for (id, &logit) in logits.iter().enumerate() {
            let count = seen.iter().filter(|&&t| t as usize == id).count() as f32;
            let mut expected = logit;
            if count > 0.0 {
                expected = if logit > 0.0 { logit / repeat } else { logit * repeat };
                expected -= count * frequency + presence;
            }
            prop_assert!((found[id] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn dry_matches_the_slow_search(
        tokens in prop::collection::vec(0u32..4, 0..80),
        breakers in prop::collection::vec(prop::collection::vec(0u32..5, 1..4), 0..3),
        window in prop_oneof![Just(Window::Whole), (0u32..50).prop_map(Window::Last)],
        (multiplier, base, allowed_length) in (0.1f32..2.0, 1.0f32..2.0, 1u32..5),
    ) {
        let dry = DryConfig { multiplier, base, allowed_length, window, sequence_breakers: breakers };
        let found = penalised(SamplerConfig { dry: dry.clone(), ..plain() }, &tokens, &[0.0; V]);
        let n = match window { Window::Whole => tokens.len(), Window::Last(n) => tokens.len().min(n as usize) };
        let mut expected = [0.0f64; V];
        for (id, penalty) in reference::dry(&tokens[tokens.len() - n..], &dry) {
            expected[id as usize] = -penalty.min(1e9);
        }
        for (f, e) in found.iter().zip(expected) {
            prop_assert!((f64::from(*f) - e).abs() <= 1e-5 * e.abs().max(1.0), "{found:?} {expected:?}");
        }
    }
}

#[test]
fn dry_as_in_its_description() {
    // "a b c d ... a b c": after three repeated tokens, d costs multiplier * base^(3 - 2).
    let dry = DryConfig { multiplier: 0.8, base: 1.75, ..DryConfig::default() };
    let found = penalised(SamplerConfig { dry, ..plain() }, &[1, 2, 3, 4, 9, 1, 2, 3], &[0.0; V]);
    assert!((found[4] + 0.8 * 1.75).abs() < 1e-6);
    assert!(found.iter().enumerate().all(|(i, l)| i == 4 || *l == 0.0));
}

#[test]
fn dry_stays_linear_on_a_long_repetition() {
    // 200,000 equal tokens: the quadratic search would need 2e10 comparisons.
    let dry = DryConfig { multiplier: 1.0, base: 2.0, ..DryConfig::default() };
    let found = penalised(SamplerConfig { dry, ..plain() }, &vec![7; 200_000], &[0.0; V]);
    assert_eq!(found[7], -1e9);
}

#[test]
fn history_does_not_outgrow_its_window() {
    let config = SamplerConfig { repeat_penalty: 1.1, penalty_window: Window::Last(8), ..plain() };
    let mut history = super::super::history::History::new(&config);
    (0..10_000).for_each(|i| history.push(i % 50));
    assert!(history.last(usize::MAX).len() <= 17);
    assert_eq!(history.last(3), [47, 48, 49]);
}

#[test]
fn bias_adds_up_and_bans_hold() {
    let config =
        SamplerConfig { logit_bias: vec![(3, 2.0), (3, 1.5), (5, -1.0)], banned: vec![3], ..plain() };
    let found = penalised(config.clone(), &[], &[0.5; V]);
    assert_eq!((found[3], found[5], found[0]), (f32::NEG_INFINITY, -0.5, 0.5));
    let found = penalised(SamplerConfig { banned: vec![], ..config }, &[], &[0.5; V]);
    assert_eq!(found[3], 4.0);
}
