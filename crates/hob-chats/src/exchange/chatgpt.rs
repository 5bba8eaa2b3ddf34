//! The conversations of ChatGPT's export: a tree of nodes under `mapping`, of which only some are messages that people saw.

use super::Above;
use super::hob::{Carried, order};
use super::import::not_understood;
use crate::{Chat, Error, Id, Message, Role, Settings, State, limits, title_of};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

#[derive(Deserialize)]
struct Conversation {
    conversation_id: Option<String>,
    id: Option<String>,
    title: Option<String>,
    create_time: Option<f64>,
    update_time: Option<f64>,
    current_node: Option<String>,
    mapping: Mapping,
}

/// The nodes in the order of the file.
struct Mapping(Vec<(String, Node)>);

#[derive(Deserialize)]
struct Node {
    message: Option<Said>,
    parent: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    author: Author,
    create_time: Option<f64>,
    content: Option<Content>,
    recipient: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Author {
    role: String,
}

#[derive(Deserialize)]
struct Content {
    content_type: String,
    #[serde(default)]
    parts: Vec<Value>,
    #[serde(default)]
    thoughts: Vec<Thought>,
}

#[derive(Deserialize)]
struct Thought {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    model_slug: Option<String>,
    #[serde(default)]
    is_visually_hidden_from_conversation: Option<bool>,
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Nodes;
        impl<'de> Visitor<'de> for Nodes {
            type Value = Mapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("nodes by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mapping, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = map.next_entry()? {
                    nodes.push(node);
                }
                Ok(Mapping(nodes))
            }
        }
        json.deserialize_map(Nodes)
    }
}

/// A conversation of the export as one of ours.
///
/// # Errors
/// [`Error::Field`] where it is none.
pub(super) fn read(json: &[u8], above: &mut Above<'_>) -> Result<Carried, Error> {
    let conversation: Conversation = serde_json::from_slice(json).map_err(not_understood)?;
    let Mapping(nodes) = &conversation.mapping;
    let wrong =
        |found: &str| Error::Field { field: "mapping", expected: "a tree".into(), found: found.into() };
    if nodes.len() > limits::MESSAGES_MAX {
        return Err(Error::Full { max: limits::MESSAGES_MAX });
    }
    let places: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let parent = |node: &Node| node.parent.as_deref().and_then(|parent| places.get(parent).copied());
    let parents: Vec<Option<usize>> = nodes.iter().map(|(_, node)| parent(node)).collect();
    let order = order(&parents).ok_or_else(|| wrong("nodes that follow each other in a circle"))?;
    let begun = conversation.create_time.and_then(millis).unwrap_or(above.now);
    let mut tree = Tree {
        kept: vec![None; nodes.len()],
        thoughts: vec![String::new(); nodes.len()],
        messages: Vec::new(),
    };
    for at in order {
        let (name, node) = &nodes[at];
        tree.add(at, parents[at], name, node.message.as_ref(), begun, above);
    }
    let current = conversation.current_node.as_deref().and_then(|name| places.get(name).copied());
    let leaf = current.and_then(|at| tree.kept[at]).or(tree.messages.len().checked_sub(1));
    let leaf = leaf.map(|at| tree.messages[at].id.clone());
    let first =
        tree.messages.iter().find(|message| !message.text.is_empty()).map(|message| title_of(&message.text));
    let title = conversation.title.as_deref().filter(|title| !title.trim().is_empty()).map(title_of);
    let id = conversation.conversation_id.as_deref().or(conversation.id.as_deref());
    let chat = Chat {
        id: id.and_then(plain_id).unwrap_or_else(|| (above.new_id)()),
        title: title.or(first).unwrap_or_else(|| "Imported chat".into()),
        is_named: true,
        is_private: false,
        folder: None,
        created: begun,
        updated: conversation.update_time.and_then(millis).unwrap_or(begun),
        leaf,
        settings: Settings::default(),
    };
    Ok(Carried { chat, messages: tree.messages })
}

