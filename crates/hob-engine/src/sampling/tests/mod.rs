//! The sampler against slow, plain restatements of the published formulas (`reference.rs`).

mod draws;
mod filters;
mod penalties;
mod reference;

use super::*;

/// Every step off: what is left is the draw itself.
fn plain() -> SamplerConfig {
    SamplerConfig { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..SamplerConfig::default() }
}

/// Logits that look like a model's: mostly around zero, a few far above. The last bits vary, so ties are rare.
fn logits(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let mut bell = move || (0..4).map(|_| rng.next_unit()).sum::<f64>() * 2.0 - 4.0;
    (0..count).map(|_| (bell() + bell().max(2.0) * 3.0) as f32).collect()
}

#[test]
fn options_out_of_range_are_named() {
    type Change = fn(&mut SamplerConfig);
    let cases: [(&str, Change); 22] = [
        ("temperature", |c| c.temperature = -0.1),
        ("temperature", |c| c.temperature = f32::NAN),
        ("dynamic_temperature_range", |c| c.dynamic_temperature_range = f32::INFINITY),
        ("dynamic_temperature_exponent", |c| c.dynamic_temperature_exponent = 0.0),
        ("top_p", |c| c.top_p = 1.01),
        ("min_p", |c| c.min_p = -0.01),
        ("typical_p", |c| c.typical_p = 0.0),
        ("top_n_sigma", |c| c.top_n_sigma = Some(-1.0)),
        ("xtc_probability", |c| c.xtc_probability = 2.0),
        ("xtc_threshold", |c| c.xtc_threshold = -2.0),
        ("repeat_penalty", |c| c.repeat_penalty = 0.0),
        ("presence_penalty", |c| c.presence_penalty = 101.0),
        ("frequency_penalty", |c| c.frequency_penalty = f32::NEG_INFINITY),
        ("dry.multiplier", |c| c.dry.multiplier = -1.0),
        ("dry.base", |c| c.dry.base = 0.9),
        ("dry.allowed_length", |c| c.dry.allowed_length = 0),
        ("dry.sequence_breakers", |c| c.dry.sequence_breakers = vec![vec![1], vec![]]),
        ("mirostat.tau", |c| c.mirostat = Some(Mirostat { tau: 0.0, eta: 0.1 })),
        ("mirostat.eta", |c| c.mirostat = Some(Mirostat { tau: 5.0, eta: 1.5 })),
        ("logit_bias", |c| c.logit_bias = vec![(10, 1.0)]),
        ("banned", |c| c.banned = vec![9, 10]),
        ("order", |c| c.order = vec![Step::TopK, Step::TopP, Step::TopK]),
    ];
    for (name, change) in cases {
        let mut config = SamplerConfig::default();
        change(&mut config);
        match Sampler::new(config, 10) {
            Err(Error::SamplerOption { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(Sampler::new(SamplerConfig::default(), 10).is_ok());
    let error = SamplerConfig { top_p: 1.5, ..plain() }.validate(10).unwrap_err();
    assert_eq!(error.to_string(), "sampling option top_p: expected a number from 0 to 1, found 1.5");
}

#[test]
fn broken_logits_and_empty_choices_are_errors() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut sampler = Sampler::new(plain(), 50).unwrap();
        let mut l = vec![0.0; 50];
        l[37] = bad;
        assert!(matches!(sampler.sample(&mut l, None), Err(Error::LogitNotFinite { id: 37, .. })));
    }
    let masks = [TokenMask::none(50), TokenMask::from_ids(50, [3]), TokenMask::none(0)];
    for config in
        [plain(), SamplerConfig::greedy(), SamplerConfig { mirostat: Some(Mirostat::default()), ..plain() }]
    {
        for mask in &masks {
            let mut sampler = Sampler::new(SamplerConfig { banned: vec![3], ..config.clone() }, 50).unwrap();
            let result = sampler.sample(&mut [0.0; 50], Some(mask));
            let allowed = mask.allowed_count();
            assert_eq!(result, Err(Error::NoTokenLeft { allowed, banned: 1 }));
        }
    }
}

#[test]
fn greedy_takes_the_lowest_id_of_a_tie() {
    let mut l = vec![-1.0f32; 300];
    for id in [41, 42, 299] {
        l[id] = 5.0;
    }
    let mut sampler = Sampler::new(SamplerConfig::greedy(), 300).unwrap();
    assert_eq!(sampler.sample(&mut l.clone(), None).unwrap().id, 41);
    let mask = TokenMask::from_ids(300, [0, 42, 299]);
    assert_eq!(sampler.sample(&mut l.clone(), Some(&mask)).unwrap().id, 42);
    let mut banned =
        Sampler::new(SamplerConfig { banned: vec![41, 42], ..SamplerConfig::greedy() }, 300).unwrap();
    assert_eq!(banned.sample(&mut l, None).unwrap().id, 299);
}

#[test]
fn greedy_ignores_steps_that_could_remove_the_best_token() {
    let config = SamplerConfig {
        typical_p: 0.1,
        xtc_probability: 1.0,
        xtc_threshold: 0.01,
        ..SamplerConfig::greedy()
    };
    let mut sampler = Sampler::new(config, 500).unwrap();
    let l = logits(3, 500);
    let best = (0..500).max_by(|&a, &b| l[a].total_cmp(&l[b])).unwrap();
    assert_eq!(sampler.sample(&mut l.clone(), None).unwrap().id, best as u32);
}

#[test]
fn extreme_options_stay_finite() {
    let config = SamplerConfig {
        temperature: 1e-30,
        repeat_penalty: 100.0,
        logit_bias: vec![(0, 1e6), (1, -1e6)],
        ..SamplerConfig::default()
    };
    let mut sampler = Sampler::new(config, 4).unwrap();
    sampler.accept(2);
    let mut l = [f32::MAX, f32::MIN, f32::MIN, f32::MAX];
    let id = sampler.sample(&mut l, None).unwrap().id;
    assert!(id == 0 || id == 3);
    assert!(l.iter().all(|v| v.is_finite()));
}
