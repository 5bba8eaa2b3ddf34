//! Conversations that outlive the program: trees of messages in one SQLite file, shared by the page, the terminal and the phone.
//!
//! A call that returns `Ok` has what it wrote on the disk: a kill or a power cut afterwards takes nothing of it. Several
//! processes may use the file at the same time. Whatever comes from outside is checked here ([`Chat::check`],
//! [`Message::check`], [`Id::parse`]), the shape of the tree by the database as well. Ids and times come in from above.
//!
//! They may be encrypted: [`Chats::encrypt`], and `sealed/mod.rs` for how. Keys and nonces are random numbers of the system; where
//! passphrases and other secrets come from is the caller's affair.
//!
//! The crate deliberately doesn't know models or HTTP, and nothing of temporary chats: what is not to be kept never gets here.
//!
//! Read `chat.rs` and `message.rs` (what is kept) first, then `chats.rs` and `schema.rs`.

#![allow(clippy::disallowed_methods, reason = "this room makes its own folder and its own file")]

mod changes;
mod chat;
mod chats;
mod error;
mod exchange;
mod file;
mod id;
mod keep;
pub mod limits;
mod message;
mod pool;
mod private;
mod rows;
mod schema;
mod sealed;
mod search;
mod title;
mod tools;
mod tree;

pub use changes::{Changes, Stand};
pub use chat::{Chat, Sampling, Settings};
pub use chats::{Chats, Cursor, Listed, Listing, Messages, Taken};
pub use error::Error;
pub use exchange::{Above, Format, Imported, Skipped};
pub use id::Id;
pub use keep::Rule;
pub use message::{
    Attachment, Elsewhere, Energy, Finish, Message, Method, Place, Repaired, Role, Scope, State, Stats,
    Trouble,
};
pub use sealed::Protection;
pub use sealed::key::Secret;
pub use sealed::state::{LockedBy, Wrapping};
pub use search::Hit;
pub use title::title_of;
pub use tools::{Call, Tool, ToolChoice};
