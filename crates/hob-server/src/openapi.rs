//! `/hob/v1/openapi.json`: Hob's own interface, described from the types that are sent.
//!
//! A route is described by a line of [`operations`] with the type of its answer, which `described!` declares. What is the same
//! for all of them (keys, strangers) is added here. A test walks the table of routes: every native one has to be
//! described, and nothing else.

use crate::chats::shapes::{
    ChatGiven, ChatKept, ChatsFile, ChatsPage, Deleted, HitsReport, ImportReport, MessagesGiven, MessagesPage,
};
use crate::chats::{FolderMarked, FoldersReport, UnlockWanted, Unlocked};
use crate::described::Shape;
use crate::elsewhere::native as cloud;
use crate::keys::{KeyMade, KeyRemoved, KeyWanted, KeysReport};
use crate::machine::MachineReport;
use crate::native::{Health, KnownModels, ServerReport, Status};
use crate::problem::ErrorBody;
use crate::requests::RequestsReport;
use crate::shelf::report::{
    AdoptionWanted, CatalogueReport, CopyWanted, FoundReport, KeptModel, ModelNamed, ModelRemoved,
    ModelWanted, PlanReport, PullGone, PullReport, PullsReport, ShelfReport,
};
use crate::stats::StatsReport;
use crate::wire;
use axum::response::Response;
use hob_chats::Listed;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// Puts the schemas of a type among those that are named, and gives a reference to it.
type Declare = fn(&mut Map<String, Value>) -> Value;

