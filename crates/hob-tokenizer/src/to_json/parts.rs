//! The steps around the model as components of `tokenizer.json`.

use super::refused;
use crate::Error;
use crate::decode::{DecodeRules, Joiner};
use crate::normalize::Step;
use crate::split::{Matcher, Split};
use serde_json::{Value, json};

pub(super) fn normalizer(steps: &[Step]) -> Result<Value, Error> {
    let component = |step: &Step| {
        Ok(match step {
            Step::Nfc => json!({"type": "NFC"}),
            Step::Nfd => json!({"type": "NFD"}),
            Step::Nfkc => json!({"type": "NFKC"}),
            Step::Nfkd => json!({"type": "NFKD"}),
            Step::Lowercase => json!({"type": "Lowercase"}),
            Step::StripAccents => json!({"type": "StripAccents"}),
            Step::Prepend(text) => json!({"type": "Prepend", "prepend": text}),
            Step::Replace { from, to } => {
                json!({"type": "Replace", "pattern": {"String": from}, "content": to})
            }
            Step::ReplacePattern { from, to } => {
                json!({"type": "Replace", "pattern": {"Regex": from.as_str()}, "content": to})
            }
            Step::Strip { left, right } => {
                json!({"type": "Strip", "strip_left": left, "strip_right": right})
            }
            Step::Bert(_) | Step::Prefix { .. } => return Err(refused("its text is rewritten first")),
        })
    };
    let steps: Vec<Value> = steps.iter().map(component).collect::<Result<_, Error>>()?;
    Ok(one_or_sequence(steps, "normalizers"))
}

pub(super) fn pre_tokenizer(splits: &[Split], byte_level: bool) -> Result<Value, Error> {
    // Some cuts only keep pieces short and change nothing; readers without them get the same tokens.
    let matters = |split: &&Split| !matches!(split.matcher, Matcher::LineFeeds | Matcher::MarkedWords);
    let mut steps: Vec<Value> = splits.iter().filter(matters).map(split).collect::<Result<_, Error>>()?;
    if byte_level {
        steps.push(json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
        }));
    }
    Ok(one_or_sequence(steps, "pretokenizers"))
}

fn split(split: &Split) -> Result<Value, Error> {
    let pattern = match &split.matcher {
        Matcher::Words(words) => {
            json!({"Regex": words.pattern().ok_or_else(|| refused("no pattern cuts words as it does"))?})
        }
        Matcher::Numbers(1) => json!({"Regex": r"\p{N}"}),
        Matcher::Numbers(usize::MAX) => json!({"Regex": r"\p{N}+"}),
        Matcher::Numbers(longest) => json!({"Regex": format!(r"\p{{N}}{{1,{longest}}}")}),
        Matcher::Literal(text) => json!({"String": text}),
        Matcher::Pattern(regex) => json!({"Regex": regex.as_str()}),
        Matcher::Char(_) | Matcher::LineFeeds | Matcher::MarkedWords => {
            return Err(refused("its text is cut at classes of characters"));
        }
    };
    Ok(json!({
        "type": "Split", "pattern": pattern, "behavior": split.behavior, "invert": split.invert,
    }))
}

pub(super) fn decoder(rules: &DecodeRules, byte_level: bool) -> Result<Value, Error> {
    if !matches!(rules.joiner, Joiner::Nothing) {
        return Err(refused("its tokens are joined by spaces"));
    }
    let replaced = rules
        .replace
        .iter()
        .map(|(from, to)| json!({"type": "Replace", "pattern": {"String": from}, "content": to}));
    let mut steps: Vec<Value> = replaced.collect();
    if rules.byte_fallback {
        steps.push(json!({"type": "ByteFallback"}));
    }
    if byte_level {
        steps.push(json!({
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
        }));
    } else {
        steps.push(json!({"type": "Fuse"}));
    }
    if let Some((content, count)) = rules.strip_start {
        steps.push(json!({"type": "Strip", "content": content, "start": count, "stop": 0}));
    }
    Ok(one_or_sequence(steps, "decoders"))
}

fn one_or_sequence(mut steps: Vec<Value>, list: &str) -> Value {
    match steps.len() {
        0 => Value::Null,
        1 => steps.remove(0),
        _ => json!({"type": "Sequence", list: steps}),
    }
}
