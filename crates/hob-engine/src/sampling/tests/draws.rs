use super::reference;
use super::*;

/// Frequencies of `draws` independent draws from the same logits.
fn histogram(config: SamplerConfig, l: &[f32], draws: usize) -> Vec<f64> {
    let mut sampler = Sampler::new(config, l.len()).unwrap();
    let mut counts = vec![0.0; l.len()];
    for _ in 0..draws {
        counts[sampler.sample(&mut l.to_vec(), None).unwrap().id as usize] += 1.0;
    }
    counts
}

/// Pearson's statistic over the categories with an expectation of at least five, and their number less one.
fn chi_square(counts: &[f64], p: &[f64], draws: f64) -> (f64, f64) {
    let terms = counts.iter().zip(p).filter(|(_, p)| **p * draws >= 5.0);
    let values: Vec<f64> = terms.map(|(c, p)| (c - p * draws).powi(2) / (p * draws)).collect();
    (values.iter().sum(), values.len() as f64 - 1.0)
}

/// The statistic has mean `df` and variance `2 df`; six deviations above the mean is a generous bound.
fn assert_fits(config: SamplerConfig, l: &[f32], p: &[f64]) {
    let draws = 20_000;
    let counts = histogram(config, l, draws);
    for (id, (c, p)) in counts.iter().zip(p).enumerate() {
        assert!(*p > 0.0 || *c == 0.0, "token {id} was removed but drawn");
    }
    let (statistic, df) = chi_square(&counts, p, draws as f64);
    assert!(statistic < df + 6.0 * (2.0 * df).sqrt(), "chi-square {statistic} at {df} degrees of freedom");
}

/// Probabilities by id after `steps` on a sorted list.
fn expected(l: &[f32], steps: impl FnOnce(&mut reference::List)) -> Vec<f64> {
    let mut list = reference::sorted(l);
    steps(&mut list);
    let mut p = vec![0.0; l.len()];
    for (c, q) in list.iter().zip(reference::softmax(&list)) {
        p[c.0 as usize] = q;
    }
    p
}

#[test]
fn draws_follow_the_distribution() {
    let l = logits(11, 200);
    for seed in 1..4 {
        assert_fits(SamplerConfig { seed, ..plain() }, &l, &expected(&l, |_| {}));
    }
    let hot = expected(&l, |list| list.iter_mut().for_each(|c| c.1 /= 1.7));
    assert_fits(SamplerConfig { temperature: 1.7, ..plain() }, &l, &hot);
}

#[test]
fn the_default_chain_follows_its_definition() {
    let l = logits(12, 400);
    let p = expected(&l, |list| {
        list.truncate(40);
        reference::top_p(list, f64::from(0.95f32));
        reference::min_p(list, f64::from(0.05f32));
        list.iter_mut().for_each(|c| c.1 /= f64::from(0.8f32));
    });
    assert_fits(SamplerConfig { seed: 5, ..SamplerConfig::default() }, &l, &p);
}

#[test]
fn another_order_gives_another_distribution() {
    let l = logits(13, 300);
    let order = vec![Step::Temperature, Step::TopP];
    let p = expected(&l, |list| {
        list.iter_mut().for_each(|c| c.1 /= 2.0);
        reference::top_p(list, f64::from(0.5f32));
    });
    assert_fits(SamplerConfig { temperature: 2.0, top_p: 0.5, top_k: 1, order, ..plain() }, &l, &p);
}

#[test]
fn xtc_acts_as_often_as_asked() {
    // Three clear tokens and a few rare ones; XTC at 0.1 leaves only the third of the three.
    let l = [3.0f32, 2.5, 2.0, -2.0, -2.5, -3.0];
    let without = expected(&l, |_| {});
    let with = expected(&l, |list| reference::xtc(list, 0.1));
    let mixed: Vec<f64> = without.iter().zip(&with).map(|(a, b)| 0.6 * a + 0.4 * b).collect();
    let config = SamplerConfig { xtc_probability: 0.4, xtc_threshold: 0.1, ..plain() };
    assert_fits(config, &l, &mixed);
}

