//! What is said about the built-in model where it talks, so that nobody takes it for more than it is.

use super::ChatArgs;
use crate::fail::note;
use std::io::{self, IsTerminal};
use std::path::Path;

/// Before a conversation with it.
pub const ABOUT: &str = "\
Ember is built into Hob and very small: most of what it says is wrong or made up. It shows how Hob answers, writes JSON and
calls tools, with nothing downloaded. A real model: hob chat path/to/model.gguf";

/// Before a single answer on a screen, to whoever did not ask for it by name. Pipes and documents stay clean.
pub fn note_once(args: &ChatArgs) {
    let is_named = args.model.as_deref().is_some_and(|name| name == Path::new(hob::BUILTIN_NAME));
    if !is_named && !args.json && io::stdout().is_terminal() && io::stderr().is_terminal() {
        note(
            "Ember answers, the very small built-in model; for a real one: hob chat path/to/model.gguf \"...\"",
        );
    }
}
