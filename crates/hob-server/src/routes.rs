//! Every way into the server, in one table: the router is built from it and tests walk it.

use crate::elsewhere::native as cloud;
use crate::keys::{self, Scope};
use crate::problem::{Dialect, Kind, Problem};
use crate::shelf::native as shelf;
use crate::{
    App, anthropic, chats, guard, llama, native, ollama, openai, openapi, page, requests, stats, wire,
};
use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::http::{Method, Request};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, head, post, put};
use serde_json::Value;
use std::collections::HashMap;
use std::future::Future;
use std::sync::LazyLock;

/// A way in.
pub struct Route {
    /// How it is asked.
    pub method: Method,
    /// Where; `{name}` stands for a part of the path.
    pub path: &'static str,
    /// What a key of the file has to open for it; nothing where any will do.
    pub scope: Option<Scope>,
    handler: MethodRouter<App>,
}

impl Route {
    fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }
}

/// The same scope for some routes.
fn all(scope: Scope, routes: Vec<Route>) -> Vec<Route> {
    routes.into_iter().map(|route| route.scope(scope)).collect()
}

/// What a key of the file has to open for a request.
pub fn scope(path: &str, method: &Method) -> Option<Scope> {
    static SCOPES: LazyLock<HashMap<(&str, Method), Option<Scope>>> = LazyLock::new(|| {
        table().into_iter().map(|route| ((route.path, route.method), route.scope)).collect()
    });
    // What answers GET answers HEAD.
    let of = |method: &Method| SCOPES.get(&(path, method.clone())).copied();
    of(method).or_else(|| of(&Method::GET).filter(|_| method == Method::HEAD)).flatten()
}

/// Paths that need no key: they say that the server lives, and nothing else. The page is among them because it is where
/// people type their key.
const PUBLIC: [&str; 3] = ["/", "/health", "/v1/health"];

/// Whether a path needs no key.
pub fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path) || path.starts_with(page::FOLDER)
}