/// What has been made of the nodes so far.
struct Tree {
    /// For each node the message that it is, or that stands above it.
    kept: Vec<Option<usize>>,
    /// For each node what was thought on the way to it, until somebody speaks.
    thoughts: Vec<String>,
    messages: Vec<Message>,
}

impl Tree {
    /// Adds a node whose parent was added before. Nodes that nobody saw (instructions, tools, steps in between) leave their
    /// places to what follows them.
    fn add(
        &mut self,
        at: usize,
        parent: Option<usize>,
        name: &str,
        said: Option<&Said>,
        begun: i64,
        above: &mut Above<'_>,
    ) {
        let before = parent.and_then(|parent| self.kept[parent]);
        let mut thought = parent.map(|parent| self.thoughts[parent].clone()).unwrap_or_default();
        self.kept[at] = before;
        let Some(said) = said else {
            self.thoughts[at] = thought;
            return;
        };
        let content = said.content.as_ref();
        for part in content
            .into_iter()
            .flat_map(|content| &content.thoughts)
            .filter_map(|part| part.content.as_deref())
        {
            thought += if thought.is_empty() { "" } else { "\n\n" };
            thought += part;
        }
        let Some((role, text)) = visible(said) else {
            self.thoughts[at] = thought;
            return;
        };
        self.kept[at] = Some(self.messages.len());
        let is_answer = role == Role::Assistant;
        self.messages.push(Message {
            id: plain_id(name).unwrap_or_else(|| (above.new_id)()),
            parent: before.map(|index| self.messages[index].id.clone()),
            role,
            text,
            thought: if is_answer { thought } else { String::new() },
            attachments: Vec::new(),
            created: said.create_time.and_then(millis).unwrap_or(begun),
            state: State::Done,
            error: None,
            model: said.metadata.model_slug.clone().filter(|_| is_answer),
            finish: None,
            stats: None,
            thought_ms: None,
            calls: Vec::new(),
        });
    }
}

/// Who speaks and what people saw of it; `None` where they saw nothing.
fn visible(said: &Said) -> Option<(Role, String)> {
    let role = match said.author.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    let is_hidden = said.metadata.is_visually_hidden_from_conversation == Some(true);
    let to_tool = said.recipient.as_deref().is_some_and(|recipient| recipient != "all");
    let content = said.content.as_ref()?;
    if is_hidden || to_tool || !matches!(content.content_type.as_str(), "text" | "multimodal_text") {
        return None;
    }
    let parts: Vec<String> = content.parts.iter().filter_map(part).collect();
    let text = without_marks(&parts.join("\n\n"));
    (!text.trim().is_empty()).then_some((role, text))
}

/// A part of a message. Pictures and sounds are no part of the export's JSON; that there were some is said.
fn part(part: &Value) -> Option<String> {
    match part {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Object(object) => {
            let kind = object.get("content_type")?.as_str()?;
            let text = object.get("text").and_then(Value::as_str).map(str::to_owned);
            let what = if kind.contains("image") {
                "image"
            } else if kind.contains("audio") {
                "sound"
            } else {
                "file"
            };
            text.or_else(|| Some(format!("[{what}, not part of the export]")))
        }
        _ => None,
    }
}

/// References to sources stand between letters of private use and mean nothing elsewhere.
fn without_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{e200}') {
        plain += before;
        match after.split_once('\u{e201}') {
            Some((_, after)) => rest = after,
            None => rest = after,
        }
    }
    plain + rest
}

/// The export's ids are UUIDs, which are ours without the hyphens: importing a file again finds what is there.
fn plain_id(name: &str) -> Option<Id> {
    Id::parse(&name.replace('-', "")).ok()
}

/// Seconds since 1970 as milliseconds.
fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    (millis >= 0.0 && millis <= limits::TIME_MAX as f64).then_some(millis as i64)
}
