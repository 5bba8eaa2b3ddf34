//! What each fuzz target does with its bytes: parse them, then check everything a caller relies on.
//!
//! One public function per target, named like it, so that a finding can be replayed from an ordinary test. To add a
//! target: a module with the function here, a three-line file in `fuzz_targets/`, a `[[bin]]` in `Cargo.toml`, seeds in
//! `examples/seeds/` and, for a format with keywords, a dictionary in `dictionaries/`.
//!
//! - all targets, a minute each, with the flags written out: `cargo xtask fuzz`
//! - one target by hand: `cargo +nightly fuzz run gguf_open target/corpus corpus/gguf_open -- -dict=dictionaries/gguf_open.dict`
//!   (in this directory; the first folder receives what the fuzzer finds)
//! - write the seeds anew: `cargo run --example seeds`

mod gguf;
mod grammar;
mod imatrix;
mod model;
mod safetensors;
mod template;
mod tokenizer;

pub use gguf::gguf_open;
pub use grammar::json_schema;
pub use imatrix::imatrix_load;
pub use model::{BASE_CONFIGS, model_config};
pub use safetensors::safetensors_open;
pub use template::chat_template;
pub use tokenizer::{SMALL_TOKENIZERS, tokenizer_encode, tokenizer_json};

/// What stands before the first zero byte and what stands after it: neither JSON nor a template needs that byte.
fn split_at_zero(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}
