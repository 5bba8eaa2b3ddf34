//! Rotary embeddings as `config.json` states them.

use super::{json_number, refused};
use crate::Error;
use crate::alike::turn_alike;
use crate::rope::{RopeScaling, RopeSpec, STANDS_STILL, longrope_amplitude};
use crate::spec::ModelSpec;
use serde_json::{Value, json};

/// What published Llama 3 files say of the parts of the spectrum; only their ratio to the original context has a meaning.
const LOW: f32 = 1.0;
const HIGH: f32 = 4.0;
/// What an amplitude may be off before it is written down.
const AMPLITUDE_ERROR: f32 = 1e-6;

/// The words that both generations of readers know, for models with one embedding, or with one that scaling is about: the last.
pub(super) fn set_plain(spec: &ModelSpec, config: &mut Value) -> Result<(), Error> {
    let rope = spec.ropes.last().ok_or_else(|| refused("it has no rotary embedding"))?;
    let head = spec.layers[0].attention.head_dim;
    config["rope_theta"] = json_number(rope.theta);
    let stated = stated(rope, spec.context);
    if let RopeScaling::LongRope { original, .. } = stated {
        config["original_max_position_embeddings"] = original.into();
    }
    config["rope_scaling"] = scaling(rope, stated, spec.context);
    if rope.width != head {
        config["partial_rotary_factor"] = (rope.width as f64 / head as f64).into();
    }
    Ok(())
}

/// One block of `rope_parameters`.
pub(crate) fn parameters(rope: &RopeSpec, context: usize) -> Value {
    let mut block = scaling(rope, stated(rope, context), context);
    if block.is_null() {
        block = json!({"rope_type": "default"});
    }
    block["rope_theta"] = json_number(rope.theta);
    block
}

/// How frequencies are changed, without their base; `null` where they are not.
fn scaling(rope: &RopeSpec, stated: RopeScaling, context: usize) -> Value {
    let n = |x: &f32| json_number(*x);
    let list = |of: &[f32]| Value::Array(of.iter().map(n).collect());
    match stated {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": n(&factor)}),
        RopeScaling::Llama3 { factor, low, high, original } => json!({
            "rope_type": "llama3",
            "factor": n(&factor),
            "low_freq_factor": n(&low),
            "high_freq_factor": n(&high),
            "original_max_position_embeddings": whole(original),
        }),
        RopeScaling::Yarn { factor, original, beta_fast, beta_slow, amplitude } => json!({
            "rope_type": "yarn",
            "factor": n(&factor),
            "original_max_position_embeddings": whole(original),
            "beta_fast": n(&beta_fast),
            "beta_slow": n(&beta_slow),
            "attention_factor": n(&amplitude),
        }),
        RopeScaling::LongRope { short, long, original, amplitude } => {
            let mut block = json!({
                "type": "longrope",
                "short_factor": list(&short),
                "long_factor": list(&long),
            });
            // Some readers take these three fields and no other, so the rest is left out where it can be.
            let implied = longrope_amplitude(context as f32, original as f32);
            if (amplitude - implied).abs() > AMPLITUDE_ERROR {
                block["attention_factor"] = n(&amplitude);
            }
            block
        }
        RopeScaling::Proportional { pairs } => {
            let half = (rope.width / 2).max(1);
            json!({"rope_type": "proportional", "partial_rotary_factor": pairs as f64 / half as f64})
        }
        RopeScaling::Divisors(_) => Value::Null,
    }
}

/// Whole numbers without a point, as readers of contexts expect them.
fn whole(x: f32) -> Value {
    if x.fract() == 0.0 && (0.0..1e9).contains(&x) { (x as u64).into() } else { json_number(x) }
}

/// The scaling in words that `config.json` has: divisors are what one of its kinds makes, or else the lists of longrope.
fn stated(rope: &RopeSpec, context: usize) -> RopeScaling {
    let RopeScaling::Divisors(divisors) = &rope.scaling else { return rope.scaling.clone() };
    let largest = divisors.iter().copied().fold(1.0, f32::max);
    let stands_still = |d: &f32| *d >= STANDS_STILL.sqrt();
    let pairs = divisors.iter().position(stands_still).unwrap_or(divisors.len());
    let mut kinds =
        vec![RopeScaling::None, RopeScaling::Linear { factor: largest }, RopeScaling::Proportional { pairs }];
    kinds.extend(llama3(rope, divisors, largest));
    let alike = |scaling: &RopeScaling| turn_alike(rope, &RopeSpec { scaling: scaling.clone(), ..*rope });
    kinds.into_iter().find(alike).unwrap_or_else(|| RopeScaling::LongRope {
        short: divisors.clone(),
        long: divisors.clone(),
        original: context,
        amplitude: 1.0,
    })
}

/// Llama 3's scaling from the divisors it made: each frequency on the ramp tells the original context.
fn llama3(rope: &RopeSpec, divisors: &[f32], factor: f32) -> Vec<RopeScaling> {
    let plain = RopeSpec { scaling: RopeScaling::None, ..*rope }.table(false).frequencies;
    let on_ramp = plain.iter().zip(divisors).filter(|(_, d)| **d > 1.0001 && **d < factor * 0.9999);
    on_ramp
        .map(|(f, d)| {
            let wavelength = std::f32::consts::TAU / f;
            let smooth = (1.0 / d - 1.0 / factor) / (1.0 - 1.0 / factor);
            let original = ((smooth * (HIGH - LOW) + LOW) * wavelength).round();
            RopeScaling::Llama3 { factor, low: LOW, high: HIGH, original }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(theta: f32, width: usize, scaling: &RopeScaling) -> RopeSpec {
        let made = RopeSpec { theta, width, scaling: scaling.clone() };
        let divisors = made.factors().remove(0).1;
        RopeSpec { scaling: RopeScaling::Divisors(divisors), ..made }
    }

    #[test]
    fn divisors_are_told_by_what_made_them() {
        let llama = RopeScaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original: 8192.0 };
        assert_eq!(stated(&divided(500_000.0, 64, &llama), 131_072), llama);
        let part = RopeScaling::Proportional { pairs: 64 };
        assert_eq!(stated(&divided(1e6, 512, &part), 1 << 17), part);
        let block = parameters(&divided(1e6, 512, &part), 1 << 17);
        assert_eq!(block["partial_rotary_factor"], 0.25);
    }

    #[test]
    fn other_divisors_are_lists() {
        let divisors = vec![1.0, 3.0, 2.0, 9.0];
        let rope = RopeSpec { theta: 1e4, width: 8, scaling: RopeScaling::Divisors(divisors.clone()) };
        let RopeScaling::LongRope { short, long, .. } = stated(&rope, 64) else { panic!("a list") };
        assert_eq!((&short, &long), (&divisors, &divisors));
        let none = RopeSpec { scaling: RopeScaling::Divisors(vec![1.0; 4]), ..rope.clone() };
        assert_eq!(stated(&none, 64), RopeScaling::None);
        let all = RopeSpec { scaling: RopeScaling::Divisors(vec![8.0; 4]), ..rope };
        assert_eq!(stated(&all, 64), RopeScaling::Linear { factor: 8.0 });
    }
}
