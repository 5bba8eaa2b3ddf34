//! What `hob-chats` keeps, described: its types are not declared here, so every member is named once more, and the compiler
//! compares names and types.

use crate::described::{Shape, described, sentence};
use hob_chats::{
    Attachment, Call, Chat, Elsewhere, Energy, Finish, Hit, Id, Message, Method, Place, Repaired, Role,
    Sampling, Scope, Settings, State, Stats, Tool,
};
use hob_chats::{Listed, ToolChoice, Trouble};
use serde_json::{Map, Value, json};

/// Describes types of another crate; `needs` are the members that a question has to bring, the others have defaults.
macro_rules! mirrored {
    ($(
        $(#[doc = $about:literal])+
        $name:ident needs [$($needed:ident),*] { $( $(#[doc = $what:literal])+ $field:ident: $kind:ty, )+ }
    )+) => {
        $(
            // Members that come, go or change their types there stop the build here.
            const _: fn(&$name) = |value| {
                let $name { $($field),+ } = value;
                $( let _: &$kind = $field; )+
            };

            impl Shape for $name {
                fn schema(named: &mut Map<String, Value>) -> Value {
                    let name = concat!("Chats", stringify!($name));
                    if !named.contains_key(name) {
                        named.insert(name.into(), Value::Null);
                        let mut properties = Map::new();
                        $(
                            let mut member = <$kind as Shape>::schema(named);
                            member["description"] = sentence(&[$($what),+]).into();
                            properties.insert(stringify!($field).into(), member);
                        )+
                        let required: Vec<&String> = properties.keys().collect();
                        let whole = json!({
                            "type": "object", "description": sentence(&[$($about),+]),
                            "required": required, "properties": properties,
                        });
                        named.insert(name.into(), whole);
                    }
                    json!({"$ref": format!("#/components/schemas/{name}")})
                }
            }
        )+

        /// What a question has to bring of a type.
        fn needed(name: &str) -> &'static [&'static str] {
            match name {
                $( concat!("Chats", stringify!($name)) => &[$(stringify!($needed)),*], )+
                _ => &[],
            }
        }
    };
}

mirrored! {
    /// A conversation without its messages. Times are milliseconds since 1970.
    Chat needs [id, title, created, updated] {
        /// Its name among all conversations: 8 to 32 letters and digits.
        id: Id,
        /// What people see.
        title: String,
        /// Whether a person named it.
        is_named: bool,
        /// Whether it must be answered on this machine.
        is_private: bool,
        /// The folder in which it lies.
        folder: Option<String>,
        /// When it began.
        created: i64,
        /// When something was last said.
        updated: i64,
        /// The last message of the branch that is shown.
        leaf: Option<Id>,
        /// What it asks of models.
        settings: Settings,
    }

    /// What a conversation asks of models.
    Settings needs [] {
        /// The model that answers.
        model: Option<String>,
        /// Instructions that stand before it.
        system: String,
        /// Whether a thinking model thinks first; null is its own default.
        think: Option<bool>,
        /// Whether the oldest messages may be dropped when the context is full.
        may_drop: bool,
        /// How tokens are drawn.
        sampling: Sampling,
        /// A JSON schema that answers follow.
        schema: Option<Map<String, Value>>,
        /// Functions that the model may call.
        tools: Vec<Tool>,
        /// Whether it calls them.
        tool_choice: ToolChoice,
    }

    /// How tokens are drawn; what is null is left to the model's publisher.
    Sampling needs [] {
        /// Low is predictable, high is inventive.
        temperature: Option<f64>,
        /// The likeliest tokens that together reach this share.
        top_p: Option<f64>,
        /// So many of the likeliest tokens.
        top_k: Option<u64>,
        /// No token less likely than this share of the likeliest.
        min_p: Option<f64>,
        /// Above 1 avoids tokens that were just used.
        repeat_penalty: Option<f64>,
        /// The longest answer.
        max_tokens: Option<u64>,
        /// What repeats an answer.
        seed: Option<u64>,
    }

    /// A function that the model may call.
    Tool needs [name] {
        /// What it is called by.
        name: String,
        /// What it does.
        description: String,
        /// A JSON schema of its arguments.
        parameters: Map<String, Value>,
        /// Whether its arguments follow that schema in every part.
        strict: bool,
    }

    /// A message; those of a conversation form a tree.
    Message needs [id, role] {
        /// Its name within the conversation: 8 to 32 letters and digits.
        id: Id,
        /// What it follows; null begins the conversation.
        parent: Option<Id>,
        /// Who speaks.
        role: Role,
        /// What is said.
        text: String,
        /// What a thinking model thought before.
        thought: String,
        /// Text files that go with it.
        attachments: Vec<Attachment>,
        /// When it was begun.
        created: i64,
        /// How it stands.
        state: State,
        /// Why there is no whole answer.
        error: Option<Trouble>,
        /// The model that answered.
        model: Option<String>,
        /// Why the answer ended.
        finish: Option<Finish>,
        /// What the answer took.
        stats: Option<Stats>,
        /// How long the model thought, in milliseconds.
        thought_ms: Option<i64>,
        /// The functions that the answer called.
        calls: Vec<Call>,
    }

    /// A text file that goes with a message.
    Attachment needs [name, text] {
        /// The file's name.
        name: String,
        /// What is in it.
        text: String,
    }

    /// Why an answer failed.
    Trouble needs [message] {
        /// What happened.
        message: String,
        /// What to do about it.
        advice: Option<String>,
    }

    /// What an answer took.
    Stats needs [] {
        /// Tokens of the prompt.
        prompt_tokens: u64,
        /// Tokens of it that were remembered.
        cached_tokens: u64,
        /// Tokens of the answer.
        answer_tokens: u64,
        /// Oldest tokens that were left out.
        dropped_tokens: u64,
        /// Tokens of the answer a second.
        per_second: f64,
        /// Milliseconds until the first of them.
        first_token_ms: f64,
        /// Milliseconds of waiting for others.
        queue_ms: f64,
        /// What left this machine for it; nothing where a model here answered.
        elsewhere: Option<Elsewhere>,
        /// Places that a model elsewhere wrote anew in an answer of a model here.
        repaired: Option<Repaired>,
        /// What this machine took for it, in energy; nothing where nobody looked.
        energy: Option<Energy>,
    }

    /// Joules, never as one number where two are known.
    Energy needs [] {
        /// How they are known.
        method: Method,
        /// What they are of.
        scope: Scope,
        /// It was this at least.
        joules_low: f64,
        /// It was this at most.
        joules_high: f64,
        /// Of what these are the joules, and by whom.
        about: String,
    }

    /// An answer of a model elsewhere.
    Elsewhere needs [] {
        /// The user's name of it.
        target: String,
        /// Bytes that were sent.
        sent_bytes: u64,
        /// Values that were hidden in them.
        hidden: u64,
        /// What it cost.
        dollars: f64,
        /// The entry of the ledger.
        ledger_entry: Option<u64>,
        /// What happened on the way.
        note: Option<String>,
        /// What a model elsewhere takes for an answer, as far as that is published.
        energy: Option<Energy>,
    }

    /// An answer of a model here with places that a model elsewhere was asked about.
    Repaired needs [] {
        /// Who was asked, and what left for it.
        left: Elsewhere,
        /// How many places were asked about.
        asked: u64,
        /// Those that say something else now.
        places: Vec<Place>,
    }

    /// A place of a text that says something else than the model here wrote.
    Place needs [] {
        /// Characters of the text before it.
        start: u64,
        /// The same with those in it.
        end: u64,
        /// What stood there.
        before: String,
    }

    /// A call that an answer made.
    Call needs [id, name] {
        /// What the result is told for.
        id: String,
        /// The function.
        name: String,
        /// Its arguments: JSON, as the model wrote it.
        arguments: String,
        /// What came of it; null where nobody has said so yet.
        result: Option<String>,
    }

    /// A message that holds what was looked for.
    Hit needs [] {
        /// The conversation.
        chat: Id,
        /// What it is called.
        title: String,
        /// The message.
        message: Id,
        /// The text around the place.
        around: String,
        /// When the message was begun.
        created: i64,
    }
}

/// Describes types that are one of some words. A word that comes there stops the build here.
macro_rules! words {
    ($($name:ident { $($word:ident),+ })+) => { $(
        const _: fn($name) = |value| match value { $($name::$word)|+ => () };

        impl Shape for $name {
            fn schema(_named: &mut Map<String, Value>) -> Value {
                json!({"type": "string", "enum": [$($name::$word),+]})
            }
        }
    )+ };
}

words! {
    Role { User, Assistant }
    State { Done, Running, Stopped, Failed }
    Finish { Stop, Length, ToolCalls }
    Method { Measured, Estimated, Assumed }
    Scope { Processor, Computer, Cores, Prompt }
    ToolChoice { None, Auto, Required }
}

impl Shape for Id {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "string"})
    }
}

