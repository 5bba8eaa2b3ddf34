//! What a mobile Gemma checkpoint says about its code widths, to be held against what its tensors show.
//!
//! `quantization_config.module_quant_configs` maps patterns to widths; patterns are tried in order by search, the first match
//! counts, and `num_bits` is for modules that none matches.

use crate::{Config, Error};
use regex_automata::meta::Regex;
use serde_json::Value;

/// Patterns a file may have; published ones have about ten.
const PATTERNS_MAX: usize = 256;
/// Memory one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The code widths a checkpoint states.
pub(crate) struct StatedBits {
    patterns: Vec<(Regex, u64)>,
    otherwise: Option<u64>,
}

impl StatedBits {
    /// Reads them; `None` for files in another scheme.
    pub fn read(c: &Config<'_>) -> Result<Option<Self>, Error> {
        let Some(config) = c.hf().and_then(|hf| hf.config.get("quantization_config")) else {
            return Ok(None);
        };
        if config.get("quant_method").and_then(Value::as_str) != Some("gemma") {
            return Ok(None);
        }
        let listed = config.get("module_quant_configs").and_then(Value::as_object);
        let listed: Vec<_> = listed.into_iter().flatten().collect();
        if listed.len() > PATTERNS_MAX {
            return Err(wrong(format!("at most {PATTERNS_MAX} patterns"), listed.len().to_string()));
        }
        let patterns = listed.into_iter().map(|(pattern, entry)| Ok((compile(pattern)?, width(entry)?)));
        let otherwise = config.get("num_bits").map(|_| width(config)).transpose()?;
        Ok(Some(Self { patterns: patterns.collect::<Result<_, Error>>()?, otherwise }))
    }

    /// The width stated for `module`.
    pub fn of(&self, module: &str) -> Option<u64> {
        let found = self.patterns.iter().find(|(pattern, _)| pattern.is_match(module));
        found.map(|(_, bits)| *bits).or(self.otherwise)
    }
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    let limits =
        Regex::config().nfa_size_limit(Some(PATTERN_BYTES_MAX)).onepass_size_limit(Some(PATTERN_BYTES_MAX));
    let built = Regex::builder().configure(limits).build(pattern);
    built.map_err(|_| wrong("patterns that compile".into(), format!("{pattern:.200}")))
}

fn width(entry: &Value) -> Result<u64, Error> {
    let bits = entry.get("num_bits").and_then(Value::as_u64);
    bits.ok_or_else(|| wrong("a width num_bits".into(), format!("{:.200}", entry.to_string())))
}

fn wrong(expected: String, found: String) -> Error {
    Error::Setting { key: "quantization_config.module_quant_configs".into(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_counts_and_patterns_search() {
        let patterns = [(r"layers\.(\d|1[0-4])\.mlp\.", 4), (r"layers\.\d+\.mlp\.", 2), (r"^lm_head$", 2)];
        let patterns = patterns.iter().map(|(p, bits)| (compile(p).unwrap(), *bits)).collect();
        let stated = StatedBits { patterns, otherwise: Some(8) };
        assert_eq!(stated.of("model.language_model.layers.14.mlp.up_proj"), Some(4));
        assert_eq!(stated.of("model.language_model.layers.15.mlp.up_proj"), Some(2));
        assert_eq!(stated.of("lm_head"), Some(2));
        assert_eq!(stated.of("model.lm_head.x"), Some(8));
        assert!(compile("(((").is_err());
        assert!(compile(&"(a{1000}){1000}".repeat(3)).is_err());
    }
}
