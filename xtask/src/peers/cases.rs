//! What is measured and how good it has to be: the table of `cargo xtask bench-peers`, as data.
//!
//! To add a case, push it here; how each contestant is asked for a kind of [`Work`] stands in `contenders.rs`.

/// The element type of cached keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kv {
    /// 16-bit floats, everyone's default.
    F16,
    /// Blocks of 8-bit integers.
    Q8,
}

/// Which instructions both sides may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// All that the machine has.
    Native,
    /// AVX2 and FMA: `HOB_ISA=avx2`, and a peer built without more.
    Avx2,
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Tokens a second of a prompt.
    Prefill { tokens: u32 },
    /// Tokens a second of one sequence, after `depth` stored positions.
    Decode { depth: u32, tokens: u32, kv: Kv },
    /// Tokens a second of so many sequences together.
    Sequences { count: u32 },
    /// Tokens a second of an answer that copies half its words from the prompt, prompt look-up on.
    PromptLookUp,
    /// Vectors a second of inputs of 128 tokens, `batch` at a time.
    Embeddings { batch: u32 },
    /// Seconds from the start of the process to the first byte of an answer.
    FirstToken,
    /// The most memory that was resident during a short answer.
    PeakMemory { context: u32 },
    /// Mean KL divergence of the logits from exact arithmetic on the same file, on a trained model.
    Divergence,
}

impl Work {
    /// The unit of its figures.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Prefill { .. } | Self::Decode { .. } | Self::Sequences { .. } | Self::PromptLookUp => {
                "tokens/s"
            }
            Self::Embeddings { .. } => "vectors/s",
            Self::FirstToken => "s",
            Self::PeakMemory { .. } => "MB",
            Self::Divergence => "nats",
        }
    }

    /// Whether the larger of two figures is the better one.
    pub fn more_is_better(self) -> bool {
        !matches!(self, Self::FirstToken | Self::PeakMemory { .. } | Self::Divergence)
    }
}

/// Whom Hob is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hob on the case itself.
    Hob,
    /// Hob on another case that this one is compared with.
    Baseline,
    /// llama.cpp, the best of its settings.
    Llama,
    /// OpenVINO with weights in groups of 32, comparable with Q4_0.
    OpenVino32,
    /// OpenVINO in its fastest form.
    OpenVino,
}

/// A limit of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// The fastest 8-bit dot instruction.
    Int8,
    /// The fastest bf16 dot instruction.
    Bf16,
    /// Reading memory.
    Bandwidth,
}

/// One demand on a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Hob's figure is at least so many times theirs.
    AtLeast(f64, Role),
    /// Hob's figure is at most so many times theirs.
    AtMost(f64, Role),
    /// Hob works at this share of what the machine can do, measured around it.
    Share(f64, Ceiling),
    /// The figure is at most this.
    Absolute(f64),
    /// Megabytes beyond the model file at most.
    BeyondFile(f64),
    /// Shown, but nothing is asked.
    Shown(Role),
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Case {
    /// What `--only` selects by.
    pub name: String,
    /// `NAME:TYPE` as `hob bench --synthetic` takes it, or a file among the shared models.
    pub model: &'static str,
    /// What is timed.
    pub work: Work,
    /// With which instructions.
    pub level: Level,
    /// What is asked.
    pub bars: Vec<Bar>,
}

const PLAIN_DECODE: Work = Work::Decode { depth: 16, tokens: 64, kv: Kv::F16 };
/// Decoding deep in a conversation.
pub const DEEP_DECODE: Work = Work::Decode { depth: 4096, tokens: 32, kv: Kv::F16 };

/// Short names of the models whose prefill of 512 and plain decode are measured, and the bars of the prefill.
fn generators() -> Vec<(&'static str, &'static str, Vec<Bar>)> {
    use Bar::{AtLeast, Share};
    let small = || {
        vec![
            AtLeast(1.5, Role::Llama),
            AtLeast(1.3, Role::OpenVino32),
            AtLeast(1.0, Role::OpenVino),
            Share(0.68, Ceiling::Int8),
        ]
    };
    let large = || vec![AtLeast(1.3, Role::Llama), Share(0.60, Ceiling::Int8)];
    vec![
        ("1b-q4_0", "llama-3.2-1b:Q4_0", small()),
        ("1b-q4_k_m", "llama-3.2-1b:Q4_K_M", small()),
        ("1b-q8_0", "llama-3.2-1b:Q8_0", small()),
        ("1b-q6_k", "llama-3.2-1b:Q6_K", small()),
        ("1b-q2_k", "llama-3.2-1b:Q2_K", small()),
        ("8b-q4_0", "llama-3-8b:Q4_0", large()),
        ("8b-q4_k_m", "llama-3-8b:Q4_K_M", large()),
        ("phi3-q4_k_m", "phi-3-mini:Q4_K_M", large()),
        ("gemma4-e2b-q4_0", "gemma-4-e2b:Q4_0", vec![AtLeast(4.0, Role::Llama)]),
        ("1b-bf16", "llama-3.2-1b:BF16", vec![AtLeast(1.2, Role::Llama), Share(0.70, Ceiling::Bf16)]),
    ]
}