/// All ways in.
pub fn table() -> Vec<Route> {
    [
        native_routes(),
        admin_routes(),
        cloud_routes(),
        shelf_routes(),
        all(Scope::Models, keeper_routes()),
        all(Scope::History, chat_routes()),
        openai_routes(),
        all(Scope::Chat, responses_routes()),
        all(Scope::Chat, anthropic_routes()),
        ollama_routes(),
        all(Scope::Models, ollama_keeper_routes()),
        llama_routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn native_routes() -> Vec<Route> {
    vec![
        on_get("/", page::root),
        on_get("/page/{*file}", page::file),
        on_get("/health", native::health),
        on_get("/v1/health", native::health),
        on_get("/hob/v1/openapi.json", openapi::document),
        on_get("/hob/v1/machine", native::machine),
        on_get("/hob/v1/models", native::models),
        on_get("/hob/v1/status", native::status),
        on_get("/metrics", native::metrics).scope(Scope::Metrics),
    ]
}

fn admin_routes() -> Vec<Route> {
    vec![
        on_get("/hob/v1/server", native::server).scope(Scope::Metrics),
        on_get("/hob/v1/stats", stats::report).scope(Scope::Metrics),
        on_get("/hob/v1/requests", requests::list).scope(Scope::Admin),
        on_get("/hob/v1/keys", keys::list).scope(Scope::Admin),
        on_json("/hob/v1/keys", keys::create).scope(Scope::Admin),
        on_delete("/hob/v1/keys/{id}", keys::remove).scope(Scope::Admin),
    ]
}

/// Who may chat may see where that would go; who may be asked, and whether anybody may, is the owner's to say.
fn cloud_routes() -> Vec<Route> {
    vec![
        on_get("/hob/v1/cloud", cloud::report).scope(Scope::Chat),
        on_json("/hob/v1/cloud/plan", cloud::plan).scope(Scope::Chat),
        on_get("/hob/v1/cloud/ledger", cloud::ledger).scope(Scope::Admin),
        on_json("/hob/v1/cloud/mode", cloud::set_mode).scope(Scope::Admin),
        on_json("/hob/v1/cloud/corrections", cloud::correct).scope(Scope::Admin),
        on_json("/hob/v1/cloud/targets", cloud::add).scope(Scope::Admin),
        on_delete("/hob/v1/cloud/targets/{name}", cloud::remove).scope(Scope::Admin),
        on_post("/hob/v1/cloud/targets/{name}/test", cloud::test).scope(Scope::Admin),
    ]
}

/// Seeing which models there are is for every key; the page shows them.
fn shelf_routes() -> Vec<Route> {
    vec![
        on_get("/hob/v1/shelf", shelf::list),
        on_get("/hob/v1/shelf/models/{*id}", shelf::one),
        on_get("/hob/v1/shelf/catalogue", shelf::catalogue),
        on_get("/hob/v1/shelf/pulls", shelf::pulls),
        on_get("/hob/v1/shelf/pulls/{id}", shelf::one_pull),
        on_get("/hob/v1/shelf/events", shelf::events),
    ]
}

fn keeper_routes() -> Vec<Route> {
    vec![
        on_delete("/hob/v1/shelf/models/{*id}", shelf::remove),
        on_json("/hob/v1/shelf/copy", shelf::copy),
        on_json("/hob/v1/shelf/plan", shelf::plan),
        on_json("/hob/v1/shelf/pulls", shelf::pull),
        on_delete("/hob/v1/shelf/pulls/{id}", shelf::cancel),
        on_post("/hob/v1/shelf/pulls/{id}/pause", shelf::pause),
        on_post("/hob/v1/shelf/pulls/{id}/resume", shelf::resume),
        on_get("/hob/v1/shelf/found", shelf::found),
        on_json("/hob/v1/shelf/found", shelf::adopt),
    ]
}

/// An id has at least 8 letters, so that none is one of the words.
fn chat_routes() -> Vec<Route> {
    let on = |method, path, handler| Route { method, path, scope: None, handler };
    vec![
        on_get("/hob/v1/chats", chats::list),
        on_get("/hob/v1/chats/search", chats::search),
        on_get("/hob/v1/chats/export", chats::export),
        on(Method::POST, "/hob/v1/chats/import", post(chats::import)),
        on_json("/hob/v1/chats/unlock", chats::unlock),
        on_get("/hob/v1/chats/folders", chats::folders),
        on_json("/hob/v1/chats/folders", chats::mark_folder),
        on_get("/hob/v1/chats/{id}", chats::get),
        on(Method::PUT, "/hob/v1/chats/{id}", put(chats::put)),
        on(Method::DELETE, "/hob/v1/chats/{id}", delete(chats::delete)),
        on_get("/hob/v1/chats/{id}/messages", chats::messages),
        on(Method::PUT, "/hob/v1/chats/{id}/messages", put(chats::put_messages)),
        on(Method::DELETE, "/hob/v1/chats/{id}/messages/{message}", delete(chats::delete_message)),
    ]
}

fn openai_routes() -> Vec<Route> {
    vec![
        on_get("/v1/models", openai::models::list),
        on_get("/v1/models/{*id}", openai::models::one),
        on_json("/v1/chat/completions", openai::chat::create).scope(Scope::Chat),
        on_json("/v1/completions", openai::completions::create).scope(Scope::Chat),
        on_json("/v1/embeddings", openai::embeddings::create).scope(Scope::Embeddings),
        on_json("/v1/rerank", openai::rerank::create).scope(Scope::Embeddings),
        on_json("/v1/reranking", openai::rerank::create).scope(Scope::Embeddings),
    ]
}

fn responses_routes() -> Vec<Route> {
    vec![
        on_json("/v1/responses", openai::responses::create),
        on_json("/v1/responses/input_tokens", openai::responses::input_tokens),
        on_json("/v1/responses/compact", openai::responses::compact),
        on_get("/v1/responses/{id}", openai::responses::get),
        on_delete("/v1/responses/{id}", openai::responses::remove),
        on_post("/v1/responses/{id}/cancel", openai::responses::cancel),
        on_get("/v1/responses/{id}/input_items", openai::responses::input_items),
    ]
}

fn llama_routes() -> Vec<Route> {
    vec![
        on_get("/props", llama::props),
        on_get("/slots", llama::slots),
        on_json("/tokenize", llama::tokens::tokenize).scope(Scope::Chat),
        on_json("/detokenize", llama::tokens::detokenize).scope(Scope::Chat),
        on_json("/apply-template", llama::tokens::apply_template).scope(Scope::Chat),
        on_json("/completion", llama::completion::create).scope(Scope::Chat),
        on_json("/infill", llama::completion::fill).scope(Scope::Chat),
        on_get("/models", openai::models::list),
        on_json("/chat/completions", openai::chat::create).scope(Scope::Chat),
        on_json("/embeddings", openai::embeddings::create).scope(Scope::Embeddings),
        on_json("/rerank", openai::rerank::create).scope(Scope::Embeddings),
        on_json("/reranking", openai::rerank::create).scope(Scope::Embeddings),
    ]
}

fn anthropic_routes() -> Vec<Route> {
    vec![
        on_json("/v1/messages", anthropic::messages::create),
        on_json("/v1/messages/count_tokens", anthropic::messages::count),
    ]
}

fn ollama_routes() -> Vec<Route> {
    vec![
        on_get("/api/version", ollama::models::version),
        on_get("/api/tags", ollama::models::tags),
        on_get("/api/ps", ollama::models::ps),
        on_json("/api/show", ollama::models::show),
        on_json("/api/chat", ollama::chat::create).scope(Scope::Chat),
        on_json("/api/generate", ollama::generate::create).scope(Scope::Chat),
        on_json("/api/embed", ollama::embed::many).scope(Scope::Embeddings),
        on_json("/api/embeddings", ollama::embed::one).scope(Scope::Embeddings),
        on_json("/api/push", ollama::without_account),
        on_json("/api/me", ollama::without_account),
        on_json("/api/signout", ollama::without_account),
    ]
}

fn ollama_keeper_routes() -> Vec<Route> {
    let delete = Route {
        method: Method::DELETE,
        path: "/api/delete",
        scope: None,
        handler: delete(json_handler("/api/delete", ollama::pull::delete)),
    };
    let has_blob = Route {
        method: Method::HEAD,
        path: "/api/blobs/{id}",
        scope: None,
        handler: head(ollama::create::has_blob),
    };
    vec![
        on_json("/api/pull", ollama::pull::pull),
        on_json("/api/create", ollama::create::create),
        on_json("/api/copy", ollama::pull::copy),
        delete,
        has_blob,
        on_post("/api/blobs/{id}", ollama::create::take_blob),
    ]
}

fn on_get<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::GET, path, scope: None, handler: get(handler) }
}

