//! The interface of Anthropic.

pub mod messages;
mod request;
mod stream;
