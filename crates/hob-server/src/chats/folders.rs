//! `/hob/v1/chats/folders`: folders whose conversations never leave this machine.

use super::{ChatsAt, answer, work};
use crate::App;
use crate::ask::Leave;
use crate::described::described;
use crate::fields::Fields;
use crate::keys::Scope;
use crate::problem::Problem;
use crate::wire;
use axum::response::Response;
use serde_json::Value;

described! {
    /// Folders that are marked.
    pub struct FoldersReport {
        /// Folders whose conversations never leave this machine, by name.
        private: Vec<String>,
    }

    /// A folder, and whether it is to be marked.
    pub struct FolderMarked {
        /// Its name; no conversation needs to lie in it yet.
        folder: String,
        /// Whether its conversations must be answered on this machine.
        private: bool,
    }
}

/// `GET /hob/v1/chats/folders`.
pub async fn folders(app: App) -> Response {
    let private = work(&app, |chats| chats.private_folders()).await;
    answer(private.map(|private| FoldersReport { private }))
}

/// `POST /hob/v1/chats/folders`: marks a folder, or takes its mark away.
pub async fn mark_folder(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let folder = fields.need_text("folder")?.to_owned();
    let is_private = fields.flag("private")?.ok_or_else(|| fields.wrong("private", "true or false"))?;
    let private = work(&app, move |chats| {
        chats.set_private_folder(&folder, is_private)?;
        chats.private_folders()
    });
    Ok(wire::answer(&FoldersReport { private: private.await? }))
}

/// Whether a request has to stay because of the conversation that it says it belongs to, or the folder of that. What the
/// store says counts, whatever the page that asks believes.
///
/// # Errors
/// The store is locked or cannot be read, so nobody knows; nothing may leave then.
pub async fn must_stay(app: &App, leave: &Leave) -> Result<bool, Problem> {
    let (chat, folder) = (leave.chat.clone(), leave.folder.clone());
    if chat.is_none() && folder.is_none() {
        return Ok(false);
    }
    // A server that keeps none cannot look: there may be marks on the disk. A key that does not open the conversations must not
    // learn from what stays which of them there are and which names of folders are marked, so that all of them stay.
    if !matches!(app.chats.at, ChatsAt::File(_)) || !app.visit.opens(Scope::History) {
        return Ok(true);
    }
    let stays = work(app, move |chats| chats.must_stay(chat.as_ref(), folder.as_deref())).await;
    stays.map_err(|problem| Problem {
        message: format!(
            "whether this conversation is private cannot be known, so it stays here: {}",
            problem.message
        ),
        ..problem
    })
}
