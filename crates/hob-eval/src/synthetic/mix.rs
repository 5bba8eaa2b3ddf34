//! Which encoding each tensor of a synthetic model gets.
//!
//! The mixes are those of llama.cpp's `llama-quantize`, because that is what people's files are. Source: its
//! `src/llama-quant.cpp`, the parts that apply to dense models; sizes are checked against `../shared/reference/peers.md`.

use hob_quant::TensorType;
use hob_quant::TensorType::*;

use crate::Error;

/// How weights are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    /// Name on the command line.
    pub name: &'static str,
    /// What most matrices get.
    base: TensorType,
    /// Which exceptions apply.
    rule: Rule,
    /// `general.file_type`.
    pub file_type: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Every matrix alike, the head too.
    Pure,
    /// A better head, all else alike.
    Head,
    Q2K,
    Q3KM,
    Q3KL,
    KSmall,
    KMedium,
}

const fn mix(name: &'static str, base: TensorType, rule: Rule, file_type: u32) -> Mix {
    Mix { name, base, rule, file_type }
}

static MIXES: &[Mix] = &[
    mix("F32", F32, Rule::Pure, 0),
    mix("F16", F16, Rule::Pure, 1),
    mix("BF16", BF16, Rule::Pure, 32),
    mix("Q4_0", Q4_0, Rule::Head, 2),
    mix("Q4_1", Q4_1, Rule::Head, 3),
    mix("Q5_0", Q5_0, Rule::Head, 8),
    mix("Q5_1", Q5_1, Rule::Head, 9),
    mix("Q8_0", Q8_0, Rule::Head, 7),
    mix("Q2_K", Q2_K, Rule::Q2K, 10),
    mix("Q3_K", Q3_K, Rule::Pure, 12),
    mix("Q3_K_S", Q3_K, Rule::Head, 11),
    mix("Q3_K_M", Q3_K, Rule::Q3KM, 12),
    mix("Q3_K_L", Q3_K, Rule::Q3KL, 13),
    mix("Q4_K", Q4_K, Rule::Pure, 15),
    mix("Q4_K_S", Q4_K, Rule::KSmall, 14),
    mix("Q4_K_M", Q4_K, Rule::KMedium, 15),
    mix("Q5_K", Q5_K, Rule::Pure, 17),
    mix("Q5_K_S", Q5_K, Rule::Head, 16),
    mix("Q5_K_M", Q5_K, Rule::KMedium, 17),
    mix("Q6_K", Q6_K, Rule::Head, 18),
    mix("IQ4_NL", IQ4_NL, Rule::Head, 25),
    mix("IQ4_XS", IQ4_XS, Rule::Head, 30),
    mix("TQ1_0", TQ1_0, Rule::Head, 36),
    mix("TQ2_0", TQ2_0, Rule::Head, 37),
    mix("MXFP4", MXFP4, Rule::Pure, 38),
    mix("IQ1_S", IQ1_S, Rule::Pure, 24),
    mix("IQ2_XXS", IQ2_XXS, Rule::Pure, 19),
    mix("IQ2_XS", IQ2_XS, Rule::Pure, 20),
    mix("IQ2_S", IQ2_S, Rule::Pure, 28),
    mix("IQ3_XXS", IQ3_XXS, Rule::Pure, 23),
    mix("IQ3_S", IQ3_S, Rule::Pure, 26),
];

/// What the rules need to know of a model besides the tensor at hand.
pub(super) struct Context {
    pub tied: bool,
    pub layers: usize,
    /// Query heads per key-value head.
    pub group: usize,
    /// Matrices of values, in file order.
    pub values: Vec<String>,
}

