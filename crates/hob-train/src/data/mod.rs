//! Training text: documents from files, as token ids with marks of what is to be learned.
//!
//! Files are JSON lines (plain or Zstandard-packed) with a `text` or with `messages` (and `tools`), or plain text, which is one
//! document. Read `reader.rs` (files to documents), then `corpus.rs` (documents to ids) and `packing.rs` (ids to batches).

mod corpus;
mod packing;
mod reader;

pub use corpus::{Corpus, Encoder, Learn};
pub use packing::{Packing, Sequences};
pub use reader::{Document, read_documents, read_lines};
