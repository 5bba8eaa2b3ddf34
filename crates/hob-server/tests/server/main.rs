//! The real server with the real built-in model, spoken to over real connections.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests connect to their own server and may panic"
)]

mod anthropic;
mod asks;
mod chats;
mod client;
mod cloud;
mod door;
mod energy;
mod handover;
mod keys;
mod llama;
mod models;
mod ollama;
mod openai;
mod openapi;
mod page;
mod private;
mod repair;
mod responses;
mod shape;
mod shelf;
mod tls;
