//! A question in no interface's words.

use crate::repair::{FORM, MEND};
use crate::{Error, Repair};
use serde_json::{Map, Value};

/// Whether a tool is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// If the model wants to.
    Auto,
    /// One at least.
    Required,
    /// This one.
    Named(String),
}

/// Words of this program's own that stand before a question, and the form of its answer. They hold nobody's words, so they are
/// not looked through: a redactor that took one of them for a name would change what they mean. Only this crate makes them.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// What the model is told, as a string of JSON.
    pub(crate) system: &'static str,
    /// A JSON schema that the answer follows.
    pub(crate) schema: &'static str,
}

/// What a model is told that goes on with an answer which another began, as a string of JSON. Words of this program's own, as [`Constants`] are.
pub(crate) const GO_ON: &str = r#""The answer above was begun by another assistant and broken off; the reader has seen it. Go on from exactly where it stops and do not repeat any of it. If something in it is wrong, say so first in one sentence, then give the right answer.""#;

/// What is asked of a bigger model.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Messages as the OpenAI interface has them, of text alone.
    pub messages: Vec<Value>,
    /// Tools in the same interface's form.
    pub tools: Vec<Value>,
    /// Whether they are called; `None`: not at all.
    pub choice: Option<Choice>,
    /// A JSON schema that the answer follows.
    pub schema: Option<Value>,
    /// Longest answer.
    pub max_tokens: Option<u64>,
    /// How tokens are drawn, where the request says so.
    pub temperature: Option<f64>,
    /// The same.
    pub top_p: Option<f64>,
    /// Texts that end the answer. They are looked for here: what is hidden in them could not be found elsewhere.
    pub stop: Vec<String>,
    /// The beginning of the answer, which somebody has read and which is gone on with.
    pub begun: Option<String>,
    /// A complete answer of which places are asked about. The answer to the question is edits of these then.
    pub repair: Option<Repair>,
    /// Instructions and a schema of this program's own, in place of those above.
    pub constants: Option<Constants>,
}

impl Question {
    /// A question of one message.
    pub fn of(text: &str) -> Self {
        Self { messages: vec![serde_json::json!({"role": "user", "content": text})], ..Self::default() }
    }

    /// The last thing that the user said: what the router looks at.
    pub fn prompt(&self) -> String {
        let last = self.messages.iter().rev().find(|message| message["role"] == "user");
        last.and_then(|message| text(message).ok()).unwrap_or_default()
    }

    /// Characters of all that is said in it.
    pub fn chars(&self) -> usize {
        fn count(value: &Value) -> usize {
            match value {
                Value::String(text) => text.chars().count(),
                Value::Array(list) => list.iter().map(count).sum(),
                Value::Object(members) => members.iter().map(|(key, value)| key.len() + count(value)).sum(),
                _ => 1,
            }
        }
        let own = self.constants.map_or(0, |own| own.system.len() + own.schema.len());
        let begun = self.begun.as_ref().map_or(0, |begun| begun.chars().count() + GO_ON.len());
        let repair =
            self.repair.as_ref().map_or(0, |repair| repair.text.chars().count() + MEND.len() + FORM.len());
        let said: usize = self.messages.iter().chain(&self.tools).chain(&self.schema).map(count).sum();
        said + own + begun + repair
    }

    /// Whether the answer follows a schema.
    pub(crate) fn has_schema(&self) -> bool {
        self.schema.is_some() || self.constants.is_some() || self.repair.is_some()
    }

    /// The tools that are offered.
    pub(crate) fn offered(&self) -> impl Iterator<Item = Offered<'_>> {
        let tools = if self.choice.is_some() { self.tools.as_slice() } else { &[] };
        tools.iter().filter_map(Offered::of)
    }
}

/// A tool that is offered.
pub(crate) struct Offered<'a> {
    pub name: &'a str,
    pub about: Option<&'a str>,
    pub parameters: Option<&'a Value>,
}

impl<'a> Offered<'a> {
    fn of(tool: &'a Value) -> Option<Self> {
        let function = tool.get("function").unwrap_or(tool);
        let name = function["name"].as_str()?;
        let parameters = function.get("parameters").filter(|parameters| parameters.is_object());
        Some(Self { name, about: function["description"].as_str(), parameters })
    }
}

/// A call that stands in the conversation.
pub(crate) struct Called<'a> {
    pub id: &'a str,
    pub name: &'a str,
    /// As text.
    pub arguments: String,
}

/// The calls of an assistant's message.
pub(crate) fn calls(message: &Value) -> Vec<Called<'_>> {
    let list = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Called::of).collect()
}

impl<'a> Called<'a> {
    fn of(call: &'a Value) -> Option<Self> {
        let function = &call["function"];
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            other => other.to_string(),
        };
        let (id, name) = (call["id"].as_str().unwrap_or("call_0"), function["name"].as_str()?);
        Some(Self { id, name, arguments })
    }
}

/// What a message says.
///
/// # Errors
/// [`Error::NotText`] for pictures and sound.
pub(crate) fn text(message: &Value) -> Result<String, Error> {
    match &message["content"] {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => {
            let mut whole = String::new();
            for part in parts {
                let text = match part {
                    Value::String(text) => Some(text.as_str()),
                    part => part["text"].as_str().or_else(|| part["refusal"].as_str()),
                };
                whole.push_str(text.ok_or(Error::NotText)?);
            }
            Ok(whole)
        }
        _ => Err(Error::NotText),
    }
}

/// The members of a text that should be an object.
pub(crate) fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Some(members),
        _ if text.trim().is_empty() => Some(Map::new()),
        _ => None,
    }
}