impl Shape for Map<String, Value> {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "object"})
    }
}

/// A conversation with its version, beside the other members.
impl Shape for Listed {
    fn schema(named: &mut Map<String, Value>) -> Value {
        Chat::schema(named);
        let mut listed = named["ChatsChat"].clone();
        let what = "A number that grows with every change of the conversation or of its messages.";
        listed["properties"]["version"] = json!({"type": "integer", "description": what});
        if let Some(required) = listed["required"].as_array_mut() {
            required.push("version".into());
        }
        named.insert("ChatsListed".into(), listed);
        json!({"$ref": "#/components/schemas/ChatsListed"})
    }
}

described! {
    /// Conversations, those first in which something was said last.
    pub struct ChatsPage {
        /// The conversations.
        chats: Vec<Listed>,
        /// What `after` of the next question has to be, if there are more.
        next: Option<String>,
    }

    /// Messages of all branches, in the order in which they were kept first.
    pub struct MessagesPage {
        /// The messages.
        messages: Vec<Message>,
        /// What `after` of the next question has to be, if there are more.
        next: Option<i64>,
    }

    /// A conversation was kept.
    pub struct ChatKept {
        /// Its new version.
        version: i64,
        /// Whether it must stay on this machine: also where the request said otherwise and knew an older version.
        is_private: bool,
        /// The folder in which it lies; the same holds for a private one.
        folder: Option<String>,
    }

    /// Something was deleted.
    pub struct Deleted {
        /// How many.
        deleted: usize,
    }

    /// Messages that hold all words, newest first.
    pub struct HitsReport {
        /// The messages.
        hits: Vec<Hit>,
    }

    /// A conversation that was not imported.
    pub struct ChatSkipped {
        /// What the file calls it.
        title: String,
        /// What is wrong with it.
        why: String,
    }

    /// What an import came to.
    pub struct ImportReport {
        /// Conversations that are kept now.
        imported: u64,
        /// Conversations that were there already.
        known: u64,
        /// Conversations that were left out.
        skipped: u64,
        /// Why, for the first of them.
        reasons: Vec<ChatSkipped>,
    }
}

