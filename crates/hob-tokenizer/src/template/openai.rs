//! Messages as clients of the OpenAI interface send them, rewritten to what a template takes.
//!
//! Templates are written for what transformers documents: arguments of a call are an object, content is text. Clients
//! send arguments as JSON in a string, null beside calls, lists of parts, fields that are null because their library
//! dumps all of them. vLLM and llama.cpp rewrite such messages too; [`ChatTemplate::render`] doesn't, so that it stays
//! comparable with transformers.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::ChatTemplate;
use super::forms::{Calls, Content, Forms};
use crate::Error;

type Message = Map<String, Json>;

/// Longest name of a tool, in bytes, that is repeated beside its results; the interface allows 64. Many results of one
/// call would otherwise multiply a name of any length.
const NAME_BYTES_MAX: usize = 256;

impl ChatTemplate {
    /// Rewrites messages of the OpenAI interface to what this template takes; render the result.
    ///
    /// - Arguments of calls that are JSON of an object in a string become that object; missing or blank ones become an
    ///   empty object. Any other string stays as it is. Templates that only take a string get one.
    /// - Fields that are null are left out, and so is an empty list of calls. Null or missing content becomes the empty
    ///   text, unless it stands beside calls and the template takes null there. Where calls are only shown beside null,
    ///   empty text becomes null.
    /// - A list of parts becomes one text, joined by line breaks, in templates that don't read lists from that role; a
    ///   text becomes a list in templates that read nothing else.
    /// - The role `developer` becomes `system` in templates that don't know it. Where the template refuses or drops
    ///   system messages, the first message's words go before those of the first user message.
    /// - Results of tools get the name of the tool whose call they answer, unless it is absurdly long. Ids of calls are numbered in templates that
    ///   insist on nine letters and digits.
    ///
    /// Everything else stays as it is, so that the template says what it refuses: roles that don't alternate, say.
    ///
    /// # Errors
    /// [`Error::Message`] for a part of content that is not text.
    pub fn adapt_messages(&self, messages: &[Json]) -> Result<Vec<Json>, Error> {
        let forms = self.forms();
        let mut adapter = Adapter { forms, names: BTreeMap::new(), ids: BTreeMap::new() };
        let adapted = messages.iter().enumerate().map(|(index, message)| match message {
            Json::Object(message) => adapter.message(index, message).map(Json::Object),
            other => Ok(other.clone()),
        });
        let mut adapted = adapted.collect::<Result<Vec<_>, _>>()?;
        if !forms.system {
            fold_system(&mut adapted);
        }
        Ok(adapted)
    }

    /// Whether calls of tools reach the prompt; other templates pass over them without a word.
    pub fn shows_tool_calls(&self) -> bool {
        self.forms().calls.is_some()
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| Forms::find(self))
    }
}

/// Completes tools of the OpenAI interface: fields that are null are left out, a missing description becomes empty, and
/// missing parameters become an object without properties.
///
/// The interface lets clients omit what transformers always writes, and templates fail where it is missing.
pub fn adapt_tools(tools: &[Json]) -> Vec<Json> {
    let mut tools = tools.to_vec();
    for function in
        tools.iter_mut().filter_map(|tool| tool.get_mut("function")).filter_map(Json::as_object_mut)
    {
        function.retain(|_, value| !value.is_null());
        function.entry("description").or_insert_with(|| "".into());
        function.entry("parameters").or_insert_with(|| json!({"type": "object", "properties": {}}));
    }
    tools
}

struct Adapter<'f> {
    forms: &'f Forms,
    /// The tool that each call so far is for.
    names: BTreeMap<String, Json>,
    /// Numbers in place of ids, in the order in which they appear.
    ids: BTreeMap<String, String>,
}