fn on_delete<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::DELETE, path, scope: None, handler: delete(handler) }
}

/// A call without a body.
fn on_post<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::POST, path, scope: None, handler: post(handler) }
}

/// A call with a body of JSON.
fn on_json<F, A>(path: &'static str, answer: F) -> Route
where
    F: Fn(App, Value) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    Route { method: Method::POST, path, scope: None, handler: post(json_handler(path, answer)) }
}

/// What reads the body and tells problems in the words of the interface.
fn json_handler<F, A>(path: &'static str, answer: F) -> impl Handler<(), App>
where
    F: Fn(App, Value) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    JsonHandler { path, answer }
}

#[derive(Clone)]
struct JsonHandler<F> {
    path: &'static str,
    answer: F,
}

impl<F, A> Handler<(), App> for JsonHandler<F>
where
    F: Fn(App, Value) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    type Future = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request<Body>, app: App) -> Self::Future {
        let app = app.visited(request.extensions().get());
        Box::pin(async move {
            let answered = match wire::read_json(request).await {
                Ok(body) => (self.answer)(app, body).await,
                Err(problem) => Err(problem),
            };
            answered.unwrap_or_else(|problem| problem.respond(Dialect::of(self.path)))
        })
    }
}

/// The server without a door.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for Route { path, handler, .. } in table() {
        router = router.route(path, handler);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .with_state(app)
}

async fn unknown(request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    wire::discard(request).await;
    let shown: String = path.chars().take(200).collect();
    let problem = Problem::new(Kind::NotFound, format!("there is nothing at {shown}")).code("unknown_url");
    problem.respond(Dialect::of(&path))
}

async fn wrong_method(request: Request<Body>) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    wire::discard(request).await;
    let shown: String = path.chars().take(200).collect();
    let message = format!("{shown} does not answer {method}");
    Problem::new(Kind::Method, message).code("method_not_allowed").respond(Dialect::of(&path))
}