/// All cases, in the order of the table.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (short, model, bars) in generators() {
        cases.push(native(format!("prefill-512/{short}"), model, Work::Prefill { tokens: 512 }, bars));
    }
    cases.push(native(
        "prefill-4096/1b-q4_k_m",
        "llama-3.2-1b:Q4_K_M",
        Work::Prefill { tokens: 4096 },
        vec![Bar::AtLeast(1.8, Role::Llama)],
    ));
    for (short, model, _) in generators() {
        let mut bars = vec![Bar::AtLeast(1.25, Role::Llama), Bar::Share(0.90, Ceiling::Bandwidth)];
        if short == "1b-q4_0" {
            bars.push(Bar::Shown(Role::OpenVino));
        }
        cases.push(native(format!("decode/{short}"), model, PLAIN_DECODE, bars));
    }
    cases.extend(other_decoding());
    cases.extend(whole_processes());
    cases.extend(quality());
    cases.extend(without_avx512());
    cases
}

fn other_decoding() -> Vec<Case> {
    let (q4_0, q4_k_m) = ("llama-3.2-1b:Q4_0", "llama-3.2-1b:Q4_K_M");
    let eight_bit = Work::Decode { depth: 4096, tokens: 32, kv: Kv::Q8 };
    vec![
        native("decode-4096/1b-q4_k_m", q4_k_m, DEEP_DECODE, vec![Bar::AtLeast(2.0, Role::Llama)]),
        native(
            "decode-4096/1b-q4_k_m-kv-q8",
            q4_k_m,
            eight_bit,
            vec![Bar::AtLeast(2.0, Role::Llama), Bar::AtLeast(1.0, Role::Baseline)],
        ),
        native(
            "sequences-8/1b-q4_0",
            q4_0,
            Work::Sequences { count: 8 },
            vec![Bar::AtLeast(3.5, Role::Llama)],
        ),
        native(
            "decode/gemma4-e2b-mobile",
            "gemma-4-e2b:mobile",
            PLAIN_DECODE,
            vec![Bar::AtLeast(1.8, Role::Baseline)],
        ),
        native("prompt-look-up/1b-q4_0", q4_0, Work::PromptLookUp, vec![Bar::AtLeast(1.8, Role::Baseline)]),
    ]
}

fn whole_processes() -> Vec<Case> {
    let (q4_0, bert) = ("llama-3.2-1b:Q4_0", "minilm-l6:Q8_0");
    let vectors = || vec![Bar::AtLeast(1.2, Role::Llama), Bar::AtLeast(1.0, Role::OpenVino)];
    vec![
        native("embeddings-1/bert-22m", bert, Work::Embeddings { batch: 1 }, vectors()),
        native("embeddings-32/bert-22m", bert, Work::Embeddings { batch: 32 }, vectors()),
        native("first-token/1b-q4_0", q4_0, Work::FirstToken, vec![Bar::AtMost(0.5, Role::Llama)]),
        native(
            "memory/1b-q4_0",
            q4_0,
            Work::PeakMemory { context: 512 },
            vec![Bar::BeyondFile(100.0 + kv_megabytes(512)), Bar::Shown(Role::Llama)],
        ),
        native(
            "memory/gemma4-e2b-mobile",
            "gemma-4-e2b:mobile",
            Work::PeakMemory { context: 4096 },
            vec![Bar::Absolute(1000.0)],
        ),
    ]
}

/// Cache of Llama 3.2 1B: 16 layers, 8 heads of 64 for keys and as many for values, 2 bytes each.
fn kv_megabytes(positions: u32) -> f64 {
    f64::from(positions) * (16 * 2 * 8 * 64 * 2) as f64 / 1e6
}

fn quality() -> Vec<Case> {
    let bars = || vec![Bar::AtMost(1.0, Role::Llama)];
    [("kl/stories-q8_0", "stories260K-q8_0.gguf"), ("kl/stories-q4_0", "stories260K-Q4_0.gguf")]
        .into_iter()
        .map(|(name, model)| native(name, model, Work::Divergence, bars()))
        .collect()
}

/// Nothing is asked of these but that they are measured.
fn without_avx512() -> Vec<Case> {
    let mut cases = Vec::new();
    for (short, model) in [("1b-q4_0", "llama-3.2-1b:Q4_0"), ("1b-q4_k_m", "llama-3.2-1b:Q4_K_M")] {
        for (kind, work) in [("prefill-512", Work::Prefill { tokens: 512 }), ("decode", PLAIN_DECODE)] {
            let case = native(format!("avx2/{kind}/{short}"), model, work, vec![Bar::Shown(Role::Llama)]);
            cases.push(Case { level: Level::Avx2, ..case });
        }
    }
    cases
}

fn native(name: impl Into<String>, model: &'static str, work: Work, bars: Vec<Bar>) -> Case {
    Case { name: name.into(), model, work, level: Level::Native, bars }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_case_says_what_it_is_compared_with() {
        let cases = all();
        let names: BTreeSet<&str> = cases.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        assert!(cases.iter().all(|c| !c.bars.is_empty()));
    }
}
