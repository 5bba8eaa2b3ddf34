//! Rotary position embeddings as models state them, and the frequencies that follow.
//!
//! Sources: Llama 3.1 (`llama3`), YaRN arXiv:2309.00071, LongRoPE arXiv:2402.13753, Gemma 4 (`proportional`).

use crate::{Config, Error, config::Key};
use hob_kernels::RopeTable;
use serde_json::Value;

/// One kind of rotary embedding of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// Base of the geometric series of frequencies.
    pub theta: f32,
    /// Elements of a head that turn (`r`), an even number.
    pub width: usize,
    /// How the frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// How frequencies are changed for long contexts. `f` is the unscaled frequency, `k` the pair.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// `f`.
    None,
    /// `f / factor`.
    Linear {
        /// Stretch of all positions.
        factor: f32,
    },
    /// Long wavelengths stretched, short ones kept, a ramp between.
    Llama3 {
        /// Stretch of long wavelengths.
        factor: f32,
        /// Wavelengths above `original / low` are stretched fully.
        low: f32,
        /// Wavelengths below `original / high` are kept.
        high: f32,
        /// Context length before stretching.
        original: f32,
    },
    /// `f / divisor[k]`: precomputed scaling of GGUF files.
    Divisors(Vec<f32>),
    /// Stretch by parts of the spectrum, with an amplitude.
    Yarn {
        /// Stretch of low frequencies.
        factor: f32,
        /// Context length before stretching.
        original: f32,
        /// Turns above which a frequency is kept.
        beta_fast: f32,
        /// Turns below which a frequency is stretched fully.
        beta_slow: f32,
        /// Factor on cosine and sine.
        amplitude: f32,
    },
    /// `f / short[k]` up to the original context, `f / long[k]` beyond it.
    LongRope {
        /// Divisors within the original context.
        short: Vec<f32>,
        /// Divisors beyond it.
        long: Vec<f32>,
        /// Context length before stretching.
        original: usize,
        /// Factor on cosine and sine, in both regimes.
        amplitude: f32,
    },
    /// The first `pairs` frequencies of a series over the whole head; the other pairs do not turn.
    Proportional {
        /// Pairs that turn.
        pairs: usize,
    },
}

/// Divisor of pairs that do not turn, as published files have it.
pub(crate) const STANDS_STILL: f32 = 1e30;

impl RopeSpec {
    /// What GGUF files keep of it in small tensors, by name: divisors of the frequencies.
    pub(crate) fn factors(&self) -> Vec<(&'static str, Vec<f32>)> {
        match &self.scaling {
            RopeScaling::LongRope { short, long, .. } => {
                vec![("rope_factors_long.weight", long.clone()), ("rope_factors_short.weight", short.clone())]
            }
            RopeScaling::Divisors(divisors) => vec![("rope_freqs.weight", divisors.clone())],
            RopeScaling::Llama3 { .. } | RopeScaling::Proportional { .. } => {
                let plain = Self { scaling: RopeScaling::None, ..self.clone() }.table(false).frequencies;
                let turned = self.table(false).frequencies;
                let divisor = |(p, t): (&f32, &f32)| if *t == 0.0 { STANDS_STILL } else { p / t };
                vec![("rope_freqs.weight", plain.iter().zip(&turned).map(divisor).collect())]
            }
            RopeScaling::None | RopeScaling::Linear { .. } | RopeScaling::Yarn { .. } => Vec::new(),
        }
    }

    /// The context length at which the frequencies change, if they do.
    pub fn switch_length(&self) -> Option<usize> {
        match self.scaling {
            RopeScaling::LongRope { original, .. } => Some(original),
            _ => None,
        }
    }

    /// Frequencies and amplitude; `long` picks the regime beyond [`RopeSpec::switch_length`].
    pub fn table(&self, long: bool) -> RopeTable {
        let r = self.width as f32;
        let base: Vec<f32> = (0..self.width / 2).map(|k| 1.0 / self.theta.powf(2.0 * k as f32 / r)).collect();
        let divided = |by: &[f32]| base.iter().zip(by).map(|(f, d)| f / d).collect();
        let (frequencies, amplitude) = match &self.scaling {
            RopeScaling::None => (base, 1.0),
            RopeScaling::Linear { factor } => (base.iter().map(|f| f / factor).collect(), 1.0),
            RopeScaling::Divisors(divisors) => (divided(divisors), 1.0),
            RopeScaling::Llama3 { factor, low, high, original } => {
                (base.iter().map(|&f| llama3(f, *factor, *low, *high, *original)).collect(), 1.0)
            }
            RopeScaling::Yarn { factor, original, beta_fast, beta_slow, amplitude } => {
                (self.yarn(&base, *factor, *original, *beta_fast, *beta_slow), *amplitude)
            }
            RopeScaling::LongRope { short, long: beyond, amplitude, .. } => {
                (divided(if long { beyond } else { short }), *amplitude)
            }
            RopeScaling::Proportional { pairs } => {
                (base.iter().enumerate().map(|(k, &f)| if k < *pairs { f } else { 0.0 }).collect(), 1.0)
            }
        };
        RopeTable { frequencies, amplitude }
    }