/// A file of conversations, as an export writes it and an import takes it back.
pub struct ChatsFile;

impl Shape for ChatsFile {
    fn schema(named: &mut Map<String, Value>) -> Value {
        let (chat, messages) = (Chat::schema(named), Vec::<Message>::schema(named));
        let carried = json!({"type": "object", "required": ["chat", "messages"], "properties": {"chat": chat, "messages": messages}});
        json!({"type": "object", "required": ["format", "version", "chats"], "properties": {
            "format": {"type": "string", "description": "Always `hob-chats`."},
            "version": {"type": "integer", "description": "Of this form."},
            "chats": {"type": "array", "items": carried, "description": "Each conversation with its messages."},
        }})
    }
}

/// A conversation and some of its messages, to be kept.
pub struct ChatGiven;

impl Shape for ChatGiven {
    fn schema(named: &mut Map<String, Value>) -> Value {
        let (chat, messages) = (given::<Chat>(named), given::<Vec<Message>>(named));
        let version = json!({"type": "integer", "description": "The version that who asks knows. Without it, or where there is a newer one, nothing takes away that it is private."});
        json!({"type": "object", "required": ["chat"], "properties": {"chat": chat, "messages": messages, "version": version}})
    }
}

/// Messages of a conversation that is there.
pub struct MessagesGiven;

