//! From GGUF tensor names, which are ours, to the names in Hugging Face checkpoints.

use hob_format::TensorTable;

/// How a family's checkpoints name tensors.
pub struct HfNames {
    /// Names outside the layers, where they differ from Llama's: GGUF stem, module path.
    pub top: &'static [(&'static str, &'static str)],
    /// What stands before a layer's number.
    pub layers: &'static str,
    /// Names inside a layer, where they differ from Llama's. A stem with a leaf (`x.scale`) replaces the whole name.
    pub layer: &'static [(&'static str, &'static str)],
    /// Parts of names of tensors that the language model does not use.
    pub ignore: &'static [&'static str],
}

/// Names of the plain decoder.
pub const LLAMA_NAMES: HfNames =
    HfNames { top: &[], layers: "layers.", layer: &[], ignore: &["rotary_emb.inv_freq"] };

const TOP: &[(&str, &str)] = &[
    ("token_embd", "embed_tokens"),
    ("output_norm", "norm"),
    ("output", "lm_head"),
    ("token_embd_norm", "embed_norm"),
];

const LAYER: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Prefixes under which checkpoints keep the language model, most specific first.
const PREFIXES: &[&str] = &["model.language_model.", "language_model.model.", "model.", "bert.", ""];

impl HfNames {
    /// The prefix this checkpoint uses: the one under which the embedding is found.
    pub fn prefix(&self, table: &TensorTable) -> &'static str {
        let module = self.module("token_embd", "");
        let found = PREFIXES.iter().find(|prefix| {
            ["weight", "weight_packed", "embedding_quantized"]
                .iter()
                .any(|leaf| table.get(&format!("{prefix}{module}.{leaf}")).is_some())
        });
        found.copied().unwrap_or("model.")
    }

    /// The checkpoint's name for the GGUF tensor `name`.
    pub fn tensor(&self, name: &str, prefix: &str) -> String {
        let (stem, leaf) = name.rsplit_once('.').unwrap_or((name, "weight"));
        let Some((layer, rest)) = name.strip_prefix("blk.").and_then(|n| n.split_once('.')) else {
            return format!("{}.{leaf}", self.module(stem, prefix));
        };
        let head = format!("{prefix}{}{layer}.", self.layers);
        if let Some((_, whole)) = self.layer.iter().find(|(ours, _)| *ours == rest) {
            return format!("{head}{whole}");
        }
        let stem = rest.rsplit_once('.').map_or(rest, |(stem, _)| stem);
        let module = lookup(stem, self.layer, LAYER);
        format!("{head}{module}.{leaf}")
    }

    /// Top-level modules stand under the prefix, but for the head.
    fn module(&self, stem: &str, prefix: &str) -> String {
        let module = lookup(stem, self.top, TOP);
        if stem == "output" { module.to_string() } else { format!("{prefix}{module}") }
    }

    /// Whether the language model may leave this tensor alone.
    pub fn is_ignored(&self, name: &str) -> bool {
        self.ignore.iter().chain(LLAMA_NAMES.ignore).any(|part| name.contains(part))
    }
}

fn lookup<'a>(
    stem: &'a str,
    own: &[(&'static str, &'static str)],
    common: &[(&'static str, &'static str)],
) -> &'a str {
    own.iter().chain(common).find(|(ours, _)| *ours == stem).map_or(stem, |(_, theirs)| theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_plain_checkpoint() {
        for (ours, theirs) in [
            ("token_embd.weight", "model.embed_tokens.weight"),
            ("output.weight", "lm_head.weight"),
            ("output_norm.weight", "model.norm.weight"),
            ("blk.3.attn_q.bias", "model.layers.3.self_attn.q_proj.bias"),
            ("blk.12.ffn_down.weight", "model.layers.12.mlp.down_proj.weight"),
        ] {
            assert_eq!(LLAMA_NAMES.tensor(ours, "model."), theirs);
        }
    }
}
