//! `/hob/v1/keys`: making, listing and revoking keys, for the page and for programs.

use super::{KeyEntry, KeyError, KeyWish, Scope};
use crate::described::described;
use crate::fields::Fields;
use crate::pairing::Pairing;
use crate::problem::{Dialect, Kind, Problem};
use crate::{App, clock, wire};
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::Value;

described! {
    /// A key, without its text.
    pub struct KeyReport {
        /// Its name for programs.
        id: String,
        /// Its name for people.
        name: String,
        /// What it opens.
        scopes: Vec<Scope>,
        /// The models it may ask; all when empty.
        models: Vec<String>,
        /// Whether what is asked with it may be sent to a model elsewhere.
        cloud: bool,
        /// Whether what is asked with it must never leave this machine.
        private: bool,
        /// Tokens of prompts and answers that it may use in a day; nothing for no limit.
        tokens_per_day: Option<u64>,
        /// Those that it has used today (UTC).
        tokens_today: u64,
        /// When it was made.
        created_at: String,
        /// When it ends; nothing for never.
        expires_at: Option<String>,
        /// Whether that has passed.
        is_expired: bool,
    }

    /// The keys that are kept.
    pub struct KeysReport {
        /// Oldest first.
        keys: Vec<KeyReport>,
        /// Whether a request without a key is refused.
        is_needed: bool,
    }

    /// A key that was made.
    pub struct KeyMade {
        /// What it is.
        key: KeyReport,
        /// Its text, told this once: only a digest is kept.
        text: String,
        /// Ways for other machines to come in with it, where others can reach the server.
        pairings: Vec<Pairing>,
    }

    /// A key that opens nothing any more.
    pub struct KeyRemoved {
        /// What it was called by programs.
        id: String,
        /// What it was called by people.
        name: String,
    }

    /// A key that is wanted; only `name` has to be there.
    pub struct KeyWanted {
        /// What people will call it.
        name: String,
        /// What it opens; chat and embeddings when nothing is said.
        scopes: Option<Vec<Scope>>,
        /// The models it may ask; all when nothing is said.
        models: Option<Vec<String>>,
        /// Whether what is asked with it may be sent to a model elsewhere.
        cloud: Option<bool>,
        /// Whether what is asked with it must never leave this machine.
        private: Option<bool>,
        /// Tokens of prompts and answers that it may use in a day.
        tokens_per_day: Option<u64>,
        /// Seconds after which it ends.
        expires_in_seconds: Option<u64>,
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let message = error.to_string();
        match error {
            KeyError::Wish { field, .. } => Self::invalid(field, message),
            KeyError::Taken { .. } => Self::new(Kind::Conflict, message).code("key_exists"),
            KeyError::Unknown { .. } => Self::new(Kind::NotFound, message).code("unknown_key"),
            _ => Self::new(Kind::Internal, message).code("keys_unreachable"),
        }
    }
}

fn report(app: &App, key: &KeyEntry) -> KeyReport {
    KeyReport {
        id: key.id.clone(),
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        models: key.models.clone(),
        cloud: key.cloud,
        private: key.private,
        tokens_per_day: key.tokens_per_day,
        tokens_today: app.keys.spent(key),
        created_at: clock::rfc3339_of(key.created_at),
        expires_at: key.expires_at.map(clock::rfc3339_of),
        is_expired: key.is_expired(clock::unix()),
    }
}

/// Does with the file of keys what takes its time.
///
/// # Errors
/// There is no file, or what the work says.
async fn work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&super::KeyBook) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, Problem> {
    let Some(book) = app.keys.book().cloned() else {
        let message = "this server keeps no keys: it was started without a folder for data (HOB_HOME)";
        return Err(Problem::new(Kind::NotImplemented, message).code("no_keys"));
    };
    let done = tokio::task::spawn_blocking(move || work(&book)).await;
    Ok(done.map_err(|_| Problem::new(Kind::Internal, "the keys could not be reached"))??)
}

/// `GET /hob/v1/keys`.
pub async fn list(app: App) -> Response {
    match work(&app, super::KeyBook::list).await {
        Ok(keys) => wire::answer(&KeysReport {
            keys: keys.iter().map(|key| report(&app, key)).collect(),
            is_needed: app.keys.is_needed(),
        }),
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}

/// `POST /hob/v1/keys`.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let now = clock::unix();
    let wish = wanted(&Fields::of(&body, "")?)?.wish(now);
    let (entry, text) = work(&app, move |book| book.add(wish, now)).await?;
    let mut response =
        wire::answer(&KeyMade { key: report(&app, &entry), pairings: app.door.pairings(&text), text });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn wanted(fields: &Fields<'_>) -> Result<KeyWanted, Problem> {
    let texts = |key: &str| -> Result<Option<Vec<String>>, Problem> {
        let Some(list) = fields.get(key) else { return Ok(None) };
        let list =
            list.as_array().and_then(|list| list.iter().map(|one| one.as_str().map(str::to_owned)).collect());
        list.map(Some).ok_or_else(|| fields.wrong(key, "a list of texts"))
    };
    let whole = |key: &str| -> Result<Option<u64>, Problem> {
        let Some(number) = fields.get(key) else { return Ok(None) };
        // JSON readers keep 53 bits.
        let number = number.as_u64().filter(|number| *number < 1 << 53);
        number.map(Some).ok_or_else(|| fields.wrong(key, "a whole number"))
    };
    let scopes = texts("scopes")?.map(|list| list.iter().map(|name| name.parse()).collect());
    let scopes: Option<Result<Vec<Scope>, String>> = scopes;
    Ok(KeyWanted {
        name: fields.need_text("name")?.to_owned(),
        scopes: scopes.transpose().map_err(|error| Problem::invalid("scopes", format!("scopes: {error}")))?,
        models: texts("models")?,
        cloud: fields.flag("cloud")?,
        private: fields.flag("private")?,
        tokens_per_day: whole("tokens_per_day")?,
        expires_in_seconds: whole("expires_in_seconds")?,
    })
}

impl KeyWanted {
    fn wish(self, now: i64) -> KeyWish {
        KeyWish {
            name: self.name,
            expires_at: self.expires_in_seconds.map(|seconds| now.saturating_add_unsigned(seconds)),
            models: self.models.unwrap_or_default(),
            scopes: self.scopes.unwrap_or(Scope::DEFAULT.to_vec()),
            cloud: self.cloud.unwrap_or(false),
            private: self.private.unwrap_or(false),
            tokens_per_day: self.tokens_per_day,
        }
    }
}

/// `DELETE /hob/v1/keys/{id}`.
pub async fn remove(app: App, Path(id): Path<String>) -> Response {
    match work(&app, move |book| book.remove(&id)).await {
        Ok(gone) => wire::answer(&KeyRemoved { id: gone.id, name: gone.name }),
        Err(problem) => problem.respond(Dialect::OpenAi),
    }
}