    fn yarn(&self, base: &[f32], factor: f32, original: f32, beta_fast: f32, beta_slow: f32) -> Vec<f32> {
        let r = self.width as f32;
        // The pair that makes `turns` turns within the original context.
        let pair =
            |turns: f32| r * (original / (turns * std::f32::consts::TAU)).ln() / (2.0 * self.theta.ln());
        // A file may say that nothing turns.
        let last = (r - 1.0).max(0.0);
        let low = pair(beta_fast).floor().clamp(0.0, last);
        let high = pair(beta_slow).ceil().clamp(0.0, last);
        let span = if high > low { high - low } else { 0.001 };
        base.iter()
            .enumerate()
            .map(|(k, f)| {
                let stretched = ((k as f32 - low) / span).clamp(0.0, 1.0);
                f / factor * stretched + f * (1.0 - stretched)
            })
            .collect()
    }
}

fn llama3(f: f32, factor: f32, low: f32, high: f32, original: f32) -> f32 {
    let wavelength = std::f32::consts::TAU / f;
    if wavelength < original / high {
        f
    } else if wavelength > original / low {
        f / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * f / factor + smooth * f
    }
}

/// Amplitude of longrope and yarn: see their sources.
pub(crate) fn longrope_amplitude(context: f32, original: f32) -> f32 {
    let stretch = context / original;
    if stretch <= 1.0 { 1.0 } else { (1.0 + stretch.ln() / original.ln()).sqrt() }
}

fn yarn_amplitude(factor: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 }
}

/// Scaling as GGUF files state it: factor tensors first, then `rope.scaling.*`.
pub(crate) fn gguf_scaling(c: &Config<'_>, mut spec: RopeSpec) -> Result<RopeSpec, Error> {
    let pairs = spec.width / 2;
    let original = c.opt_usize(Key("rope.scaling.original_context_length", ""))?;
    let long = c.small_floats("rope_factors_long.weight", pairs)?;
    let short = c.small_floats("rope_factors_short.weight", pairs)?;
    if let (Some(long), Some(short)) = (long, short) {
        let original = match original {
            Some(n) => n,
            None => c.context()?,
        };
        let amplitude = match c.opt_f32(Key("rope.scaling.attn_factor", ""))? {
            Some(a) => a,
            None => longrope_amplitude(c.context()? as f32, original as f32),
        };
        spec.scaling = RopeScaling::LongRope { short, long, original, amplitude };
    } else if let Some(divisors) = c.small_floats("rope_freqs.weight", pairs)? {
        spec.scaling = RopeScaling::Divisors(divisors);
    } else {
        let key = Key("rope.scaling.type", "");
        let factor = |key| c.opt_f32(key).map(|f| f.unwrap_or(1.0));
        spec.scaling = match c.opt_str(key)? {
            None | Some("none") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear { factor: factor(Key("rope.scaling.factor", ""))? },
            Some("yarn") => {
                let factor = factor(Key("rope.scaling.factor", ""))?;
                RopeScaling::Yarn {
                    factor,
                    original: original.map_or(c.context()? as f32 / factor, |n| n as f32),
                    beta_fast: c.opt_f32(Key("rope.scaling.yarn_beta_fast", ""))?.unwrap_or(32.0),
                    beta_slow: c.opt_f32(Key("rope.scaling.yarn_beta_slow", ""))?.unwrap_or(1.0),
                    amplitude: c
                        .opt_f32(Key("rope.scaling.attn_factor", ""))?
                        .unwrap_or(yarn_amplitude(factor)),
                }
            }
            Some(other) => return Err(unknown("rope.scaling.type", other)),
        };
    }
    Ok(spec)
}

