//! Models as plain files with readable names: pulled from hubs, adopted from other programs, listed, verified, removed.
//!
//! A model is a folder below the store with its files and a description (`hob.json`) of what they are, which can be written
//! anew from the files. A folder appears complete and checked or not at all; downloads live apart until then and survive
//! being killed. What strangers say (names, paths, digests) reaches the disk only as [`ModelName`], [`FilePath`] and
//! [`Digest`].
//!
//! The crate knows files, not tensors: whether Hob can run a model is up to the library above. All network traffic goes
//! through `hob-egress`. Read `store.rs` first, then `pull/mod.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "this room reads and writes its own directory and waits between attempts"
)]

mod blobs;
mod catalogue;
mod create;
mod details;
mod digest;
mod disk;
mod error;
mod file_path;
mod fit;
mod hub;
pub mod import;
mod manifest;
mod model;
mod name;
mod near;
mod pull;
mod store;
mod usage;
mod verify;
mod wishes;

pub use blobs::BlobWriter;
pub use catalogue::{Catalogue, Entry, Found, Variant};
pub use create::Base;
pub use digest::Digest;
pub use disk::free_bytes;
pub use error::Error;
pub use file_path::FilePath;
pub use fit::{Fit, Need};
pub use manifest::{Details, Manifest, Settings, Source, StoredFile};
pub use model::Model;
pub use name::{ModelName, TAG_DEFAULT};
pub use near::near;
pub use pull::{
    Choice, HUGGING_FACE, Hubs, OLLAMA, Phase, Plan, PullOptions, PullProgress, Puller, Reference,
    RemoteFile, Unfinished,
};
pub use store::{Listing, Store};
pub use usage::{Usage, UsageOf};
pub use verify::{Finding, Verdict};
pub use wishes::Wishes;
