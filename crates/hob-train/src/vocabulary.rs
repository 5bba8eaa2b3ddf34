//! A learned vocabulary as the metadata of a GGUF file.

use hob_format::{ArrayView, Metadata};
use hob_tokenizer::TrainedBpe;

/// GGUF's mark of an ordinary token and of one that is structure, not text.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// The special tokens with a role, by name.
#[derive(Clone, Copy, Debug)]
pub struct Roles<'a> {
    /// Ends a text.
    pub end_of_text: &'a str,
    /// Ends a message.
    pub end_of_turn: &'a str,
}

/// Writes `vocabulary` to `metadata`; texts are cut as `pre` says, and nothing is put before them.
///
/// # Panics
/// When a role's token is not in the vocabulary.
pub fn set_vocabulary(metadata: &mut Metadata, vocabulary: &TrainedBpe, pre: &str, roles: Roles<'_>) {
    let count = vocabulary.tokens.len();
    let kind = |i| if i + vocabulary.special >= count { CONTROL } else { NORMAL };
    let types: Vec<i32> = (0..count).map(kind).collect();
    let id = |name: &str| {
        let found = vocabulary.tokens.iter().rposition(|t| t == name);
        found.expect("roles are played by tokens of the vocabulary") as u32
    };
    metadata.set("tokenizer.ggml.model", "gpt2");
    metadata.set("tokenizer.ggml.pre", pre);
    metadata.set("tokenizer.ggml.tokens", vocabulary.tokens.iter().collect::<ArrayView>());
    metadata.set("tokenizer.ggml.token_type", ArrayView::from(types.as_slice()));
    metadata.set("tokenizer.ggml.merges", vocabulary.merges.iter().collect::<ArrayView>());
    metadata.set("tokenizer.ggml.bos_token_id", id(roles.end_of_text));
    metadata.set("tokenizer.ggml.eos_token_id", id(roles.end_of_turn));
    metadata.set("tokenizer.ggml.eot_token_id", id(roles.end_of_text));
    metadata.set("tokenizer.ggml.padding_token_id", id(roles.end_of_text));
    metadata.set("tokenizer.ggml.add_bos_token", false);
    metadata.set("tokenizer.ggml.add_eos_token", false);
}
