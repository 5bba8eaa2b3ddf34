//! The interface of OpenAI. Unknown fields are left alone; fields of a wrong type are refused with their name.

pub mod chat;
pub mod chat_request;
pub mod completions;
pub mod embeddings;
pub mod models;
pub mod rerank;
pub mod responses;
mod shapes;

pub use chat_request::{format_grammar, tools};
pub use shapes::{logprob, mark_cut, thought_tokens, timings};