/// Scaling as `config.json` states it, in either generation of its words.
pub(crate) fn hf_scaling(c: &Config<'_>, block: &Value, mut spec: RopeSpec) -> Result<RopeSpec, Error> {
    let number = |field: &str| match block.get(field).filter(|v| !v.is_null()) {
        None => Ok(None),
        Some(v) => v.as_f64().map(|x| Some(x as f32)).ok_or_else(|| missing(field, v)),
    };
    let needed =
        |field: &str| number(field)?.filter(|x| *x > 0.0).ok_or_else(|| missing(field, &Value::Null));
    if let Some(theta) = number("rope_theta")? {
        if theta <= 0.0 {
            return Err(missing("rope_theta", &theta.into()));
        }
        spec.theta = theta;
    }
    let original = || -> Result<f32, Error> {
        Ok(match number("original_max_position_embeddings")? {
            Some(n) => n,
            None => match c.opt_f32(Key("", "original_max_position_embeddings"))? {
                Some(n) => n,
                None => c.context()? as f32,
            },
        })
    };
    let kind =
        block.get("rope_type").or_else(|| block.get("type")).and_then(Value::as_str).unwrap_or("default");
    spec.scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: needed("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: needed("factor")?,
            low: needed("low_freq_factor")?,
            high: needed("high_freq_factor")?,
            original: original()?,
        },
        "proportional" => {
            let partial = number("partial_rotary_factor")?.unwrap_or(1.0);
            RopeScaling::Proportional { pairs: (partial * spec.width as f32 / 2.0) as usize }
        }
        // Early Phi-3 files say "su" or "yarn" for what is longrope: they carry its lists of factors.
        "longrope" | "su" | "yarn" if block.get("long_factor").is_some() => {
            let original = original()?;
            let amplitude = match number("attention_factor")? {
                Some(a) => a,
                None => longrope_amplitude(c.context()? as f32, original),
            };
            RopeScaling::LongRope {
                short: factors(block, "short_factor", spec.width / 2)?,
                long: factors(block, "long_factor", spec.width / 2)?,
                original: original as usize,
                amplitude,
            }
        }
        "yarn" => {
            let factor = needed("factor")?;
            RopeScaling::Yarn {
                factor,
                original: original()?,
                beta_fast: number("beta_fast")?.unwrap_or(32.0),
                beta_slow: number("beta_slow")?.unwrap_or(1.0),
                amplitude: number("attention_factor")?.unwrap_or(yarn_amplitude(factor)),
            }
        }
        other => return Err(unknown("rope_type", other)),
    };
    Ok(spec)
}

fn factors(block: &Value, field: &str, len: usize) -> Result<Vec<f32>, Error> {
    let list = block.get(field).and_then(Value::as_array).filter(|a| a.len() == len);
    let list = list.and_then(|a| a.iter().map(|v| v.as_f64().map(|x| x as f32)).collect::<Option<Vec<_>>>());
    list.ok_or_else(|| Error::Setting {
        key: field.into(),
        expected: format!("{len} numbers"),
        found: block.get(field).map_or("nothing".into(), |v| format!("{:.80}", v.to_string())),
    })
}

fn missing(field: &str, found: &Value) -> Error {
    Error::Setting {
        key: format!("rope {field}"),
        expected: "a number above zero".into(),
        found: found.to_string(),
    }
}

fn unknown(key: &str, found: &str) -> Error {
    Error::Setting {
        key: key.into(),
        expected: "default, linear, llama3, yarn, longrope or proportional".into(),
        found: format!("{found:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_of_nothing_has_no_frequencies() {
        let yarn = RopeScaling::Yarn {
            factor: 4.0,
            original: 64.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            amplitude: 1.0,
        };
        for scaling in [RopeScaling::None, RopeScaling::Proportional { pairs: 3 }, yarn] {
            let spec = RopeSpec { theta: 10_000.0, width: 0, scaling };
            assert!(spec.table(false).frequencies.is_empty());
        }
    }

    #[test]
    fn pairs_that_stand_still_have_divisors_that_make_them() {
        let scaling = RopeScaling::Proportional { pairs: 2 };
        let rope = RopeSpec { theta: 10_000.0, width: 8, scaling };
        let (name, divisors) = &rope.factors()[0];
        assert_eq!(
            (*name, &divisors[..]),
            ("rope_freqs.weight", &[1.0, 1.0, STANDS_STILL, STANDS_STILL][..])
        );
    }
}