impl Mix {
    /// The mix of this name, in any case.
    pub fn parse(name: &str) -> Result<Self, Error> {
        MIXES.iter().find(|m| m.name.eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
            Error::UnknownWeights {
                found: name.to_owned(),
                known: MIXES.iter().map(|m| m.name).collect::<Vec<_>>().join(" "),
            }
        })
    }

    /// The encoding that tensor `name` of `shape` should get; [`fitting`] says which it can.
    pub fn wanted(&self, name: &str, shape: &[usize], model: &Context) -> TensorType {
        let small = shape.len() < 2 || name.contains("_norm.") || !name.ends_with(".weight");
        if small
            || matches!(name, "position_embd.weight" | "token_types.weight")
            || name.contains("ffn_gate_inp")
        {
            return F32;
        }
        if name == "per_layer_model_proj.weight" && self.base != F32 {
            return BF16;
        }
        match self.rule {
            _ if !self.base.is_quantized() => self.base,
            Rule::Pure => self.base,
            _ => self.mixed(name, shape, model),
        }
    }

    fn mixed(&self, name: &str, shape: &[usize], model: &Context) -> TensorType {
        // The rule takes the table of per-layer embeddings for a token embedding, and so for the head of tied models.
        if name == "output.weight" || (model.tied && name.ends_with("token_embd.weight")) {
            let whole = shape[shape.len() - 1].is_multiple_of(self.base.block_size());
            return if whole && self.base != Q8_0 { Q6_K } else { Q8_0 };
        }
        if let Some(i) = model.values.iter().position(|v| v == name) {
            return self.value(i, model);
        }
        let layer = name.strip_prefix("blk.").and_then(|n| n.split('.').next()).and_then(|n| n.parse().ok());
        let more = layer.is_some_and(|i| gets_more_bits(i, model.layers));
        let early = |parts| layer.is_some_and(|i: usize| i < model.layers / parts);
        match (self.rule, name.split('.').nth(2).unwrap_or_default()) {
            (Rule::Q2K, "ffn_down" | "attn_output") => Q3_K,
            (Rule::Q3KM, "ffn_down") if early(16) => Q5_K,
            (Rule::Q3KM, "ffn_down" | "attn_output") => Q4_K,
            (Rule::Q3KL, "ffn_down" | "attn_output") => Q5_K,
            (Rule::KMedium, "ffn_down") if more => Q6_K,
            (Rule::KMedium, "attn_qkv") => {
                if self.base == Q5_K {
                    Q6_K
                } else {
                    Q5_K
                }
            }
            (Rule::Q3KM | Rule::Q3KL, "attn_qkv") => Q4_K,
            (Rule::KSmall, "ffn_down") if early(8) => Q5_K,
            _ => match (self.base, name) {
                (IQ4_NL | IQ4_XS, n) if n.ends_with("ffn_down.weight") && early(8) => Q5_K,
                (TQ1_0 | TQ2_0, "token_embd.weight") => Q4_K,
                _ => self.base,
            },
        }
    }

    /// The encoding of the `i`-th tensor of values.
    fn value(&self, i: usize, model: &Context) -> TensorType {
        match self.rule {
            Rule::Q2K => {
                if model.group >= 4 {
                    Q4_K
                } else {
                    Q3_K
                }
            }
            Rule::Q3KM => {
                if i < 2 {
                    Q5_K
                } else {
                    Q4_K
                }
            }
            Rule::Q3KL => Q5_K,
            Rule::KMedium if gets_more_bits(i, model.values.len()) => Q6_K,
            Rule::KSmall if i < 4 => Q5_K,
            _ if matches!(self.base, IQ4_NL | IQ4_XS) && model.group >= 4 => Q5_K,
            _ => self.base,
        }
    }
}

/// The layers that the medium mixes spend more on: the first and last eighth, and every third between.
fn gets_more_bits(i: usize, n: usize) -> bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
}

/// `wanted`, or what takes its place where rows are no whole number of its blocks.
pub(super) fn fitting(wanted: TensorType, columns: usize) -> TensorType {
    if columns.is_multiple_of(wanted.block_size()) {
        return wanted;
    }
    let smaller = match wanted {
        IQ4_XS => IQ4_NL,
        Q2_K | Q3_K | TQ1_0 | TQ2_0 => Q4_0,
        Q4_K => Q5_0,
        Q5_K => Q5_1,
        Q6_K => Q8_0,
        _ => F16,
    };
    if columns.is_multiple_of(smaller.block_size()) { smaller } else { F16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            tied: true,
            layers: 16,
            group: 4,
            values: (0..16).map(|i| format!("blk.{i}.attn_v.weight")).collect(),
        }
    }

    #[test]
    fn mixes_follow_their_rules() {
        let t = |mix: &str, name: &str, columns| {
            fitting(Mix::parse(mix).unwrap().wanted(name, &[64, columns], &context()), columns)
        };
        assert_eq!(t("q4_0", "token_embd.weight", 2048), Q6_K);
        assert_eq!(t("Q8_0", "token_embd.weight", 2048), Q8_0);
        assert_eq!(t("Q4_K", "token_embd.weight", 2048), Q4_K);
        assert_eq!(t("Q4_K_M", "blk.0.ffn_down.weight", 8192), Q6_K);
        assert_eq!(t("Q4_K_M", "blk.2.ffn_down.weight", 8192), Q4_K);
        assert_eq!(t("Q4_K_M", "blk.4.attn_v.weight", 2048), Q6_K);
        assert_eq!(t("Q2_K", "blk.4.attn_v.weight", 2048), Q4_K);
        assert_eq!(t("Q4_K_M", "blk.3.attn_q.weight", 896), Q5_0);
        assert_eq!(t("IQ2_S", "blk.3.attn_q.weight", 896), F16);
        assert_eq!(t("BF16", "blk.3.attn_q.weight", 2048), BF16);
        assert_eq!(t("BF16", "blk.3.attn_norm.weight", 2048), F32);
        assert!(Mix::parse("Q9").is_err());
    }
}