impl Adapter<'_> {
    fn message(&mut self, index: usize, message: &Message) -> Result<Message, Error> {
        let mut message: Message = message
            .iter()
            .filter(|(key, value)| !value.is_null() || *key == "content")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if message.get("role").is_some_and(|role| role == "developer") && !self.forms.developer {
            message.insert("role".into(), "system".into());
        }
        let role = message.get("role").and_then(Json::as_str).unwrap_or_default().to_owned();
        let has_calls = self.calls(&mut message);
        self.result(&mut message, &role);
        let content = message.get("content").filter(|content| !content.is_null()).cloned();
        let may_be = |form: fn(Calls) -> bool| has_calls && self.forms.calls.is_some_and(form);
        let content = match content {
            None if may_be(|calls| calls.takes_null) => Json::Null,
            Some(Json::String(text)) if text.is_empty() && may_be(|calls| !calls.takes_empty) => Json::Null,
            content => as_taken(index, content.unwrap_or_else(|| "".into()), self.forms.content(&role))?,
        };
        message.insert("content".into(), content);
        Ok(message)
    }

    /// Rewrites the calls of a message; `false` if it has none.
    fn calls(&mut self, message: &mut Message) -> bool {
        let Some(calls) = message.get_mut("tool_calls").and_then(Json::as_array_mut) else { return false };
        if calls.is_empty() {
            message.shift_remove("tool_calls");
            return false;
        }
        for call in calls {
            let id = call.get("id").and_then(Json::as_str).map(str::to_owned);
            let name = call.pointer("/function/name");
            let is_short = |name: &&Json| name.as_str().is_some_and(|name| name.len() <= NAME_BYTES_MAX);
            if let (Some(id), Some(name)) = (&id, name.filter(is_short)) {
                self.names.insert(id.clone(), name.clone());
            }
            if let (Some(id), Some(call)) = (id, call.as_object_mut()) {
                call.insert("id".into(), self.id(&id).into());
            }
            if let (Some(Json::Object(function)), Some(form)) = (call.get_mut("function"), self.forms.calls) {
                adapt_arguments(function.entry("arguments").or_insert(Json::Null), form);
            }
        }
        true
    }

    /// Completes the result of a tool.
    fn result(&mut self, message: &mut Message, role: &str) {
        let Some(id) = message.get("tool_call_id").and_then(Json::as_str).map(str::to_owned) else { return };
        if let Some(name) = self.names.get(&id).filter(|_| role == "tool" && !message.contains_key("name")) {
            message.insert("name".into(), name.clone());
        }
        message.insert("tool_call_id".into(), self.id(&id).into());
    }

    fn id(&mut self, id: &str) -> String {
        let is_short = id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if !self.forms.short_ids || is_short {
            return id.to_owned();
        }
        let number = self.ids.len();
        self.ids.entry(id.to_owned()).or_insert_with(|| format!("{number:09}")).clone()
    }
}

fn adapt_arguments(arguments: &mut Json, form: Calls) {
    let is_blank = arguments.as_str().is_some_and(|text| text.trim().is_empty());
    if is_blank || arguments.is_null() {
        *arguments = json!({});
    }
    match arguments {
        Json::String(text) if !form.text_arguments => {
            if let Ok(object @ Json::Object(_)) = serde_json::from_str(text) {
                *arguments = object;
            }
        }
        Json::Object(_) if form.text_arguments => *arguments = arguments.to_string().into(),
        _ => {}
    }
}

/// Content in a shape that the template takes.
fn as_taken(index: usize, content: Json, taken: Content) -> Result<Json, Error> {
    match (content, taken) {
        (Json::Array(parts), Content::Text) => {
            let texts = parts.into_iter().map(|part| match text_part(index, part)? {
                Json::Object(mut part) if part.get("type").is_some_and(|t| t == "text") => {
                    match part.remove("text") {
                        Some(Json::String(text)) => Ok(text),
                        _ => Err(refused(index, "a part without text")),
                    }
                }
                other => Err(refused(index, kind(&other))),
            });
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n").into())
        }
        (Json::Array(parts), _) => parts.into_iter().map(|part| text_part(index, part)).collect(),
        (Json::String(text), Content::Parts) => Ok(json!([{"type": "text", "text": text}])),
        (content, _) => Ok(content),
    }
}

/// A part in the only shape that templates know; thoughts are for the template to judge.
fn text_part(index: usize, part: Json) -> Result<Json, Error> {
    let field = match &part {
        Json::String(_) => return Ok(json!({"type": "text", "text": part})),
        part => match kind(part) {
            "text" | "thinking" => return Ok(part.clone()),
            "input_text" | "output_text" => "text",
            "refusal" => "refusal",
            other => return Err(refused(index, other)),
        },
    };
    Ok(json!({"type": "text", "text": part[field]}))
}

fn kind(part: &Json) -> &str {
    part.get("type").and_then(Json::as_str).unwrap_or("a part without a type")
}

fn refused(index: usize, found: &str) -> Error {
    Error::Message { index, expected: "parts of type text", found: found.chars().take(100).collect() }
}

/// Puts the words of a leading system message before those of the first user message.
fn fold_system(messages: &mut Vec<Json>) {
    if messages.first().is_none_or(|first| first["role"] != "system") {
        return;
    }
    let Some(at) = messages.iter().position(|message| message["role"] == "user") else {
        messages[0]["role"] = "user".into();
        return;
    };
    let words = format!("{}\n\n", messages[0]["content"].as_str().unwrap_or_default());
    match &mut messages[at]["content"] {
        Json::String(text) => text.insert_str(0, &words),
        Json::Array(parts) => parts.insert(0, json!({"type": "text", "text": words})),
        _ => return,
    }
    messages.remove(0);
}