/// Algorithm 2 of arXiv:2007.14966 step by step, with the same random numbers.
#[test]
fn mirostat_follows_the_published_algorithm() {
    let m = Mirostat { tau: 3.0, eta: 0.2 };
    let config = SamplerConfig { seed: 9, mirostat: Some(m), ..plain() };
    let mut sampler = Sampler::new(config, 500).unwrap();
    let mut rng = Rng::new(9);
    let mut mu = 2.0 * f64::from(m.tau);
    let mut surprises = 0.0;
    for step in 0..400 {
        let l: Vec<f32> = logits(100 + step, 500).iter().map(|l| l * 2.0).collect();
        let list = reference::sorted(&l);
        let p = reference::softmax(&list);
        let kept = p.iter().filter(|p| -p.log2() <= mu).count().max(1);
        let mut pool: Vec<_> = list[..kept].iter().zip(&p).map(|(c, p)| (c.0, *p)).collect();
        pool.sort_by_key(|c| c.0);
        let mut left = rng.next_unit() * pool.iter().map(|c| c.1).sum::<f64>();
        let chosen = pool.iter().find(|c| {
            left -= c.1;
            left < 0.0
        });
        let (id, q) = *chosen.unwrap();
        mu -= f64::from(m.eta) * (-q.log2() - f64::from(m.tau));
        surprises -= q.log2();
        assert_eq!(sampler.sample(&mut l.clone(), None).unwrap().id, id, "step {step}");
    }
    assert!((surprises / 400.0 - 3.0).abs() < 0.2, "mean surprise {}", surprises / 400.0);
}

#[test]
fn logprobs_are_those_of_the_untouched_logits() {
    let l = logits(21, 300);
    let list = reference::sorted(&l);
    let p = reference::softmax(&list);
    let config = SamplerConfig {
        logprobs: Some(5),
        logit_bias: vec![(list[0].0, -50.0)],
        repeat_penalty: 1.5,
        temperature: 0.3,
        ..SamplerConfig::default()
    };
    let mut sampler = Sampler::new(config, 300).unwrap();
    (0..300).for_each(|id| sampler.accept(id));
    let sampled = sampler.sample(&mut l.clone(), None).unwrap();
    let report = sampled.logprob.unwrap();
    assert_eq!(report.id, sampled.id);
    assert_ne!(report.id, list[0].0);
    let at = list.iter().position(|c| c.0 == sampled.id).unwrap();
    assert!((f64::from(report.logprob) - p[at].ln()).abs() < 1e-6);
    assert_eq!(
        report.top.iter().map(|t| t.0).collect::<Vec<_>>(),
        list[..5].iter().map(|c| c.0).collect::<Vec<_>>()
    );
    for (t, q) in report.top.iter().zip(&p) {
        assert!((f64::from(t.1) - q.ln()).abs() < 1e-6);
    }
}

/// Thirty tokens per configuration, committed: the same on every platform, today and after the next change.
#[test]
fn golden_sequences() {
    let base = SamplerConfig::default;
    let configs: [(&str, SamplerConfig); 5] = [
        ("defaults", SamplerConfig { seed: 1, ..base() }),
        ("plain", SamplerConfig { seed: 2, ..plain() }),
        ("typical", SamplerConfig { seed: 3, typical_p: 0.7, top_k: 0, ..base() }),
        ("xtc", SamplerConfig { seed: 4, xtc_probability: 0.5, xtc_threshold: 0.05, min_p: 0.01, ..base() }),
        ("mirostat", SamplerConfig { seed: 5, mirostat: Some(Mirostat { tau: 2.0, eta: 0.3 }), ..base() }),
    ];
    let mut text = String::new();
    for (name, config) in configs {
        let repeat = SamplerConfig { repeat_penalty: 1.2, ..config };
        let mut sampler = Sampler::new(repeat, 2000).unwrap();
        let ids = (0..30).map(|step| {
            let id = sampler.sample(&mut logits(step % 7, 2000), None).unwrap().id;
            sampler.accept(id);
            id.to_string()
        });
        text += &format!("{name}: {}\n", ids.collect::<Vec<_>>().join(" "));
    }
    assert_eq!(text, include_str!("golden.txt"), "found:\n{text}");
}

#[test]
fn a_clone_continues_the_same_stream() {
    let mut a = Sampler::new(SamplerConfig { seed: 8, ..plain() }, 100).unwrap();
    let l = logits(1, 100);
    a.sample(&mut l.clone(), None).unwrap();
    let mut b = a.clone();
    for _ in 0..20 {
        assert_eq!(a.sample(&mut l.clone(), None), b.sample(&mut l.clone(), None));
    }
}