/// A part of an address behind the question mark: its name, its type, what it is.
type Asked = (&'static str, &'static str, &'static str);

/// What is asked and answered in one way into the server.
struct Operation {
    method: &'static str,
    path: &'static str,
    about: &'static str,
    answer: Declare,
    /// What the answer is sent as.
    media: &'static str,
    /// The document that comes with the question.
    takes: Option<Declare>,
    /// What may stand behind the question mark.
    query: &'static [Asked],
    needs_key: bool,
}

/// All of them.
fn operations() -> Vec<Operation> {
    vec![
        answers::<Health>("get", "/health", "Says that the server lives.").without_key(),
        answers::<AnyObject>("get", "/hob/v1/openapi.json", "This description."),
        answers::<MachineReport>("get", "/hob/v1/machine", "What this machine has for models."),
        answers::<KnownModels>(
            "get",
            "/hob/v1/models",
            "The models that can be asked for, and what is known of each.",
        ),
        answers::<Status>("get", "/hob/v1/status", "What is in memory, what it is doing, what went and why."),
    ]
    .into_iter()
    .chain(admin())
    .chain(elsewhere())
    .chain(shelf())
    .chain(chats())
    .collect()
}

/// The server itself, and who may use it.
fn admin() -> Vec<Operation> {
    vec![
        answers::<ServerReport>("get", "/hob/v1/server", "Where the server is, and what it is doing."),
        answers::<StatsReport>("get", "/hob/v1/stats", "What answers took, day by day.").asked(&[(
            "days",
            "integer",
            "How many, today included; 30 without.",
        )]),
        answers::<RequestsReport>("get", "/hob/v1/requests", "The last requests, without what was said."),
        answers::<KeysReport>("get", "/hob/v1/keys", "The keys that are kept."),
        answers::<KeyMade>("post", "/hob/v1/keys", "Makes a key; its text is told this once.")
            .takes::<KeyWanted>(),
        answers::<KeyRemoved>("delete", "/hob/v1/keys/{id}", "Revokes a key."),
    ]
}

/// Models elsewhere, and what may leave.
fn elsewhere() -> Vec<Operation> {
    use cloud::{
        AskPlan, AskPlanWanted, CloudReport, CorrectionReport, CorrectionWanted, LedgerReport, ModeReport,
        TargetChanged, TargetTested, TargetWanted,
    };
    vec![
        answers::<CloudReport>("get", "/hob/v1/cloud", "Whether anything may leave, and to whom."),
        answers::<AskPlan>(
            "post",
            "/hob/v1/cloud/plan",
            "Whether a question would leave, and what of it; sends nothing.",
        )
        .takes::<AskPlanWanted>(),
        answers::<LedgerReport>("get", "/hob/v1/cloud/ledger", "What left this machine."),
        answers::<ModeReport>("post", "/hob/v1/cloud/mode", "Says whether anything may leave.")
            .takes::<ModeReport>(),
        answers::<CorrectionReport>(
            "post",
            "/hob/v1/cloud/corrections",
            "Says who should have answered a question.",
        )
        .takes::<CorrectionWanted>(),
        answers::<TargetChanged>("post", "/hob/v1/cloud/targets", "Adds a model elsewhere.")
            .takes::<TargetWanted>(),
        answers::<TargetChanged>("delete", "/hob/v1/cloud/targets/{name}", "Removes it."),
        answers::<TargetTested>("post", "/hob/v1/cloud/targets/{name}/test", "Asks it something short."),
    ]
}

/// Models that are kept, fetched and removed.
fn shelf() -> Vec<Operation> {
    vec![
        answers::<ShelfReport>("get", "/hob/v1/shelf", "The models that are kept, and the room they take."),
        answers::<KeptModel>("get", "/hob/v1/shelf/models/{id}", "One of them."),
        answers::<ModelRemoved>("delete", "/hob/v1/shelf/models/{id}", "Removes it."),
        answers::<ModelNamed>("post", "/hob/v1/shelf/copy", "Gives a model a second name.")
            .takes::<CopyWanted>(),
        answers::<CatalogueReport>(
            "get",
            "/hob/v1/shelf/catalogue",
            "Well-known models, and whether they fit.",
        ),
        answers::<PlanReport>("post", "/hob/v1/shelf/plan", "What fetching a model would bring.")
            .takes::<ModelWanted>(),
        answers::<PullsReport>("get", "/hob/v1/shelf/pulls", "What is being fetched."),
        answers::<PullReport>("post", "/hob/v1/shelf/pulls", "Fetches a model.").takes::<ModelWanted>(),
        answers::<PullReport>("get", "/hob/v1/shelf/pulls/{id}", "How far it is."),
        answers::<PullGone>("delete", "/hob/v1/shelf/pulls/{id}", "Gives it up."),
        answers::<PullReport>("post", "/hob/v1/shelf/pulls/{id}/pause", "Lets it rest."),
        answers::<PullReport>("post", "/hob/v1/shelf/pulls/{id}/resume", "Goes on with it."),
        answers::<PullsReport>(
            "get",
            "/hob/v1/shelf/events",
            "The same list as `pulls`, as events of the server.",
        )
        .with_events(),
        answers::<FoundReport>("get", "/hob/v1/shelf/found", "Models that other programs hold."),
        answers::<PullReport>("post", "/hob/v1/shelf/found", "Adopts one of them.").takes::<AdoptionWanted>(),
    ]
}

/// What pages of a list are asked for with.
const PAGES: &[Asked] =
    &[("after", "string", "What the page before gave as `next`."), ("limit", "integer", "How many.")];

/// Conversations that are kept.
fn chats() -> Vec<Operation> {
    const SEARCH: &[Asked] =
        &[("q", "string", "Words; between double quotes as they stand."), ("limit", "integer", "How many.")];
    const EXPORT: &[Asked] = &[
        ("format", "string", "`json` or `markdown`; this describes the first."),
        ("id", "string", "A conversation; may come several times. All without."),
    ];
    vec![
        answers::<ChatsPage>("get", "/hob/v1/chats", "Conversations that are kept, page by page.")
            .asked(PAGES),
        answers::<HitsReport>("get", "/hob/v1/chats/search", "Messages that hold all words of `q`.")
            .asked(SEARCH),
        answers::<ChatsFile>("get", "/hob/v1/chats/export", "Conversations as a file.").asked(EXPORT),
        answers::<ImportReport>(
            "post",
            "/hob/v1/chats/import",
            "Takes conversations out of a file of Hob or ChatGPT.",
        )
        .takes::<AnyDocument>(),
        answers::<Unlocked>(
            "post",
            "/hob/v1/chats/unlock",
            "Opens encrypted conversations with a passphrase.",
        )
        .takes::<UnlockWanted>(),
        answers::<FoldersReport>("get", "/hob/v1/chats/folders", "Folders whose conversations never leave."),
        answers::<FoldersReport>(
            "post",
            "/hob/v1/chats/folders",
            "Marks a folder as private, or open again.",
        )
        .takes::<FolderMarked>(),
        answers::<Listed>("get", "/hob/v1/chats/{id}", "A conversation without its messages."),
        answers::<ChatKept>("put", "/hob/v1/chats/{id}", "Keeps a conversation and some of its messages.")
            .takes::<ChatGiven>(),
        answers::<Deleted>("delete", "/hob/v1/chats/{id}", "Deletes a conversation."),
        answers::<MessagesPage>(
            "get",
            "/hob/v1/chats/{id}/messages",
            "Messages of a conversation, page by page.",
        )
        .asked(PAGES),
        answers::<ChatKept>("put", "/hob/v1/chats/{id}/messages", "Keeps messages of a conversation.")
            .takes::<MessagesGiven>(),
        answers::<Deleted>(
            "delete",
            "/hob/v1/chats/{id}/messages/{message}",
            "Deletes a message and everything below it.",
        ),
    ]
}

/// A way in that is answered with a `T`.
fn answers<T: Shape>(method: &'static str, path: &'static str, about: &'static str) -> Operation {
    let media = "application/json";
    Operation { method, path, about, answer: T::schema, media, takes: None, query: &[], needs_key: true }
}

impl Operation {
    fn without_key(self) -> Self {
        Self { needs_key: false, ..self }
    }

    fn asked(self, query: &'static [Asked]) -> Self {
        Self { query, ..self }
    }

    fn takes<T: Shape>(self) -> Self {
        Self { takes: Some(T::schema), ..self }
    }

    fn with_events(self) -> Self {
        Self { media: EVENTS, ..self }
    }

    fn to_json(&self, named: &mut Map<String, Value>) -> Value {
        let mut refusals = vec![("403", "This host or page may not ask."), ("default", "What was wrong.")];
        refusals.extend(self.needs_key.then_some(("401", "A key is wanted.")));
        let answer = (self.answer)(named);
        let mut responses = Map::from_iter([("200".to_owned(), body("The answer.", self.media, answer))]);
        for (status, what) in refusals {
            responses.insert(status.into(), body(what, "application/json", ErrorBody::schema(named)));
        }
        let security =
            if self.needs_key { json!([{}, {"bearer": []}, {"x-api-key": []}]) } else { json!([]) };
        let mut described = json!({
            "operationId": format!("{}_{}", self.method, self.path.trim_start_matches('/').replace(['/', '.'], "_")),
            "summary": self.about,
            "parameters": parameters(self.path, self.query),
            "responses": responses,
            "security": security,
        });
        if let Some(takes) = self.takes {
            let asked = takes(named);
            let_absent(named, &asked);
            described["requestBody"] = body("What is asked for.", "application/json", asked);
            described["requestBody"]["required"] = true.into();
        }
        described
    }
}

/// What may be null in an answer may also be absent in a question.
fn let_absent(named: &mut Map<String, Value>, asked: &Value) {
    let name = asked["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let Some(schema) = name.and_then(|name| named.get_mut(name)) else { return };
    let is_needed = |key: &Value| schema["properties"][key.as_str().unwrap_or_default()]["anyOf"].is_null();
    let needed =
        schema["required"].as_array().map(|all| all.iter().filter(|key| is_needed(key)).cloned().collect());
    schema["required"] = Value::Array(needed.unwrap_or_default());
}

/// What stands in braces in a path, and what may follow it.
fn parameters(path: &str, query: &[Asked]) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let one = |name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let behind = query.iter().map(
        |(name, kind, about)| json!({"name": name, "in": "query", "description": about, "schema": {"type": kind}}),
    );
    names.map(one).chain(behind).collect()
}

/// What streams of events are sent as.
const EVENTS: &str = "text/event-stream";

/// An event of a stream whose data are documents; written as OpenAPI 3.2 has it.
fn event(data: Value) -> Value {
    let data = json!({"type": "string", "contentMediaType": "application/json", "contentSchema": data});
    json!({"type": "object", "properties": {"event": {"type": "string"}, "data": data}})
}

fn body(what: &str, media: &str, schema: Value) -> Value {
    let schema = if media == EVENTS { event(schema) } else { schema };
    json!({"description": what, "content": {media: {"schema": schema}}})
}

/// An object about which nothing is said here.
struct AnyObject;

impl Shape for AnyObject {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "object"})
    }
}

/// A document of another program: an object or a list.
struct AnyDocument;

impl Shape for AnyDocument {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": ["object", "array"]})
    }
}

/// `GET /hob/v1/openapi.json`.
pub async fn document() -> Response {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    wire::ok(DOCUMENT.get_or_init(build))
}

fn build() -> Value {
    let (mut schemas, mut paths) = (Map::new(), Map::new());
    for operation in operations() {
        let described = operation.to_json(&mut schemas);
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hob",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What Hob's page asks its server. The interfaces of OpenAI, Anthropic, Ollama and llama-server are \
                            described by those who made them.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    })
}
