//! Microseconds per sampled token at a vocabulary of 128k: `cargo bench -p hob-engine --bench sampling`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use hob_engine::sampling::{Mirostat, Rng, Sampler, SamplerConfig, TokenMask};

const V: usize = 131_072;
const ROUNDS: usize = 200;

/// Bell-shaped noise with a few hundred tokens above it, roughly as a language model's logits look.
fn logits() -> Vec<f32> {
    let mut rng = Rng::new(1);
    let mut bell = move || (0..6).map(|_| rng.next_unit()).sum::<f64>() * 2.0 - 6.0;
    (0..V).map(|_| (bell() + bell().max(2.0) * 3.0) as f32).collect()
}

fn measure(name: &str, config: SamplerConfig, mask: Option<&TokenMask>) {
    let source = logits();
    let mut sampler = Sampler::new(config, V).expect("the options are in range");
    let mut us: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let mut l = source.clone();
            let start = Instant::now();
            let sampled = sampler.sample(&mut l, mask).expect("finite logits");
            let elapsed = start.elapsed().as_secs_f64() * 1e6;
            sampler.accept(sampled.id);
            elapsed
        })
        .collect();
    us.sort_by(f64::total_cmp);
    println!("{name:44} {:8.1} us (median of {ROUNDS})", us[ROUNDS / 2]);
}

fn main() {
    let off = || SamplerConfig { top_k: 0, top_p: 1.0, min_p: 0.0, ..SamplerConfig::default() };
    let common =
        || SamplerConfig { top_k: 40, top_p: 0.95, min_p: 0.0, temperature: 0.8, ..SamplerConfig::default() };
    let mask = TokenMask::from_ids(V, (0..V as u32).step_by(3));
    measure("greedy", SamplerConfig::greedy(), None);
    measure("top-k 40, top-p .95, temperature .8", common(), None);
    measure("the same under a mask of a third", common(), Some(&mask));
    measure("the same with 20 logprobs", SamplerConfig { logprobs: Some(20), ..common() }, None);
    let mut penalties = common();
    penalties.repeat_penalty = 1.1;
    penalties.dry.multiplier = 0.8;
    measure("the same with repetition penalty and DRY", penalties, None);
    measure("top-p .95 alone", SamplerConfig { top_p: 0.95, ..off() }, None);
    measure("min-p .05 alone", SamplerConfig { min_p: 0.05, ..off() }, None);
    measure("typical .9 alone", SamplerConfig { typical_p: 0.9, ..off() }, None);
    measure("mirostat 2", SamplerConfig { mirostat: Some(Mirostat::default()), ..off() }, None);
    measure("temperature alone", off(), None);
}
