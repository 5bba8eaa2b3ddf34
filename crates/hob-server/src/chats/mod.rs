//! `/hob/v1/chats`: conversations that outlive the server, as `hob-chats` keeps them for the page, the terminal and others.

mod carry;
mod folders;
mod query;
pub mod shapes;
mod unlock;

pub use carry::{export, import};
pub use folders::{FolderMarked, FoldersReport, folders, mark_folder, must_stay};
pub use unlock::{UnlockWanted, Unlocked, unlock};

use crate::log::Level;
use crate::problem::{Dialect, Kind, Problem};
use crate::wire;
use crate::{App, clock, limits};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, Uri};
use axum::response::Response;
use hob_chats::{Chat, Chats, Cursor, Error, Id, Listed, LockedBy, Message, Protection};
pub use query::Query;
use serde::Serialize;
use serde_json::{Value, json};
use shapes::{ChatKept, ChatsPage, Deleted, HitsReport, MessagesPage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Where conversations are kept.
#[derive(Clone)]
pub enum ChatsAt {
    /// In this file.
    File(Arc<Chats>),
    /// Nowhere, and why.
    Nowhere(String),
}

/// The conversations, and how many requests may be about them at a time: each holds a thread while the disk works.
pub struct Desk {
    at: ChatsAt,
    places: Arc<Semaphore>,
    /// Imports and exports last as long as the client reads or writes.
    long_places: Arc<Semaphore>,
    /// Whether what is sent here cannot be read on its way.
    is_private: bool,
    tries: Mutex<unlock::Tries>,
}

impl Desk {
    /// A desk over these conversations. The way to it is private on this machine, and over TLS.
    pub fn new(at: ChatsAt, is_private: bool) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            at,
            places: places(limits::CHATS_AT_ONCE),
            long_places: places(limits::CARRIES_AT_ONCE),
            is_private,
            tries: Mutex::default(),
        }
    }

    /// # Errors
    /// Why nothing is kept.
    fn chats(&self) -> Result<Arc<Chats>, Problem> {
        match &self.at {
            ChatsAt::File(chats) => Ok(Arc::clone(chats)),
            ChatsAt::Nowhere(why) => {
                let message = format!("conversations are not kept by this server: {why}");
                Err(Problem::new(Kind::NotImplemented, message).code("chats_not_kept"))
            }
        }
    }
}

/// Does work on the disk apart from the threads that answer.
async fn work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Chats) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let chats = app.chats.chats()?;
    let place = Arc::clone(&app.chats.places).acquire_owned().await;
    let worked = tokio::task::spawn_blocking(move || {
        let _place = place;
        work(&chats)
    });
    worked
        .await
        .map_err(|_| Problem::new(Kind::Internal, "the conversations could not be reached"))?
        .map_err(Problem::from)
}

/// What kept answers took, of conversations that do not stand as they are known.
///
/// # Errors
/// They are not kept, or cannot be read.
pub async fn taken_since(
    app: &App,
    known: BTreeMap<Id, (hob_chats::Stand, ())>,
) -> Result<hob_chats::Changes, Problem> {
    work(app, move |chats| chats.taken_since(&known)).await
}

/// Whether conversations are encrypted, so that nothing of what is said in them may lie in the clear. Who cannot tell says yes.
pub async fn are_encrypted(app: &App) -> bool {
    match &app.chats.at {
        ChatsAt::File(_) => {
            work(app, Chats::protection).await.map_or(true, |found| found != Protection::Open)
        }
        // They may lie on the disk all the same.
        ChatsAt::Nowhere(_) => true,
    }
}

/// Deletes now and then what the rules of whoever keeps conversations let go. Where they are locked or busy, the next time does it.
pub async fn expire(app: App) {
    loop {
        if let ChatsAt::File(_) = &app.chats.at
            && let Ok(gone) = work(&app, |chats| chats.expire(clock::unix_ms())).await
            && !gone.is_empty()
        {
            app.requests.log().line(Level::Info, "expired", || json!({"conversations": gone.len()}));
        }
        tokio::time::sleep(limits::EXPIRY_TIME).await;
    }
}

/// `GET /hob/v1/chats`: conversations, those first in which something was said last.
pub async fn list(app: App, uri: Uri) -> Response {
    let list = async {
        let query = Query::of(&uri)?;
        let after = query.get("after").map(|after| after.parse::<Cursor>()).transpose()?;
        let limit = query.limit()?;
        let listing = work(&app, move |chats| chats.list(after, limit)).await?;
        let next = listing.next.map(|next| next.to_string());
        Ok(ChatsPage { chats: listing.chats, next })
    };
    answer(list.await)
}

/// `GET /hob/v1/chats/{id}`: a conversation without its messages.
pub async fn get(app: App, Path(id): Path<String>) -> Response {
    let get = async {
        let id = Id::parse(&id)?;
        work(&app, move |chats| chats.get(&id)).await
    };
    answer(get.await)
}

