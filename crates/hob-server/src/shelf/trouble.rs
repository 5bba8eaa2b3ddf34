//! What goes wrong with models on their way: as an answer to a request, and in words that lead on.

use crate::problem::{Kind, Problem};
use hob_store::Error;

/// The answer that tells of an error of the store.
pub fn problem(error: &Error) -> Problem {
    let message = error.to_string();
    match error {
        Error::Name { .. } | Error::Reference { .. } | Error::FileName { .. } | Error::Digest { .. } => {
            Problem::invalid("model", message)
        }
        Error::Import { .. } => Problem::invalid("model", message).code("not_a_model"),
        Error::Unknown { .. } | Error::NotThere { .. } => {
            Problem::new(Kind::NotFound, message).code("model_not_found")
        }
        Error::Exists { .. } => Problem::new(Kind::Conflict, message).code("model_exists"),
        Error::Ambiguous { .. } => Problem::new(Kind::Conflict, message).code("ambiguous_name"),
        Error::Busy { .. } | Error::Stopped => Problem::new(Kind::Conflict, message).code("busy"),
        Error::NoRoom { .. } => Problem::new(Kind::Conflict, message).code("no_room"),
        Error::Gated { .. } => Problem::new(Kind::Forbidden, message).code("gated"),
        Error::Egress(hob_egress::Error::Offline { .. }) => {
            Problem::new(Kind::Forbidden, message).code("offline")
        }
        Error::Egress(_)
        | Error::Refused { .. }
        | Error::Answer { .. }
        | Error::Changed { .. }
        | Error::WrongDigest { .. }
        | Error::GivenUp { .. } => Problem::new(Kind::Upstream, message).code("hub_failed"),
        _ => Problem::new(Kind::Internal, message),
    }
}

/// What somebody who sees the error can do.
pub fn advice(error: &Error) -> &'static str {
    match error {
        Error::Egress(hob_egress::Error::Offline { .. }) => {
            "Hob was started with the network forbidden. Start it without --offline and HOB_OFFLINE to pull models."
        }
        Error::Egress(hob_egress::Error::NotAllowed { .. } | hob_egress::Error::Private { .. }) => {
            "Hob only reaches the hubs it was told of. Start it with --allow-hub for a mirror of your own."
        }
        Error::Egress(_) | Error::GivenUp { .. } => {
            "Check the connection to the internet, then resume: what has come is kept."
        }
        Error::NoRoom { .. } => {
            "Remove models or other files to make room, then resume: what has come is kept."
        }
        Error::Gated { .. } => {
            "Accept the terms on the model’s page, make an access token there, and start Hob with it in HF_TOKEN."
        }
        Error::WrongDigest { .. } | Error::Changed { .. } => {
            "The file was damaged on its way or replaced at the hub. Resume to fetch it again."
        }
        Error::NotThere { .. } | Error::Reference { .. } | Error::Unknown { .. } | Error::Name { .. } => {
            "Check the name; the catalogue lists models that are known to be there."
        }
        Error::Refused { .. } | Error::Answer { .. } => "The hub has trouble. Resume in a few minutes.",
        Error::Busy { .. } => "Another program of yours is pulling this model. Wait for it, or stop it.",
        Error::Exists { .. } => "Remove the model of that name first.",
        Error::Import { .. } => "Hob reads GGUF files and folders with safetensors and config.json.",
        _ => "Try again; if it stays, the terminal in which Hob runs says more.",
    }
}
