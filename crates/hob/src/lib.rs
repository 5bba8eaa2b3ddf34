//! Small language models on this machine: text in, text out.
//!
//! [`LanguageModel::open`] takes a GGUF file or a Hugging Face directory; [`builtin`] is a very small model that is always
//! there. From a model come chats ([`Chat`]), plain
//! continuations ([`LanguageModel::complete`]) and embeddings ([`LanguageModel::embed`]). Nothing here reads a clock it was
//! not given, the environment or the network.
//!
//! ```no_run
//! use hob::{AnswerOptions, ChatOptions, LanguageModel, Options, Piece};
//!
//! fn main() -> Result<(), hob::Error> {
//!     let model = LanguageModel::open("model.gguf".as_ref(), &Options::default())?;
//!     let mut chat = model.chat(ChatOptions::default());
//!     chat.say("Why is the sky blue?");
//!     let mut answer = chat.answer(&mut AnswerOptions::default())?;
//!     while let Some(piece) = answer.next()? {
//!         if let Piece::Text(text) = piece {
//!             print!("{text}");
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Read `model.rs` first, then `chat.rs` and `answer.rs`; `answers.rs` for many answers at once, `calls/mod.rs` for tools.

mod answer;
mod answers;
mod builtin;
mod calls;
mod chat;
mod closed;
mod conversation;
mod convert;
mod describe;
mod directory;
mod draft;
mod error;
mod fingerprint;
mod model;
mod options;
mod placed;
mod prompt;
mod speech;
mod thought;
mod vocabulary;

pub use answer::{Answer, Piece, Reply};
pub use answers::{AnswerEvent, Answers};
pub use builtin::{BUILTIN_NAME, builtin, builtin_bytes, builtin_file};
pub use calls::{Calling, ToolCall, ToolChoice};
pub use chat::Chat;
pub use closed::close_objects;
pub use conversation::Conversation;
pub use convert::as_gguf;
pub use describe::{ChatSupport, Description, MemoryEstimate};
pub use directory::{Directory, as_directory};
pub use error::Error;
pub use hob_engine::constraint::{Grammar, JsonOptions, JsonWhitespace};
pub use hob_engine::sampling::{DryConfig, Mirostat, SamplerConfig, TokenLogprob, Window};
pub use hob_engine::scheduler::{JobId, Load, SchedulerConfig, Stepped, Usage};
pub use hob_engine::speculation::{Draft, PromptLookup, Speculation, SpeculationStats, VerifyCosts};
pub use hob_engine::{Clock, FinishReason, OnFull, Prefilled, Progress, Session, SessionConfig};
pub use hob_kernels::{Compute, KvType};
pub use hob_model::spec::Pooling;
pub use hob_tokenizer::{ChatTemplate, EncodeOptions, LocalTime, SpecialTokens, Tokenizer};
pub use model::{LanguageModel, open_tokenizer, tokenizer_of};
pub use options::{AnswerOptions, ChatOptions, Options};
pub use placed::Placed;
pub use prompt::{Prepared, Prompt};