/// `PUT /hob/v1/chats/{id}`: keeps a conversation and some of its messages, all or nothing.
pub async fn put(app: App, Path(id): Path<String>, request: Request<Body>) -> Response {
    let put = async {
        let mut body = wire::read_json(request).await?;
        let id = Id::parse(&id)?;
        let chat: Chat = read(&mut body, "chat")?;
        if chat.id != id {
            return Err(Problem::invalid(
                "chat.id",
                format!("expected {id} as in the path, found {}", chat.id),
            ));
        }
        let messages = messages_of(&mut body)?;
        let known: Option<i64> = read(&mut body, "version")?;
        let kept = work(&app, move |chats| chats.put_knowing(&chat, &messages, known.unwrap_or(0))).await?;
        let Listed { chat, version } = kept;
        Ok(ChatKept { version, is_private: chat.is_private, folder: chat.folder })
    };
    answer(put.await)
}

/// `DELETE /hob/v1/chats/{id}`.
pub async fn delete(app: App, Path(id): Path<String>) -> Response {
    let delete = async {
        let id = Id::parse(&id)?;
        work(&app, move |chats| chats.delete(&id)).await?;
        Ok(Deleted { deleted: 1 })
    };
    answer(delete.await)
}

/// `GET /hob/v1/chats/{id}/messages`: messages of all branches, in the order in which they were kept first.
pub async fn messages(app: App, Path(id): Path<String>, uri: Uri) -> Response {
    let messages = async {
        let query = Query::of(&uri)?;
        let (id, after, limit) = (Id::parse(&id)?, query.number("after")?, query.limit()?);
        let page = work(&app, move |chats| chats.messages(&id, after, limit)).await?;
        Ok(MessagesPage { messages: page.messages, next: page.next })
    };
    answer(messages.await)
}

/// `PUT /hob/v1/chats/{id}/messages`: keeps messages of a conversation that is there, all or nothing.
pub async fn put_messages(app: App, Path(id): Path<String>, request: Request<Body>) -> Response {
    let put = async {
        let mut body = wire::read_json(request).await?;
        let id = Id::parse(&id)?;
        let messages = messages_of(&mut body)?;
        let kept = work(&app, move |chats| {
            chats.put_messages(&id, &messages)?;
            chats.get(&id)
        });
        let Listed { chat, version } = kept.await?;
        Ok(ChatKept { version, is_private: chat.is_private, folder: chat.folder })
    };
    answer(put.await)
}

/// `DELETE /hob/v1/chats/{id}/messages/{message}`: a message and everything below it.
pub async fn delete_message(app: App, Path((id, message)): Path<(String, String)>) -> Response {
    let delete = async {
        let (id, message) = (Id::parse(&id)?, Id::parse(&message)?);
        let deleted = work(&app, move |chats| chats.delete_message(&id, &message)).await?;
        Ok(Deleted { deleted })
    };
    answer(delete.await)
}

/// `GET /hob/v1/chats/search?q=`: messages that hold all words, newest first.
pub async fn search(app: App, uri: Uri) -> Response {
    let search = async {
        let query = Query::of(&uri)?;
        let (text, limit) = (query.get("q").unwrap_or_default().to_owned(), query.limit()?);
        let hits = work(&app, move |chats| chats.search(&text, limit)).await?;
        Ok(HitsReport { hits })
    };
    answer(search.await)
}

fn answer(result: Result<impl Serialize, Problem>) -> Response {
    match result {
        Ok(value) => wire::answer(&value),
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

/// A part of a body as what it should be.
fn read<T: serde::de::DeserializeOwned>(body: &mut Value, name: &str) -> Result<T, Problem> {
    let part = body.get_mut(name).map(Value::take).unwrap_or_default();
    serde_json::from_value(part).map_err(|error| Problem::invalid(name, format!("{name}: {error}")))
}

fn messages_of(body: &mut Value) -> Result<Vec<Message>, Problem> {
    if body.get("messages").is_none() {
        return Ok(Vec::new());
    }
    let messages: Vec<Message> = read(body, "messages")?;
    if messages.len() > limits::MESSAGES_MAX {
        let message =
            format!("expected at most {} messages at a time, found {}", limits::MESSAGES_MAX, messages.len());
        return Err(Problem::invalid("messages", message));
    }
    Ok(messages)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Id { .. } => Self::invalid("id", message),
            Error::Field { field, .. } => Self::invalid(field, message),
            Error::NoParent { .. } => Self::invalid("messages", message).code("parent_not_found"),
            Error::Moved { .. } => Self::invalid("messages", message).code("message_moved"),
            Error::Full { .. } => Self::invalid("messages", message).code("chat_full"),
            Error::Import { .. } => Self::new(Kind::Invalid, message).code("invalid_import"),
            Error::UnknownChat { .. } | Error::Ambiguous { .. } => {
                Self::new(Kind::NotFound, message).code("chat_not_found")
            }
            Error::UnknownMessage { .. } => Self::new(Kind::NotFound, message).code("message_not_found"),
            Error::Locked { by: LockedBy::Passphrase, .. } => Self::new(
                Kind::Locked,
                "the conversations are encrypted; send the passphrase to /hob/v1/chats/unlock",
            )
            .code("chats_locked"),
            Error::Locked { .. } => Self::new(Kind::Locked, message).code("chats_without_key"),
            Error::Busy { .. } => Self::new(Kind::Overloaded, message).code("chats_busy"),
            _ => Self::new(Kind::Internal, message).code("chats_unreachable"),
        }
    }
}