impl Shape for MessagesGiven {
    fn schema(named: &mut Map<String, Value>) -> Value {
        let messages = given::<Vec<Message>>(named);
        json!({"type": "object", "required": [], "properties": {"messages": messages}})
    }
}

/// The schema of a `T` in a question, where what has a default may be absent. Named schemas have another name for it.
fn given<T: Shape>(named: &mut Map<String, Value>) -> Value {
    let schema = T::schema(named);
    loosened(named, schema)
}

fn loosened(named: &mut Map<String, Value>, schema: Value) -> Value {
    match schema {
        Value::Object(members) => match members.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
                let other = format!("{name}Given");
                if !named.contains_key(&other) {
                    let mut whole = named.get(&name).cloned().unwrap_or_default();
                    whole["required"] = needed(&name).into();
                    whole["properties"] = loosened(named, whole["properties"].take());
                    named.insert(other.clone(), whole);
                }
                let mut members = members;
                members.insert("$ref".into(), format!("#/components/schemas/{other}").into());
                Value::Object(members)
            }
            None => members.into_iter().map(|(key, value)| (key, loosened(named, value))).collect(),
        },
        Value::Array(items) => items.into_iter().map(|item| loosened(named, item)).collect(),
        plain => plain,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// A question that brings what it has to is understood, and none that lacks some of that.
    fn check<T: Shape + DeserializeOwned>(name: &str, least: &Value) {
        let members = least.as_object().unwrap();
        let mut all: Vec<&str> = members.keys().map(String::as_str).collect();
        let mut needs = needed(name).to_vec();
        all.sort_unstable();
        needs.sort_unstable();
        assert_eq!(all, needs, "{name}");
        assert!(serde_json::from_value::<T>(least.clone()).is_ok(), "{name}");
        for key in &needs {
            let mut without = members.clone();
            without.remove(*key);
            assert!(serde_json::from_value::<T>(without.into()).is_err(), "{name} without {key}");
        }
    }

    #[test]
    fn what_may_be_absent_may_be_absent() {
        check::<Chat>("ChatsChat", &json!({"id": "abcd1234", "title": "a", "created": 1, "updated": 1}));
        check::<Message>("ChatsMessage", &json!({"id": "abcd1234", "role": "user"}));
        check::<Settings>("ChatsSettings", &json!({}));
        check::<Sampling>("ChatsSampling", &json!({}));
        check::<Stats>("ChatsStats", &json!({}));
        check::<Tool>("ChatsTool", &json!({"name": "a"}));
        check::<Attachment>("ChatsAttachment", &json!({"name": "a", "text": "b"}));
        check::<Trouble>("ChatsTrouble", &json!({"message": "a"}));
        check::<Call>("ChatsCall", &json!({"id": "a", "name": "b"}));
        let mut named = Map::new();
        ChatGiven::schema(&mut named);
        assert_eq!(named["ChatsMessageGiven"]["required"], json!(["id", "role"]));
        assert_eq!(named["ChatsSettingsGiven"]["required"], json!([]));
        let tools = &named["ChatsSettingsGiven"]["properties"]["tools"]["items"]["$ref"];
        assert_eq!(tools, "#/components/schemas/ChatsToolGiven");
    }
}
