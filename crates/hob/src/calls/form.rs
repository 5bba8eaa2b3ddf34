//! How a model writes calls, read off what its template makes of a conversation that has some.

use crate::{Conversation, LanguageModel};
use hob_tokenizer::LocalTime;
use serde_json::{Value, json};

/// Words that no template has.
const TOOLS: [&str; 2] = ["hob_probe_one", "hob_probe_two"];
const WORD: &str = "hobprobeword";

/// Calls are JSON objects between markers: `open object (between object)* close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallForm {
    pub open: String,
    /// `None` where the template takes one call a message.
    pub between: Option<String>,
    pub close: String,
    /// The member that holds the arguments; `name` holds the name.
    pub arguments: String,
}

/// Where a call stands in a text.
struct Found {
    start: usize,
    end: usize,
    arguments: String,
}

impl CallForm {
    /// The form in which the model's template writes calls; where it writes them otherwise than as JSON, the form that most
    /// models know. `None` without a template that knows tools.
    pub fn find(model: &LanguageModel) -> Option<Self> {
        if !model.template()?.supports_tools() {
            return None;
        }
        Some(probe(model).unwrap_or_else(|| Self {
            open: "<tool_call>\n".into(),
            between: Some("\n</tool_call>\n<tool_call>\n".into()),
            close: "\n</tool_call>".into(),
            arguments: "arguments".into(),
        }))
    }

    /// The texts that enclose calls.
    pub fn markers(&self) -> impl Iterator<Item = &str> {
        [self.open.as_str(), self.close.as_str()].into_iter().filter(|marker| !marker.is_empty())
    }
}

fn probe(model: &LanguageModel) -> Option<CallForm> {
    let answered = render(model, json!({"role": "assistant", "content": WORD}))?;
    let before = &answered[..answered.find(WORD)?];
    let one = render(model, calling(&TOOLS[..1]))?;
    let first = find(&one, TOOLS[0])?;
    // Some templates write more before a text than before a call.
    let begins = one.starts_with(before) && before.len() <= first.start;
    let open = if begins { &one[before.len()..first.start] } else { return None };
    let rest = &one[first.end..];
    let close = &rest[..end_of_turn(model, rest)?];
    let between = render(model, calling(&TOOLS)).and_then(|two| {
        let (first, second) = (find(&two, TOOLS[0])?, find(&two, TOOLS[1])?);
        Some(two.get(first.end..second.start)?.to_owned())
    });
    Some(CallForm {
        open: open.trim_start().to_owned(),
        between,
        close: close.trim_end().to_owned(),
        arguments: first.arguments,
    })
}

fn calling(names: &[&str]) -> Value {
    let call = |name: &&str| json!({"id": "hobprobe1", "type": "function", "function": {"name": name, "arguments": {"a": WORD}}});
    json!({"role": "assistant", "content": null, "tool_calls": names.iter().map(call).collect::<Vec<_>>()})
}

fn render(model: &LanguageModel, last: Value) -> Option<String> {
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string", "description": "a"}}, "required": ["a"]});
    let tool = |name: &&str| json!({"type": "function", "function": {"name": name, "description": "a", "parameters": parameters}});
    let conversation = Conversation {
        messages: vec![json!({"role": "user", "content": "a"}), last],
        tools: Some(TOOLS.iter().map(tool).collect()),
        now: Some(LocalTime { year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0 }),
        ..Conversation::default()
    };
    conversation.render(model).ok()
}

/// The last place where an object with this name and some arguments stands; tools are listed before it.
fn find(text: &str, name: &str) -> Option<Found> {
    let at = text.rfind(&format!("\"{name}\""))?;
    let starts = text[..at].rmatch_indices('{').map(|(start, _)| start);
    starts.take(3).find_map(|start| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let end = start + values.byte_offset();
        let holds = |key: &&&str| value.get(**key).is_some_and(|arguments| arguments["a"] == WORD);
        let arguments = ["arguments", "parameters"].iter().find(holds)?;
        (value["name"] == name).then(|| Found { start, end, arguments: (*arguments).to_string() })
    })
}

/// Where the first token that ends an answer stands.
fn end_of_turn(model: &LanguageModel, text: &str) -> Option<usize> {
    let tokenizer = model.tokenizer().ok()?;
    let texts = model.end_tokens().iter().filter_map(|id| tokenizer.token_bytes(*id));
    texts.filter_map(|bytes| text.find(std::str::from_utf8(&bytes).ok().filter(|t| !t.is_empty())?)).min()
}
