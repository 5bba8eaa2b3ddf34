//! How the pre-tokenizer names of GGUF files cut text.
//!
//! Source: the `tokenizer.json` files of the models the names come from; names as llama.cpp's converter writes them.

use super::{Matcher, Split, Words};
use crate::Error;

/// What a `tokenizer.ggml.pre` name stands for.
pub(crate) struct Preset {
    pub splits: Vec<Split>,
    /// A whole piece that is a token is taken as it is.
    pub ignore_merges: bool,
    /// Whether a text begins with BOS when the file does not say.
    pub add_bos: bool,
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// DeepSeek's last step: punctuation binds to Latin letters, symbols count as punctuation.
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const IDEOGRAPHS_AND_KANA: &str = "[一-龥\u{3040}-ゟ゠-ヿ]+";
const SEED_CODER: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const BAILING: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";

enum Step {
    Gpt2,
    Numbers(usize),
    Pattern(&'static str),
}
use Step::{Gpt2, Numbers, Pattern};

struct Row {
    names: &'static [&'static str],
    steps: &'static [Step],
    ignore_merges: bool,
    add_bos: bool,
}

const fn row(names: &'static [&'static str], steps: &'static [Step]) -> Row {
    Row { names, steps, ignore_merges: false, add_bos: false }
}

const ROWS: &[Row] = &[
    Row {
        names: &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        steps: &[Pattern(LLAMA3)],
        ignore_merges: true,
        add_bos: true,
    },
    row(&["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], &[Pattern(LLAMA3)]),
    row(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "megrez",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        &[Pattern(QWEN2)],
    ),
    row(&["qwen35"], &[Pattern(QWEN35)]),
    row(
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
        ],
        &[Gpt2],
    ),
    row(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        &[Numbers(1), Gpt2],
    ),
    row(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], &[Pattern(O200K)]),
    Row { names: &["tekken"], steps: &[Pattern(TEKKEN)], ignore_merges: true, add_bos: true },
    row(
        &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        &[Numbers(3), Pattern(IDEOGRAPHS_AND_KANA), Pattern(DEEPSEEK3)],
    ),
    row(
        &["deepseek-coder"],
        &[
            Pattern(r"[\r\n]"),
            Pattern(r"\s?\p{L}+"),
            Pattern(r"\s?\p{P}+"),
            Pattern("[一-龥\u{800}-一가-\u{D7FF}]+"),
            Numbers(1),
        ],
    ),
    row(&["falcon"], &[Pattern(r"[\p{P}\$\+<=>\^~\|`]+"), Gpt2, Pattern("[0-9][0-9][0-9]")]),
    row(
        &["default"],
        &[Pattern(r"[\p{P}\$\+<=>\^~\|]+"), Gpt2, Numbers(usize::MAX), Pattern("[0-9][0-9][0-9]")],
    ),
    row(&["bloom", "poro-chat", "gpt3-finnish"], &[Pattern(BLOOM)]),
    row(&["viking"], &[Pattern(BLOOM), Numbers(1)]),
    row(&["seed-coder"], &[Pattern(SEED_CODER)]),
    row(&["bailingmoe", "bailingmoe2", "llada-moe"], &[Pattern(BAILING)]),
    Row { names: &["minicpm5"], steps: &[Numbers(3), Pattern(LLAMA3)], ignore_merges: true, add_bos: false },
];

/// The preset of a GGUF pre-tokenizer name.
pub(crate) fn preset(name: &str) -> Result<Preset, Error> {
    let row = ROWS.iter().find(|row| row.names.contains(&name)).ok_or_else(|| Error::UnsupportedPre {
        found: name.chars().take(100).collect(),
        supported: preset_names(),
    })?;
    let splits = row.steps.iter().map(|step| {
        Ok(Split::isolated(match step {
            Gpt2 => Matcher::Words(Words::gpt2()),
            Numbers(longest) => Matcher::Numbers(*longest),
            Pattern(pattern) => Matcher::pattern(pattern)?,
        }))
    });
    let splits = splits.collect::<Result<_, Error>>()?;
    Ok(Preset { splits, ignore_merges: row.ignore_merges, add_bos: row.add_bos })
}

/// The name of a preset that cuts text by `splits`.
pub(crate) fn preset_of(splits: &[Split], ignore_merges: bool) -> Result<Option<&'static str>, Error> {
    for row in ROWS {
        let name = row.names[0];
        if row.ignore_merges == ignore_merges && preset(name)?.splits == splits {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// All names in the table, for people.
pub(crate) fn preset_names() -> String {
    let mut names: Vec<&str> = ROWS.iter().flat_map(|row| row.names).copied().collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_compiles() {
        let mut names: Vec<&str> = ROWS.iter().flat_map(|row| row.names).copied().collect();
        let count = names.len();
        for name in &names {
            assert!(!preset(name).unwrap().splits.is_empty());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(matches!(preset("llama-bp"), Err(Error::UnsupportedPre { .. })));
    }
}
